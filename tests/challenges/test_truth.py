"""A data set as a contest would publish it: tests of ``answer`` score against it."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.answer import answer
from overtrace.challenges.protocols import score_files
from overtrace.challenges.truth import write_truth
from overtrace.data.labelled import VOID
from overtrace.errors import BadOutput
from overtrace.models.runtime import load_network
from overtrace.raster.grid import Box
from overtrace.raster.source import open_raster
from tests.support.drawn import draw_objects, draw_scene, gather
from tests.support.identity_model import write_identity_model

SQUARE = (2, 8, 3, 9)


@pytest.mark.parametrize("pixel_size_m", [0.05, 0.1, 0.3, 1 / 3, 0.6, 10.0])
@pytest.mark.parametrize(("height", "width"), [(20, 31), (2000, 3)])
def test_an_image_states_its_pixel_size(tmp_path, pixel_size_m, height, width):
    held = write_truth("itc", gather([draw_objects("a", height, width, [], pixel_size_m)]), tmp_path / "held")
    assert open_raster(held.images / "a.tif").grid.pixel_size_m == (pixel_size_m, pixel_size_m)
    assert held.pixel_size_m == pixel_size_m


def test_an_image_of_unknown_scale_does_not(tmp_path):
    held = write_truth("itc", gather([draw_objects("a", 20, 30, [])]), tmp_path / "held")
    assert open_raster(held.images / "a.tif").grid.pixel_size_m is None
    assert (held.pixel_size_m, held.ask(tmp_path).pixel_size_m) == (None, 1.0)


def test_images_may_have_a_pixel_size_each_but_for_trees(tmp_path):
    data = gather([draw_objects(f"{i}", 20, 30, [SQUARE], size) for i, size in enumerate((0.1, 0.5))])
    assert write_truth("itc", data, tmp_path / "held").pixel_size_m is None
    with pytest.raises(ValueError, match="drawn has images of 2 pixel sizes: wanted one for trees"):
        write_truth("trees", data, tmp_path / "trees")
    assert [path.name for path in tmp_path.iterdir()] == ["held"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [("nir",), ("red", "green", "blue", "mul1"), tuple(f"mul{i}" for i in range(11))])
def test_all_bands_are_kept_as_they_are(tmp_path, dtype, bands):
    values = np.random.default_rng(0).integers(0, 200, (20, 30, len(bands))).astype(dtype)
    sample = replace(draw_objects("a", 20, 30, []), image=values)
    held = write_truth("itc", replace(gather([sample]), bands=bands), tmp_path / "held")
    raster = open_raster(held.images / "a.tif", bands=held.bands)
    read, valid = raster.read([raster.roles[band] for band in bands], Box(0, 0, 20, 30))
    assert (raster.dtype, raster.alpha, valid.all()) == (dtype, None, True)
    np.testing.assert_array_equal(np.moveaxis(read, 0, -1), values)


def test_files_worked_by_hand(tmp_path):
    data = gather([draw_objects("x/b", 20, 30, [SQUARE]), draw_objects("a.5", 20, 30, [])])
    held = write_truth("itc", data, tmp_path / "itc")
    assert json.loads(held.ids.read_text()) == {"x_b.tif": 1, "a.5.tif": 2}
    (crown,) = json.loads(held.truth.read_text())["annotations"]
    assert (crown["image_id"], crown["area"], crown["bbox"]) == (1, 36, [3, 2, 6, 6])
    held = write_truth("deepglobe", data, tmp_path / "deepglobe")
    with held.truth.open() as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    assert rows == [["x_b", "1", "POLYGON ((3 2,9 2,9 8,3 8,3 2))"], ["a.5", "-1", "POLYGON EMPTY"]]
    held = write_truth("trees", data, tmp_path / "trees")
    assert (held.truth / "x_b.csv").read_text() == "x,y\n5.5,4.5\n"
    assert (held.truth / "a.5.csv").read_text() == "x,y\n"
    classes = np.array([[0, 1], [2, VOID]])
    for challenge, names, labels in (
        ("sceneparsing", ("sky", "wall", "flag"), [[3, 1], [150, 0]]),
        ("camvid", ("sky", "road", "tree"), [[0, 3], [5, 11]]),
    ):
        held = write_truth(challenge, gather([draw_scene("a", classes)], names), tmp_path / challenge)
        assert np.asarray(Image.open(held.truth / "a.png")).tolist() == labels


def test_names_with_points_are_answered(tmp_path):
    network = load_network(write_identity_model(tmp_path / "a.onnx", window=64, margin=8))
    data = gather([draw_objects(f"a.{i}", 20, 30, [SQUARE]) for i in range(2)])
    for challenge, name in (("itc", "a.json"), ("trees", "a.csv")):
        held, out = write_truth(challenge, data, tmp_path / challenge), tmp_path / name
        answer(challenge, network, [held.images], out, ids=held.ids, bands=held.bands)
        assert score_files(challenge, held.ask(out)).score == pytest.approx(1, rel=1e-15)


def test_distances_of_trees_are_metres(tmp_path):
    # The point lies 20 pixels beside the tree: 6 m at 0.3 m a pixel.
    network = load_network(write_identity_model(tmp_path / "a.onnx", window=64, margin=8))
    for size, score in ((0.3, 1), (0.31, 0)):
        sample = draw_objects("a", 20, 60, [SQUARE], size)
        held = write_truth(
            "trees", gather([replace(sample, centres=sample.centres + np.array([20, 0]))]), tmp_path / f"{size}"
        )
        answer("trees", network, [held.images], tmp_path / "a.csv")
        assert score_files("trees", held.ask(tmp_path / "a.csv")).score == score


def test_ground_that_nobody_labelled_is_ignored(tmp_path):
    network = load_network(write_identity_model(tmp_path / "a.onnx", window=64, margin=8))
    sample = draw_objects("a", 20, 60, [SQUARE, (2, 8, 30, 40)])
    ignore = np.zeros((20, 60), bool)
    ignore[:, 25:] = True
    unlabelled = replace(sample, labels=np.where(ignore, 0, sample.labels), ignore=ignore)
    held = write_truth("itc", gather([unlabelled]), tmp_path / "held")
    answer("itc", network, [held.images], tmp_path / "a.json", ids=held.ids)
    verdict = score_files("itc", held.ask(tmp_path / "a.json"))
    assert (verdict.profile, verdict.score) == ("itc-default100+ignore", pytest.approx(1, rel=1e-15))
    assert verdict.parts["data_sets"][0]["detections_ignored"] == 1


def test_a_data_set_that_is_none_of_the_contest(tmp_path):
    objects, scenes = gather([draw_objects("a", 20, 30, [])]), gather([draw_scene("a", np.zeros((2, 2), int))])
    for challenge, data in (("itc", scenes), ("camvid", objects), ("chess", objects)):
        with pytest.raises(ValueError, match=f"is no truth for {challenge}"):
            write_truth(challenge, data, tmp_path / "held")
    with pytest.raises(ValueError, match="has two images whose files would have one name"):
        write_truth("itc", gather([draw_objects(name, 20, 30, []) for name in ("a/b", "a_b")]), tmp_path / "held")
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "x").write_text("")
    with pytest.raises(BadOutput, match="holds something else: name another one"):
        write_truth("itc", objects, tmp_path / "held")
