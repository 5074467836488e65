"""A class for each pixel, as a map and as polygons, from a network that answers with its input."""

import json
import re

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from PIL import Image

from overtrace.data.class_names import ADE20K_NAMES, CAMVID_IN_ADE20K
from overtrace.errors import BadImage, BadOption, BadOutput
from overtrace.trace.class_maps import choose_colours, number_classes
from overtrace.trace.options import Length, Options
from overtrace.trace.pipeline import trace
from overtrace.trace.scenes import outline_regions
from tests.support.commands import run, run_well
from tests.support.identity_model import write_identity_model
from tests.support.images import UTM, write_image

STREET = ("sky", "car", "road")
INDICES = np.array([3, 21, 7], np.uint8)
"""Of those in ADE20K."""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(write_model(tmp_path_factory.mktemp("model") / "streets.onnx"))


def write_model(path, **changes):
    facts = {"name": "streets", "task": "classes", "classes": STREET, "planes": (), "pixel_size_m": None}
    return write_identity_model(path, **{"window": 64, "margin": 16, **facts, **changes})


def draw_classes(height: int = 90, width: int = 150) -> np.ndarray:
    """(H, W) classes: sky above road, a car with windows of sky, and a second car that touches it at a corner."""
    classes = np.zeros((height, width), np.uint8)
    classes[40:] = 2
    classes[50:60, 20:50], classes[52:55, 24:30] = 1, 0
    classes[60:70, 50:70] = 1
    return classes


def draw_image(path, classes: np.ndarray, **profile) -> str:
    return write_image(path, np.moveaxis(np.eye(3, dtype=np.uint8)[classes] * 200, -1, 0), **profile)


def test_a_png_holds_the_numbers_of_ade20k(model, tmp_path):
    classes = draw_classes()
    image = draw_image(tmp_path / "photo.png", classes, driver="PNG")
    trace([image], [tmp_path / "classes.png"], Options(model=model))
    with Image.open(tmp_path / "classes.png") as found:
        assert (found.mode, found.size) == ("P", (150, 90))
        np.testing.assert_array_equal(np.asarray(found), INDICES[classes])
        np.testing.assert_array_equal(np.array(found.getpalette()).reshape(-1, 3), choose_colours())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.png", "photo.png"]


def test_a_geotiff_lies_where_its_image_lies_and_says_what_its_numbers_mean(model, tmp_path):
    classes = draw_classes()
    trace([draw_image(tmp_path / "photo.tif", classes)], [tmp_path / "classes.tif"], Options(model=model))
    with rasterio.open(tmp_path / "classes.tif") as found:
        assert (found.crs, found.transform, found.dtypes) == (UTM["crs"], UTM["transform"], ("uint8",))
        assert (found.compression.value, found.nodata) == ("DEFLATE", 0)
        np.testing.assert_array_equal(found.read(1), INDICES[classes])
        assert json.loads(found.tags()["classes"]) == {"3": "sky", "21": "car", "7": "road"}
        assert found.colormap(1)[21] == (*choose_colours()[21].tolist(), 255)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.tif", "photo.tif"]


def test_where_there_is_no_data_there_is_no_class(model, tmp_path):
    classes = draw_classes()
    image = draw_image(tmp_path / "photo.tif", classes, mask=np.arange(150) + np.zeros((90, 1)) >= 30)
    outs = [tmp_path / "classes.tif", tmp_path / "regions.gpkg"]
    summary = trace([image], outs, Options(model=model))
    with rasterio.open(outs[0]) as found:
        np.testing.assert_array_equal(found.read(1), np.where(np.arange(150) >= 30, INDICES[classes], 0))
    assert shapely.union_all(shapely.from_wkb(pyogrio.raw.read(outs[1])[2])).area == pytest.approx(90 * 120 * 0.09)
    assert sum(row["share"] for row in summary["classes"]) == pytest.approx(1)


def test_a_polygon_for_each_region_of_one_class(model, tmp_path):
    image = draw_image(tmp_path / "photo.tif", draw_classes())
    trace([image], [tmp_path / "regions.gpkg"], Options(model=model))
    meta, _, geometry, columns = pyogrio.raw.read(tmp_path / "regions.gpkg")
    table = dict(zip(meta["fields"], columns, strict=True))
    # The window of the car is a region of sky; the two cars touch at a corner alone.
    cars = 30 * 10 - 18, 20 * 10
    areas = [40 * 150, 50 * 150 - 300 - 200, cars[0], 18, cars[1]]
    order = np.argsort(table["id"])
    assert table["id"][order].tolist() == [
        row * 150 + col + 1 for row, col in ((0, 0), (40, 0), (50, 20), (52, 24), (60, 50))
    ]
    assert table["class"][order].tolist() == ["sky", "road", "car", "sky", "car"]
    np.testing.assert_allclose(table["area_m2"][order], np.array(areas) * 0.09)
    polygons = shapely.from_wkb(geometry)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)


@pytest.mark.parametrize("name", ["a.geojson", "a.geojsonl", "a.fgb", "a.json"])
def test_all_tables_take_regions(model, tmp_path, name):
    pytest.importorskip("pyarrow")
    image = draw_image(tmp_path / "photo.png", draw_classes(), driver="PNG")
    trace([image], [tmp_path / name, tmp_path / "a.parquet"], Options(model=model), report=tmp_path / "page.html")
    if name == "a.json":
        found = json.loads((tmp_path / name).read_text())
        areas = [row["area"] for row in found["annotations"]]
        assert {row["category_id"] for row in found["annotations"]} == {1, 2, 3}
    else:
        meta, _, _, columns = pyogrio.raw.read(tmp_path / name)
        areas = dict(zip(meta["fields"], columns, strict=True))["area_px"].tolist()
    assert sorted(areas) == [18, 200, 282, 6000, 7000]
    assert '"total":5' in (tmp_path / "page.html").read_text()


def test_regions_of_noise_are_whole_and_disjoint():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (1200, 40)).astype(np.uint8)
    valid = rng.random(classes.shape) < 0.95
    found = outline_regions(classes, valid)
    assert found.areas.sum() == valid.sum()
    rows, cols = np.divmod(found.polygons.ids - 1, 40)
    np.testing.assert_array_equal(classes[rows, cols], found.classes)
    assert (np.diff(found.polygons.ids) > 0).all()


def test_an_image_without_data(model, tmp_path):
    image = draw_image(tmp_path / "photo.tif", draw_classes(), mask=np.zeros((90, 150)))
    summary = trace([image], [tmp_path / "a.tif", tmp_path / "a.geojson"], Options(model=model))
    assert summary["classes"] == []
    assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []


def test_several_images_go_into_one_table_and_not_into_one_map(model, tmp_path):
    images = [draw_image(tmp_path / f"{name}.tif", draw_classes()) for name in "ab"]
    summary = trace(images, [tmp_path / "out.gpkg"], Options(model=model))
    assert summary["images"] == 2
    assert len(pyogrio.raw.read(tmp_path / "out.gpkg")[2]) == 10
    with pytest.raises(BadOption, match=r"a\.png holds the classes of one image, 2 came: trace them one by one"):
        trace(images, [tmp_path / "a.png"], Options(model=model))


def test_resampled_images_get_a_map_of_their_own_size(tmp_path):
    model = write_model(tmp_path / "small.onnx", short_side_px=45, window=96)
    classes = draw_classes()
    trace([draw_image(tmp_path / "a.tif", classes)], [tmp_path / "b.tif"], Options(model=str(model)))
    with rasterio.open(tmp_path / "b.tif") as found:
        assert (found.shape, found.transform) == ((90, 150), UTM["transform"])
        assert (found.read(1) == INDICES[classes]).mean() > 0.97


def test_numbers_of_classes():
    assert number_classes(ADE20K_NAMES).tolist() == list(range(1, 151))
    assert number_classes(CAMVID_IN_ADE20K).tolist() == [3, 2, 94, 7, 12, 5, 44, 33, 21, 13, 128]
    assert number_classes(("wall", "cat")).tolist() == [1, 2]
    assert number_classes(("flag", "flag")).tolist() == [1, 2]


def test_colours_are_far_apart():
    colours = choose_colours().astype(int)
    assert colours.shape == (256, 3)
    assert colours[0].tolist() == [0, 0, 0]
    distances = np.abs(colours[:, None] - colours).sum(axis=2) + 999 * np.eye(256, dtype=int)
    assert distances[:12, :12].min() > 120
    assert distances.min() > 40


@pytest.mark.parametrize(
    ("out", "options", "error", "said"),
    [
        (
            "a.png",
            {"decode": {"interior": 100.0}},
            BadOption,
            "--decode: streets gives each pixel a class, there are no",
        ),
        ("a.png", {"min_area_m2": 4.0}, BadOption, "--min-area: streets"),
        ("a.png", {"min_score": 0.5, "resume": True}, BadOption, "--min-score, --resume: streets"),
        ("a.gpkg", {"simplify": Length(0, "px")}, BadOption, "--simplify: streets"),
        ("a.png", {"views": 8}, BadOption, "--views 8: streets answers classes: use 1 or 2 or 6"),
        ("a.jpg", {}, BadOutput, r"unknown extension '.jpg': use one of .*, .png \(classes\), .tif \(classes\)"),
        ("no/a.png", {}, BadOutput, "folder .*no does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(model, tmp_path, out, options, error, said):
    image = draw_image(tmp_path / "photo.tif", draw_classes())
    with pytest.raises(error, match=said):
        trace([image], [tmp_path / out], Options(model=model, **options))
    assert [path.name for path in tmp_path.iterdir()] == ["photo.tif"]


def test_a_png_of_objects_is_refused(tmp_path):
    model = write_identity_model(tmp_path / "crowns.onnx")
    with pytest.raises(BadOutput, match=r"unknown extension '.png'"):
        trace([draw_image(tmp_path / "a.tif", draw_classes())], [tmp_path / "b.png"], Options(model=str(model)))


def test_an_image_that_fails_leaves_older_outputs_as_they_were(model, tmp_path):
    image = tmp_path / "photo.tif"
    draw_image(image, draw_classes(), compress="deflate")
    whole = image.read_bytes()
    image.write_bytes(whole[:-300] + bytes(300))
    for name in ("a.png", "a.gpkg"):
        (tmp_path / name).write_text("precious")
    with pytest.raises(BadImage):
        trace([image], [tmp_path / "a.png", tmp_path / "a.gpkg"], Options(model=model))
    assert [(tmp_path / name).read_text() for name in ("a.png", "a.gpkg")] == ["precious"] * 2
    assert len(list(tmp_path.iterdir())) == 3


def test_the_command_tells_the_classes(model, tmp_path):
    image = draw_image(tmp_path / "photo.png", draw_classes(), driver="PNG")
    arguments = ("trace", image, "--model", model, "--out", tmp_path / "a.png")
    said = run_well(*arguments).splitlines()
    assert said[:3] == ["  7 road, 51.9% of the image", "  3 sky, 44.6% of the image", " 21 car, 3.6% of the image"]
    assert said[-1] == f"wrote {tmp_path / 'a.png'}"
    assert re.fullmatch(r"0.0 megapixels in .*", said[3])
    told = json.loads(run_well(*arguments, "--json", "--views", 6))
    assert [(row["name"], row["index"]) for row in told["classes"]] == [("road", 7), ("sky", 3), ("car", 21)]
    assert told["classes"][0]["share"] == pytest.approx(7000 / 13500, abs=0.01)
    assert told["outputs"] == [str(tmp_path / "a.png")]


def test_the_command_refuses_in_one_line(model, tmp_path):
    image = draw_image(tmp_path / "photo.png", draw_classes(), driver="PNG")
    done = run("trace", image, "--model", model, "--out", tmp_path / "a.png", "--min-score", 0.5)
    assert done.returncode == 1
    assert done.stderr == (
        "overtrace: error: --min-score: streets gives each pixel a class, there are no objects: leave it out\n"
    )
