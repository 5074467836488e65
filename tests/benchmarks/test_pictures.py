import io
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from benchmarks.pictures import MOST_BYTES, SIDE, answer_tiles, cut, draw_extremes, encode, note_captions
from overtrace.learn.pictures import TRUE
from overtrace.learn.sources import Group
from overtrace.models.runtime import load_network
from tests.support.drawn import draw_objects, draw_scene, gather
from tests.support.identity_model import write_identity_model

SQUARES = [(8 * i, 8 * i + 6, 4, 12) for i in range(6)]


@pytest.fixture
def network(tmp_path):
    return load_network(write_identity_model(tmp_path / "identity.onnx", window=64, margin=8))


def draw_tiles(challenge):
    """One that is answered rightly, one whose truth is twice what its image shows, one with few objects."""
    good = draw_objects("good", 64, 64, SQUARES, 0.5)
    more = draw_objects("poor", 64, 64, [*SQUARES, *[(top, bottom, 40, 48) for top, bottom, _, _ in SQUARES]], 0.5)
    more.image[:, 30:] = 0
    return Group("drawn", challenge, gather([good, more, draw_objects("few", 64, 64, SQUARES[:2], 0.5)]))


@pytest.mark.parametrize("challenge", ["trees", "itc"])
def test_the_best_and_the_worst_are_drawn_beside_the_truth(tmp_path, network, challenge):
    group = draw_tiles(challenge)
    tiles = list(answer_tiles(network, group, tmp_path))
    assert [tile.name for tile in tiles] == ["good", "poor"]
    pictures = draw_extremes("m", group, tiles, "somebody, CC BY 4.0", 1, tmp_path / "out")
    assert [picture["file"] for picture in pictures] == ["m-drawn-best.jpg", "m-drawn-worst.jpg"]
    best, worst = (picture["caption"] for picture in pictures)
    assert best.startswith("m, best of 2 tiles of drawn: good, score by the rule of")
    assert best.endswith("Somebody, CC BY 4.0.")
    assert "poor" in worst
    with Image.open(tmp_path / "out" / "m-drawn-worst.jpg") as picture:
        assert picture.size == (2 * SIDE + 4, SIDE)
        yellow = (np.abs(np.asarray(picture).astype(int) - TRUE).sum(axis=-1) < 60).any(axis=0)
    assert yellow[: SIDE - 16].any()
    assert not yellow[SIDE + 16 :].any()


def test_scenes_are_drawn_in_colours(tmp_path):
    facts = {"task": "classes", "classes": ("sky", "building", "pole"), "planes": (), "pixel_size_m": None}
    network = load_network(write_identity_model(tmp_path / "identity.onnx", window=64, margin=0, **facts))
    rows = np.broadcast_to(np.arange(64)[:, None] // 22, (64, 64))
    scenes = [draw_scene("a", rows.copy()), draw_scene("b", rows.copy())]
    scenes[1].classes[:32] = 2
    group = Group("drawn", "camvid", gather(scenes, ("sky", "building", "pole")))
    tiles = list(answer_tiles(network, group, tmp_path))
    assert [tile.score for tile in tiles] == [1, 0.5]
    pictures = draw_extremes("m", group, tiles, "somebody", 1, tmp_path / "out")
    with Image.open(tmp_path / "out" / pictures[0]["file"]) as picture:
        assert picture.size == (3 * 64, 64)


def test_large_images_are_cut_and_their_objects_with_them():
    side = 2 * SIDE + 10
    inside, across = (10, 20, SIDE + 10, SIDE + 20), (SIDE - 4, SIDE + 8, 100, 120)
    data = cut(gather([draw_objects("large", side, side, [inside, across], 0.1), draw_objects("small", 64, 64, [])]))
    assert data.names[0] == "large, row 0, column 0"
    assert len(data) == 4 + 1
    corner, right, low = (data.read(i) for i in range(3))
    assert (len(corner.centres), corner.labels.max(), corner.ignore.sum()) == (0, 0, 4 * 20)
    assert (right.labels[10:20, 10:20] == 1).all()
    np.testing.assert_array_equal(right.centres, [[14.5, 14.5]])
    assert (low.labels == 1).sum() == 8 * 20
    assert data.read(4).name == "small"


def test_pictures_are_small():
    noise = np.random.default_rng(0).integers(0, 256, (300, 600, 3)).astype(np.uint8)
    assert len(encode(noise)) <= MOST_BYTES
    assert Image.open(io.BytesIO(encode(noise))).size == (600, 300)


def test_captions_of_other_models_stay_and_old_pictures_go(tmp_path):
    (tmp_path / "old.jpg").touch()
    note_captions("b", [{"file": "b.jpg", "caption": "B"}], tmp_path)
    note_captions("a", [{"file": "old.jpg", "caption": "A"}], tmp_path)
    note_captions("a", [{"file": "new.jpg", "caption": "A"}], tmp_path)
    captions = json.loads((tmp_path / "captions.json").read_text())
    assert {name: [picture["file"] for picture in pictures] for name, pictures in captions.items()} == {
        "a": ["new.jpg"],
        "b": ["b.jpg"],
    }
    assert not (tmp_path / "old.jpg").exists()
