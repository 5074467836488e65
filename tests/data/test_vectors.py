import json
import pickle

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from rasterio.transform import from_origin

from overtrace.data.vectors import cut, open_vectors
from overtrace.errors import BadData
from tests.support.images import noise, write_image
from tests.support.object_files import write_polygons

EAST, NORTH = 500_000, 4_000_000


def place(east_px: float = 0, south_px: float = 0) -> dict[str, object]:
    return {"crs": "EPSG:32617", "transform": from_origin(EAST + 0.5 * east_px, NORTH - 0.5 * south_px, 0.5, 0.5)}


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """Corners in UTM of a rectangle in pixels of half a metre."""
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return [(EAST + 0.5 * x, NORTH - 0.5 * y) for x, y in corners]


def in_degrees(ring: list[tuple[float, float]]) -> list[tuple[float, float]]:
    to_degrees = Transformer.from_crs(32617, 4326, always_xy=True)
    return [to_degrees.transform(x, y) for x, y in ring]


@pytest.fixture
def north(tmp_path):
    """An image of 20 rows and 30 columns, and a polygon on rows 4 to 8 of columns 6 to 15."""
    image = tmp_path / "images" / "north.tif"
    image.parent.mkdir()
    write_image(image, noise(20, 30), **place())
    return image


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".shp"])
@pytest.mark.parametrize("epsg", [32617, 3857, 4326])
def test_polygons_of_any_system_and_format(tmp_path, north, suffix, epsg):
    ring = box(6, 4, 15, 8)
    move = Transformer.from_crs(32617, epsg, always_xy=True)
    polygon = shapely.Polygon([move.transform(x, y) for x, y in ring])
    path = tmp_path / f"crowns{suffix}"
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array([polygon], object)), [], [], geometry_type="Polygon", crs=f"EPSG:{epsg}"
    )
    found = open_vectors(north, path).read(0)
    expected = np.zeros((20, 30), int)
    expected[4:8, 6:15] = 1
    np.testing.assert_array_equal(found.labels, expected)
    assert found.pixel_size_m == pytest.approx(0.5)
    assert (found.name, found.image.shape, found.image.dtype) == ("north", (20, 30, 3), np.uint8)


@pytest.mark.parametrize("tile", range(1, 13))
@pytest.mark.parametrize("side", range(1, 13))
def test_tiles_cover_an_image_and_are_all_alike(side, tile):
    boxes = cut(side, 7, tile)
    covered = np.zeros((side, 7), int)
    for part in boxes:
        covered[part.row : part.row + part.height, part.col : part.col + part.width] += 1
        assert (part.height, part.width) == (min(tile, side), min(tile, 7))
    assert covered.sum() == len(boxes) * min(tile, side) * min(tile, 7)
    assert covered.min() == 1


def test_tiles_show_what_the_image_does(tmp_path, north):
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(6, 4, 15, 12))])
    whole, tiles = open_vectors(north, polygons).read(0), open_vectors(north, polygons, tile_px=10)
    assert tiles.names[:2] == ("north row 0 col 0", "north row 0 col 10")
    assert tiles.notes == ("2 of 6 tiles have no object: north row 0 col 20, north row 10 col 20",)
    for i, (row, col) in enumerate((row, col) for row in (0, 10) for col in (0, 10, 20)):
        part = tiles.read(i)
        np.testing.assert_array_equal(part.image, whole.image[row : row + 10, col : col + 10])
        np.testing.assert_array_equal(part.labels > 0, whole.labels[row : row + 10, col : col + 10] > 0)


def test_the_last_tiles_reach_back_and_share_their_ground(tmp_path, north):
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(6, 4, 15, 12))])
    data = open_vectors(north, polygons, tile_px=16)
    # Columns 0 to 15 and 14 to 29, rows 0 to 15 and 4 to 19: 2 x 16 of 256 are an eighth.
    assert data.names == tuple(f"north row {row} col {col}" for row in (0, 4) for col in (0, 14))
    assert set(data.grounds) == {"north row 0 col 0"}
    assert open_vectors(north, polygons, tile_px=10).grounds == open_vectors(north, polygons, tile_px=10).names


def test_two_years_of_one_place_are_one_ground(tmp_path, north):
    write_image(north.parent / "north_2020.tif", noise(20, 30, seed=1), **place(4, 4))
    write_image(north.parent / "south.tif", noise(20, 30, seed=2), **place(0, 100))
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(6, 4, 15, 8))])
    data = open_vectors(north.parent, polygons)
    assert data.names == ("north", "north_2020", "south")
    assert data.grounds == ("north", "north", "south")
    assert data.name == "images"


def test_bands_that_all_images_have(tmp_path, north):
    write_image(north.parent / "four.tif", noise(20, 30, bands=4, dtype="uint16"), **place())
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(6, 4, 15, 8))])
    four = open_vectors(north.parent / "four.tif", polygons)
    assert four.bands == ("red", "green", "blue", "nir")
    assert four.read(0).image.dtype == np.uint16
    assert four.read(0).image.shape == (20, 30, 4)
    assert open_vectors(north.parent, polygons).bands == ("red", "green", "blue")


def test_what_is_no_data_is_ignored(tmp_path, north):
    values = noise(20, 30)
    values[:, :5] = 0
    write_image(north, values, nodata=0, **place())
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(6, 4, 15, 8))])
    found = open_vectors(north, polygons).read(0)
    np.testing.assert_array_equal(found.ignore[:, 0], np.arange(20) < 5)


def test_holes_are_no_part_of_an_object(tmp_path, north):
    polygon = shapely.Polygon(in_degrees(box(2, 2, 12, 12)), [in_degrees(box(4, 4, 8, 8))])
    feature = {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(polygon))}
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    labels = open_vectors(north, tmp_path / "a.geojson").read(0).labels
    assert labels.sum() == 10 * 10 - 4 * 4
    assert labels[3, 3] == 1
    assert labels[5, 5] == 0


def test_a_stated_pixel_size_goes_first_and_the_set_can_be_sent(tmp_path, north):
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(6, 4, 15, 8))])
    data = pickle.loads(pickle.dumps(open_vectors(north, polygons, pixel_size_m=0.2)))
    assert data.read(0).pixel_size_m == pytest.approx(0.2)


def test_images_that_do_not_fit(tmp_path, north):
    polygons = write_polygons(tmp_path / "crowns.geojson", [in_degrees(box(600, 4, 605, 8))])
    with pytest.raises(BadData, match=r"crowns.geojson does not fit: none of its 1 polygons lies on an image of"):
        open_vectors(north, polygons)
    write_image(tmp_path / "plain.png", noise(20, 30), driver="PNG")
    with pytest.raises(BadData, match=r"plain.png has no CRS: give it one with gdal_edit"):
        open_vectors(tmp_path / "plain.png", polygons)
    write_image(tmp_path / "grey.tif", noise(20, 30, bands=1), **place())
    with pytest.raises(BadData, match=r"grey.tif has no red band among its 1: wanted red, green and blue"):
        open_vectors(tmp_path / "grey.tif", polygons)
    with pytest.raises(BadData, match=r"nowhere does not exist: check the path"):
        open_vectors(tmp_path / "nowhere", polygons)


def test_vectors_that_do_not_fit(tmp_path, north):
    with pytest.raises(BadData, match=r"none.gpkg does not exist: check the path"):
        open_vectors(north, tmp_path / "none.gpkg")
    (tmp_path / "bad.geojson").write_text("no JSON")
    with pytest.raises(BadData, match=r"bad.geojson cannot be read as vectors: .*: write it anew"):
        open_vectors(north, tmp_path / "bad.geojson")
    point = shapely.to_wkb(np.array([shapely.Point(1, 1)], object))
    pyogrio.raw.write(tmp_path / "a.gpkg", point, [], [], geometry_type="Point", crs="EPSG:4326", layer="one")
    with pytest.raises(BadData, match=r"a.gpkg has 1 shapes such as a Point: wanted polygons alone"):
        open_vectors(north, tmp_path / "a.gpkg")
    pyogrio.raw.write(
        tmp_path / "a.gpkg", point, [], [], geometry_type="Point", crs="EPSG:4326", layer="two", append=True
    )
    with pytest.raises(BadData, match=r"a.gpkg has 2 layers with shapes \(one, two\): write the polygons alone"):
        open_vectors(north, tmp_path / "a.gpkg")
    with pytest.warns(UserWarning, match="crs"):
        pyogrio.raw.write(tmp_path / "b.shp", point, [], [], geometry_type="Point", crs=None)
    with pytest.raises(BadData, match=r"b.shp has no CRS: write it with one"):
        open_vectors(north, tmp_path / "b.shp")
