"""Many files traced as one image give the polygons of that image in one file."""

import numpy as np
import pytest
import rasterio
import shapely

from benchmarks.scene import write_image as write_scene
from overtrace.errors import BadOption
from overtrace.raster.grid import Box
from overtrace.raster.mosaic import MosaicRule, open_mosaic
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.raster.test_index import asset, item, write_items
from tests.support.identity_model import write_identity_model
from tests.support.images import write_image
from tests.support.mosaics import cut
from tests.trace.test_pipeline import read_table

SIZE = 900


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_identity_model(tmp_path_factory.mktemp("model") / "identity.onnx", window=256, margin=32)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("image") / "canopy.tif", SIZE)


def run(images, out, model, **options):
    summary = trace(images, [out], Options(model=str(model), **options))
    return read_table(out), summary


def sorted_polygons(table):
    """Normalised outlines, whatever their ids are."""
    return np.sort(shapely.to_wkb(shapely.normalize(shapely.from_wkb(table[0]))))


def test_a_mosaic_of_two_crs_is_traced_as_the_one_file_it_was_cut_from(tmp_path, image, model):
    parts = cut(image, tmp_path / "parts")
    assert len(parts) == 25
    # To the pixel: the one file begins where the mosaic does, which leaves one empty pixel around all.
    with rasterio.open(image) as file:
        values, transform, crs = file.read(), file.transform, file.crs
    grid = open_mosaic([tmp_path / "parts"], MosaicRule()).grid
    left, top = (round(x) for x in ~grid.transform @ (transform.c, transform.f))
    padded = np.zeros((3, grid.height, grid.width), np.uint8)
    padded[:, top : top + SIZE, left : left + SIZE] = values
    one = write_image(tmp_path / "one.tif", padded, crs=crs, transform=grid.transform, nodata=0, tiled=True)
    expected, _ = run([one], tmp_path / "one.gpkg", model, block=2048, workers=1)
    assert len(expected[0]) > 150
    for block, executor in ((300, "threads"), (700, "processes")):
        found, summary = run(
            [tmp_path / "parts"], tmp_path / f"{block}.gpkg", model, mosaic=MosaicRule(), block=block, executor=executor
        )
        assert summary["images"] == 1
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    # And what is traced of the file as it was, but that its ids count from elsewhere.
    plain, _ = run([image], tmp_path / "plain.gpkg", model)
    assert np.mean(np.isin(sorted_polygons(plain), sorted_polygons(expected))) > 0.9


def test_a_warped_mosaic_is_traced_as_the_same_mosaic_made_into_one_file(tmp_path, image, model):
    cut(image, tmp_path / "parts", other="EPSG:32632")
    mosaic = open_mosaic([tmp_path / "parts"], MosaicRule())
    grid = mosaic.grid
    values, valid = mosaic.read((1, 2, 3), Box(0, 0, grid.height, grid.width))
    one = write_image(tmp_path / "one.tif", values, mask=valid, crs=grid.crs, transform=grid.transform, tiled=True)
    expected, _ = run([one], tmp_path / "one.gpkg", model, block=2048)
    items = [
        item(str(i), "2020-05-01T00:00:00Z", {"image": asset(f"parts/part_{i // 5}_{i % 5}.tif")}) for i in range(25)
    ]
    index = write_items(tmp_path / "items.json", *items)
    found, _ = run([index], tmp_path / "mosaic.gpkg", model, mosaic=MosaicRule(), block=256)
    assert len(found[0]) > 150
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    areas = (
        shapely.area(shapely.from_wkb(found[0])).sum(),
        shapely.area(shapely.from_wkb(run([image], tmp_path / "p.gpkg", model)[0][0])).sum(),
    )
    assert areas[0] == pytest.approx(areas[1], rel=0.02)


def test_an_index_must_be_traced_as_one(tmp_path, image, model):
    index = write_items(tmp_path / "items.json", item("a", "2020-05-01T00:00:00Z", {"image": asset(str(image))}))
    with pytest.raises(BadOption, match="lists images: --mosaic first"):
        run([index], tmp_path / "a.gpkg", model)
