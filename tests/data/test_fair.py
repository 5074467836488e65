import numpy as np
import pytest
from PIL import Image

from overtrace.data.fair import Tile, open_fair
from overtrace.errors import BadData
from tests.support.object_files import write_picture, write_polygons

# The tile east and south of (0, 0) at zoom 19, one child of it and one grandchild, and the tile east of them.
MIDDLE = 2**18
TILES = [(19, MIDDLE, MIDDLE), (20, 2 * MIDDLE, 2 * MIDDLE), (21, 4 * MIDDLE, 4 * MIDDLE), (19, MIDDLE + 1, MIDDLE)]
DEGREES = 360 / 2**19
"""Of a tile of zoom 19, at the equator in both directions."""


def square(left: float, top: float, side: float) -> list[tuple[float, float]]:
    """Corners in degrees, from shares of a tile of zoom 19 east and south of (0, 0)."""
    right, bottom = left + side, top + side
    return [(x * DEGREES, -y * DEGREES) for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))]


@pytest.fixture
def fair(tmp_path):
    for zoom, x, y in TILES:
        write_picture(tmp_path / f"OAM-{x}-{y}-{zoom}.png", 256, 256, bands=4)
    write_polygons(tmp_path / "labels.geojson", [square(1 / 16, 1 / 8, 1 / 16)])
    return tmp_path


def test_tiles_come_by_zoom_and_name_their_ground(fair):
    data = open_fair(fair)
    assert data.names == tuple(f"OAM-{x}-{y}-{zoom}" for zoom, x, y in sorted(TILES))
    east, west = f"19-{MIDDLE + 1}-{MIDDLE}", f"19-{MIDDLE}-{MIDDLE}"
    assert data.grounds == (west, east, west, west)
    assert data.classes == ("building",)
    assert open_fair(fair, zooms=[20, 21]).grounds == (west, west)


def test_a_building_is_twice_as_large_at_the_next_zoom(fair):
    data = open_fair(fair)
    boxes = []
    for i in range(4):
        rows, cols = np.nonzero(data.read(i).labels)
        boxes.append((rows.min(), rows.max() + 1, cols.min(), cols.max() + 1) if len(rows) else None)
    assert boxes == [(32, 48, 16, 32), None, (64, 96, 32, 64), (128, 192, 64, 128)]


def test_pixels_are_measured_on_the_ground(fair):
    data = open_fair(fair)
    # The equator is 40,075,017 m long.
    assert [data.read(i).pixel_size_m for i in (0, 2, 3)] == pytest.approx(
        [40_075_017 / 2**zoom / 256 for zoom in (19, 20, 21)], rel=1e-6
    )
    # The middle of the web map's row 1/2 - ln(2 + sqrt(3)) / (2 pi) is 60 degrees north, where the cosine is a half.
    row = round(2**19 * (0.5 - np.log(2 + np.sqrt(3)) / (2 * np.pi)))
    assert Tile(19, 0, row).pixel_size_m == pytest.approx(40_075_017 / 2**20 / 256, rel=1e-5)


def test_what_is_transparent_is_ignored(fair):
    pixels = np.full((256, 256, 4), 255, np.uint8)
    pixels[:40, :, 3] = 0
    Image.fromarray(pixels).save(fair / f"OAM-{MIDDLE}-{MIDDLE}-19.png")
    found = open_fair(fair).read(0)
    np.testing.assert_array_equal(found.ignore[:, 0], np.arange(256) < 40)
    assert len(found.centres) == 1
    pixels[:50, :, 3] = 0
    Image.fromarray(pixels).save(fair / f"OAM-{MIDDLE}-{MIDDLE}-19.png")
    assert len(open_fair(fair).read(0).centres) == 0


def test_pictures_that_are_no_tiles_are_named(fair):
    write_picture(fair / "overview.png")
    assert open_fair(fair).notes == ("1 pictures that are not named as tiles are left out: overview.png",)


def test_what_is_no_set_of_fair(fair, tmp_path):
    with pytest.raises(BadData, match=r"has no tile of zoom 18: it has 19 or 20 or 21"):
        open_fair(fair, zooms=[18])
    write_polygons(fair / "labels.geojson", [square(90, 90, 1)])
    with pytest.raises(BadData, match=r"labels.geojson has no polygon on any of 4 tiles: find the labels"):
        open_fair(fair)
    (fair / "labels.geojson").unlink()
    with pytest.raises(BadData, match=r"labels.geojson does not exist: check the path"):
        open_fair(fair)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match=r"empty holds no tile: wanted pictures named OAM-x-y-zoom.png"):
        open_fair(tmp_path / "empty")


def test_a_tile_of_another_size(fair):
    write_picture(fair / f"OAM-{MIDDLE}-{MIDDLE}-19.png", 128, 256, bands=4)
    with pytest.raises(BadData, match=r"is 128 x 256 pixels .*, its labels are for 256 x 256"):
        open_fair(fair).read(0)
