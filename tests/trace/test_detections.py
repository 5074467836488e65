"""The whole line with a network that finds objects one by one, on images whose objects are marked."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

from overtrace.cli.info import info
from overtrace.decode.detections import keep_largest, paint, suppress
from overtrace.errors import BadManifest, BadOption
from overtrace.models.detections import predict_detections
from overtrace.models.runtime import load_network
from overtrace.models.view import lay_windows, view_image
from overtrace.raster.grid import Box
from overtrace.raster.source import open_raster
from overtrace.trace.options import Length, Options
from overtrace.trace.pipeline import trace
from tests.support.detections_model import write_detections_model
from tests.support.images import write_image

HEIGHT, WIDTH = 420, 520
EXACT = {"simplify": Length(0, "px"), "decode": {"min_area_px": 1}}


def mark(height, width, *marks):
    """An image with marks: row, column, level of red, half a side, class."""
    pixels = np.full((3, height, width), 1, np.uint8)
    for row, col, red, half, label in marks:
        pixels[:, row, col] = red, half, 255 * label
    return pixels


def draw_marks() -> np.ndarray:
    """Objects of many sizes and few scores that overlap and touch, those where four windows meet among them."""
    rng = np.random.default_rng(0)
    places = rng.choice(HEIGHT * WIDTH, 500, replace=False)
    marks = [
        (place // WIDTH, place % WIDTH, 128 + 10 * rng.integers(1, 12), rng.integers(2, 16), rng.integers(0, 2))
        for place in places
    ]
    corners = [(row, col, 250, 15, 0) for row in range(64, HEIGHT, 64) for col in range(64, WIDTH, 128)]
    return mark(HEIGHT, WIDTH, *marks, *corners)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_detections_model(tmp_path_factory.mktemp("model") / "marks.onnx")


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> str:
    pixels = draw_marks()
    pixels[:, 100:180, 200:230] = 0
    return write_image(tmp_path_factory.mktemp("scene") / "marks.tif", pixels, nodata=0)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Columns and geometries of a file of polygons, by id."""
    meta, _, geometry, columns = pyogrio.raw.read(path)
    table = dict(zip(meta["fields"], columns, strict=True)) | {"geometry": geometry}
    order = np.argsort(table["id"])
    return {name: column[order] for name, column in table.items()}


def run(image, model, out: Path, **options) -> dict[str, np.ndarray]:
    trace([image], [out], Options(model=str(model), **options))
    return read_table(out)


def run_on(pixels, model, folder: Path, profile=None, **options) -> dict[str, np.ndarray]:
    """The objects of an image, every pixel of them kept."""
    image = write_image(folder / "image.tif", pixels, **(profile or {}))
    table = run(image, model, folder / "out.gpkg", **EXACT | options)
    with rasterio.open(image) as file:
        into = ~file.transform
    table["bounds"] = shapely.bounds(
        shapely.transform(
            shapely.from_wkb(table["geometry"]), lambda xy: np.round(np.stack(into @ (xy[:, 0], xy[:, 1]), axis=1), 6)
        )
    )
    return table


@pytest.fixture(scope="module")
def expected(scene, model, tmp_path_factory) -> dict[str, np.ndarray]:
    return run(scene, model, tmp_path_factory.mktemp("expected") / "whole.gpkg", block=4096, workers=1)


def assert_same(found, expected) -> None:
    assert found.keys() == expected.keys()
    for name, column in expected.items():
        assert np.array_equal(found[name], column), f"{name} differs"


@pytest.mark.parametrize(
    ("block", "workers", "executor"),
    [(1, 2, "threads"), (128, 1, "threads"), (200, 2, "processes"), (256, 2, "threads")],
)
def test_the_answer_does_not_depend_on_how_it_is_cut(scene, model, expected, tmp_path, block, workers, executor):
    assert len(expected["id"]) > 250
    assert set(expected["class"]) == {"crown", "roof"}
    found = run(scene, model, tmp_path / "cut.gpkg", block=block, workers=workers, executor=executor)
    assert_same(found, expected)


@pytest.mark.parametrize("block", [64, 4096])
def test_labels_are_those_of_the_image_as_a_whole(scene, model, tmp_path, block):
    trace([scene], [tmp_path / "labels.tif"], Options(model=str(model), block=block, **EXACT))
    with rasterio.open(tmp_path / "labels.tif") as file:
        found = file.read(1)
    network = load_network(model)
    view = view_image(open_raster(scene), network.card)
    (whole,) = lay_windows(network.card).blocks(view.grid, WIDTH)
    left = suppress(predict_detections(view, network, whole), network.card.detect.overlap)
    _, valid = view.read(whole.core)
    labels = paint(left, Box(0, 0, HEIGHT, WIDTH), valid, network.card.detect.mask)
    keep_largest(labels, len(left))
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("simplify", [Length(0, "px"), Length(0.75, "px")])
def test_polygons_fit(scene, model, tmp_path, simplify):
    table = run(scene, model, tmp_path / "out.gpkg", block=128, **EXACT | {"simplify": simplify})
    polygons = shapely.from_wkb(table["geometry"])
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)


def test_what_is_killed_resumes_to_the_same_answer(scene, model, expected, tmp_path):
    out = tmp_path / "killed.gpkg"
    scratch = tmp_path / ".killed.gpkg.scratch" / "image-00000"
    code = "from overtrace.cli.main import main; main()"
    arguments = ["trace", scene, "--out", out, "--model", model, "--block", "64", "--resume"]
    for files in (3, 60):
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.DEVNULL, start_new_session=True
        )
        while process.poll() is None and len(list(scratch.rglob("*-*"))) < files:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not out.exists()
    with pytest.raises(BadManifest, match="cannot resume: parameters was"):
        run(scene, model, out, block=64, resume=True, decode={"overlap": 0.4})
    assert_same(run(scene, model, out, block=64, resume=True), expected)


@pytest.mark.parametrize("at", [63, 64])
def test_an_object_where_four_windows_meet_is_found_once(model, tmp_path, at):
    table = run_on(mark(200, 200, (at, at, 204, 10, 1)), model, tmp_path, block=64)
    np.testing.assert_allclose(table["score"], [0.8], rtol=1e-6)
    assert list(table["class"]) == ["roof"]
    # A disc of diameter 20 about the middle of the pixel.
    assert table["area_m2"][0] / 0.3**2 == pytest.approx(np.pi * 100, rel=0.03)
    np.testing.assert_array_equal(table["bounds"], [[at - 9, at - 9, at + 10, at + 10]])


def test_double_finds_on_both_sides_of_a_border_are_dropped(model, tmp_path):
    marks = [
        (50, 62, 200, 10, 0),
        (50, 65, 210, 10, 0),
        (50, 63, 190, 10, 1),
        (90, 62, 200, 10, 0),
        (90, 80, 210, 10, 0),
    ]
    table = run_on(mark(200, 200, *marks), model, tmp_path, block=64)
    np.testing.assert_allclose(table["score"], np.array([210, 210, 200, 190]) / 255, rtol=1e-6)
    np.testing.assert_array_equal(table["id"], [1, 2, 3, 4])
    # Equal scores go by place; of the roof, which the better crown of columns 56 to 74 hides, the left rim is seen.
    np.testing.assert_array_equal(table["bounds"][:, 0], [56, 71, 53, 54])
    assert table["bounds"][3, 2] < 63
    more = run_on(mark(200, 200, *marks), model, tmp_path, decode={"min_area_px": 1, "overlap": 0.95})
    # With the other crown there as well, nothing is seen of the roof between them.
    np.testing.assert_allclose(more["score"], np.array([210, 210, 200, 200]) / 255, rtol=1e-6)


def test_objects_reach_the_edges_of_the_image_and_no_further(model, tmp_path):
    marks = [(0, 0, 200, 8, 0), (199, 99, 200, 8, 0), (100, 99, 200, 8, 0)]
    table = run_on(mark(200, 100, *marks), model, tmp_path)
    np.testing.assert_array_equal(table["bounds"], [[0, 0, 8, 8], [92, 93, 100, 108], [92, 192, 100, 200]])


def test_an_image_smaller_than_the_window(model, tmp_path):
    table = run_on(mark(40, 70, (20, 35, 200, 8, 0)), model, tmp_path)
    np.testing.assert_array_equal(table["bounds"], [[28, 13, 43, 28]])


def test_nothing_lies_where_there_is_no_data(model, tmp_path):
    pixels = mark(200, 200, (100, 95, 200, 10, 0), (100, 150, 200, 10, 0))
    pixels[:, :, 100:110] = 0
    pixels[:, :, 150:] = 0
    table = run_on(pixels, model, tmp_path, {"nodata": 0}, block=64)
    # The second mark is itself no data, and of the first the larger piece stays.
    np.testing.assert_array_equal(table["bounds"][:, [0, 2]], [[86, 100]])
    image = write_image(tmp_path / "none.tif", np.zeros((3, 150, 150), np.uint8), nodata=0)
    summary = trace([image], [tmp_path / "none.gpkg"], Options(model=str(model)))
    assert (summary["objects"], summary["cover"]) == (0, 0.0)


def test_cover_counts_pixels_with_data(model, tmp_path):
    pixels = mark(150, 200, (70, 40, 200, 10, 0))
    pixels[:, :, 100:] = 0
    image = write_image(tmp_path / "image.tif", pixels, nodata=0)
    summary = trace([image], [tmp_path / "labels.tif"], Options(model=str(model), block=64))
    with rasterio.open(tmp_path / "labels.tif") as file:
        assert summary["cover"] == np.count_nonzero(file.read(1)) / 15_000


def test_small_and_unsure_objects_can_be_left_out(scene, model, expected, tmp_path):
    large = run(scene, model, tmp_path / "large.gpkg", min_area_m2=30)
    assert 0 < len(large["id"]) < len(expected["id"])
    assert set(large["id"]) < set(expected["id"])
    shown = run(scene, model, tmp_path / "shown.gpkg", min_score=0.8)
    assert set(shown["id"]) == set(expected["id"][expected["score"] >= 0.8])
    sure = run(scene, model, tmp_path / "sure.gpkg", decode={"min_score": 0.8})
    np.testing.assert_array_equal(sure["id"], shown["id"])


def test_a_data_set_a_page_and_labels_show_the_same_objects(scene, model, expected, tmp_path):
    outs = [tmp_path / name for name in ("out.json", "labels.tif")]
    trace([scene], outs, Options(model=str(model)), report=tmp_path / "page.html")
    written = json.loads(outs[0].read_text())
    assert [category["name"] for category in written["categories"]] == ["crown", "roof"]
    numbers = {"crown": 1, "roof": 2}
    assert sorted((a["category_id"], a["score"]) for a in written["annotations"]) == sorted(
        (numbers[name], round(float(score), 6))
        for name, score in zip(expected["class"], expected["score"], strict=True)
    )
    with rasterio.open(outs[1]) as file:
        np.testing.assert_array_equal(np.unique(file.read(1))[1:], expected["id"])
    assert '"roof"' in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("decode", "said"),
    [
        ({"interior": 100}, "interior is unknown: wanted one of min_score, overlap, mask, min_area_px"),
        ({"overlap": 1.5}, "overlap=1.5 is out of range: input should be less than or equal to 1"),
        ({"mask": 0}, "mask=0 is out of range"),
        ({"min_area_px": 1.5}, "min_area_px=1.5 is no whole number"),
    ],
)
def test_decode_parameters_that_make_no_sense(scene, model, tmp_path, decode, said):
    with pytest.raises(BadOption, match=said):
        run(scene, model, tmp_path / "out.gpkg", decode=decode)


def test_the_mask_threshold_moves_the_border(model, tmp_path):
    pixels = mark(100, 100, (50, 50, 200, 14, 0))
    areas = [run_on(pixels, model, tmp_path, decode={"mask": mask})["area_m2"][0] for mask in (0.2, 0.5, 0.8)]
    assert areas[0] > areas[1] > areas[2]


def test_info_of_the_model(model, capsys):
    info(str(model), as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["task"] == "detections"
    assert facts["detect"] == {"min_score": 0.05, "overlap": 0.5, "mask": 0.5}
