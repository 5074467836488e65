import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from overtrace.data.labelled import VOID
from overtrace.errors import BadOption
from overtrace.learn.sources import Group
from overtrace.learn.tune import choose_grid, remember, tune
from overtrace.learn.validate import draw_sheet, hold, validate
from overtrace.models.card import DecodeParameters
from overtrace.models.planes import LEVELS
from overtrace.models.runtime import Network
from tests.support.drawn import draw_objects, draw_scene, gather
from tests.support.identity_model import identity_card

SCENES = {"sceneparsing": ("wall", "building", "sky"), "camvid": ("Sky", "Building", "Pole")}


def answering(calls=None, **changes):
    """A network that answers with its input."""

    def infer(window):
        if calls is not None:
            calls.append(window.copy())
        return (window,)

    return Network(identity_card(64, 8, **changes), lambda: infer)


def draw_group(challenge):
    if challenge in SCENES:
        rows = np.arange(64)[:, None] // 22
        scenes = [draw_scene(name, np.broadcast_to(rows, (64, 64)).copy()) for name in "ab"]
        scenes[0].classes[:4] = VOID
        return Group("drawn", challenge, gather(scenes, SCENES[challenge]))
    size = 0.5 if challenge == "trees" else None
    squares = [(4, 14, 3, 13), (20, 36, 30, 44), (20, 36, 44, 60)]
    return Group("drawn", challenge, gather([draw_objects(name, 64, 64, squares, size) for name in "abc"]))


# Classes that no image shows count as 0: three of 150, and all pixels right; three of 11.
@pytest.mark.parametrize(
    ("challenge", "score"),
    [("itc", 1), ("deepglobe", 1), ("trees", 1), ("sceneparsing", (3 / 150 + 1) / 2), ("camvid", 3 / 11)],
)
def test_the_right_answer_has_the_best_score_and_is_drawn(tmp_path, challenge, score):
    group = draw_group(challenge)
    task = {"task": "classes", "classes": group.data.classes, "planes": ()} if challenge in SCENES else {}
    network, held = answering(**task), hold(group, tmp_path / "validation", None)
    assert validate(network, held) == pytest.approx(score)
    # Files of the last validation are written over.
    assert validate(network, held) == pytest.approx(score)
    sheet = draw_sheet(network, held, tmp_path / "pictures" / "drawn.png")
    with Image.open(tmp_path / "pictures" / "drawn.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), sheet)
    count, width = len(group.data), 3 * 64 if challenge in SCENES else 64
    assert sheet.shape == (count * (64 + 4), width, 3)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["drawn.png"]


def test_the_first_images_are_looked_at_on_the_way(tmp_path):
    group = draw_group("itc")
    assert hold(group, tmp_path, 2).group.data.names == ("a", "b")
    assert hold(group, tmp_path, 9).group.data.names == ("a", "b", "c")
    assert [path.name for path in sorted((tmp_path / "drawn" / "images").iterdir())] == ["a.tif", "b.tif", "c.tif"]


def test_trees_of_several_pixel_sizes_are_told(tmp_path):
    data = gather([draw_objects(name, 8, 8, [(2, 5, 2, 5)], size) for name, size in (("a", 0.5), ("b", 0.6))])
    with pytest.raises(BadOption, match="2 pixel sizes: wanted one for trees: choose another challenge"):
        hold(Group("drawn", "trees", data), tmp_path, None)


def test_the_thresholds_that_part_true_from_false_are_found(tmp_path):
    true = draw_objects("a", 64, 64, [(4, 20, 4, 20), (30, 46, 30, 46)])
    # Something that is nothing looks nearly as sure.
    true.image[50:60, 4:24] = 150
    held = [hold(Group("drawn", "deepglobe", gather([true])), tmp_path, None)]
    start = DecodeParameters(interior=64, distance=26, touch=255)
    calls, said = [], []
    network = answering(calls, decode=start)
    # Two hits and a false one: 2 * 2 / (3 + 2).
    assert validate(network, held[0]) == pytest.approx(0.8)
    calls.clear()
    best = tune([(network, held[0])], said.append)
    # Four windows with their margins, which the network is asked once each, however many thresholds are tried.
    assert len(calls) == len({window.tobytes() for window in calls}) == 4
    assert validate(network.with_card(network.card.model_copy(update={"decode": best})), held[0]) == 1
    assert max(best.interior, best.distance) > 150
    assert said[-1].endswith("mean score 1.0000")


def test_what_is_remembered_is_what_would_be_answered():
    calls = []
    window = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    quick, levels = remember(answering(calls)), np.floor(window * np.float32(LEVELS) + np.float32(0.5))
    for _ in range(3):
        (found,) = quick.ask(window)
        np.testing.assert_array_equal(np.floor(found[0] * np.float32(LEVELS) + np.float32(0.5)), levels)
    assert len(calls) == 1


def test_peaks_are_tried_as_far_as_the_margin():
    grid = choose_grid(DecodeParameters(peak_px=2, min_seed_px=1), ("interior", "distance"), 3)
    assert list(grid["peak_px"]) == [1, 2, 3]
    assert "min_seed_px" not in grid
    assert "peak_px" not in choose_grid(DecodeParameters(), ("interior",), 8)


def test_borders_that_are_not_there_are_not_tried():
    assert "touch" in choose_grid(DecodeParameters(), ("interior", "touch"), 8)
    assert "touch" not in choose_grid(DecodeParameters(), ("interior", "distance"), 8)
