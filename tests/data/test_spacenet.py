import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from overtrace.data.spacenet import list_chips, open_chip, open_spacenet, stack_chip
from overtrace.errors import BadData, BadImage
from overtrace.raster.grid import Box
from tests.support.spacenet import square, write_bands, write_chip, write_geojson, write_solutions

VEGAS, PARIS = "AOI_2_Vegas_img1", "AOI_3_Paris_img7"
YARD = [square(10, 10, 20), square(15, 15, 8)]


@pytest.fixture
def area(tmp_path):
    return tmp_path / "AOI_2_Vegas_Train"


def test_footprints_hold_the_centres_of_their_pixels_and_holes_stay_open(area):
    values = write_chip(area, VEGAS)
    write_solutions(area, {VEGAS: [YARD, [square(40, 40, 4)]]})
    data = open_spacenet(area)
    assert (data.names, data.bands, data.classes, data.notes) == ((VEGAS,), ("red", "green", "blue"), ("building",), ())
    read = data.read(0)
    expected = np.zeros((64, 64), np.int32)
    expected[10:30, 10:30] = 1
    expected[15:23, 15:23] = 0
    expected[40:44, 40:44] = 2
    np.testing.assert_array_equal(read.labels, expected)
    np.testing.assert_array_equal(read.image, np.moveaxis(values[:3], 0, -1))
    assert read.image.dtype == np.uint16
    # 2.7e-6 degrees are 0.300 m along the meridian, and 0.243 m along the parallel of 36.2 degrees.
    assert read.pixel_size_m == pytest.approx((0.2996 * 0.2428) ** 0.5, rel=0.002)
    assert not read.ignore.any()
    assert [read.labels[int(y), int(x)] for x, y in read.centres] == [1, 2]
    assert read.peaks[read.labels == 0].max() == 0
    assert read.peaks.max() == 255


def test_the_csv_is_the_truth_and_the_geojson_stands_in(area):
    for i, name in enumerate((VEGAS, "AOI_2_Vegas_img2")):
        write_chip(area, name, seed=i)
        write_geojson(area, name, [YARD])
    write_solutions(area, {VEGAS: [[square(1, 1, 5)]]})
    first, second = map(open_spacenet(area).read, range(2))
    assert (first.labels > 0).sum() == 25
    assert (second.labels > 0).sum() == 20 * 20 - 8 * 8


def test_csv_and_geojson_draw_the_same_labels(area):
    write_chip(area, VEGAS)
    buildings = [YARD, [square(40.3, 33.8, 9.4)], [square(-3, 50, 9)]]
    write_geojson(area, VEGAS, buildings)
    from_geojson = open_spacenet(area).read(0).labels
    write_solutions(area, {VEGAS: buildings})
    np.testing.assert_array_equal(open_spacenet(area).read(0).labels, from_geojson)
    assert from_geojson.max() == 3


@pytest.mark.parametrize("write", [write_geojson, lambda area, name, none: write_solutions(area, {name: none})])
def test_an_image_without_buildings_is_background(area, write):
    write_chip(area, VEGAS)
    write(area, VEGAS, [])
    read = open_spacenet(area).read(0)
    assert (read.labels.max(), read.centres.shape, read.peaks.max()) == (0, (0, 2), 0)


def test_what_holds_no_pixel_has_no_number_and_the_smaller_is_seen(area):
    write_chip(area, VEGAS)
    tiny, wide, small = [square(2.6, 2.6, 0.3)], [square(10, 10, 20)], [square(12, 12, 4)]
    write_solutions(area, {VEGAS: [tiny, small, wide]})
    labels = open_spacenet(area).read(0).labels
    assert np.bincount(labels.ravel())[1:].tolist() == [16, 400 - 16]


def test_eleven_bands_come_from_two_files_in_order(area):
    values = write_chip(area, VEGAS)
    write_solutions(area, {VEGAS: []})
    data = open_spacenet(area, bands="rgb+mul")
    assert data.bands == ("red", "green", "blue", *(f"mul{i}" for i in range(1, 9)))
    np.testing.assert_array_equal(data.read(0).image, np.moveaxis(values, 0, -1))
    (chip,) = list_chips(area)
    raster = open_chip(chip, "rgb+mul")
    assert raster.roles == {role: number for number, role in enumerate(data.bands, start=1)}
    assert (raster.name, raster.grid) == (chip.rgb, open_chip(chip, "rgb").grid)
    assert pickle.loads(pickle.dumps(raster)) == raster


def test_processes_read_the_same(area):
    write_chip(area, VEGAS)
    write_solutions(area, {VEGAS: [YARD]})
    data = open_spacenet(area, bands="rgb+mul")
    with ProcessPoolExecutor(1) as pool:
        there = pool.submit(data.read, 0).result()
    np.testing.assert_array_equal(there.image, data.read(0).image)
    np.testing.assert_array_equal(there.labels, data.read(0).labels)


def test_paths_may_hold_what_markup_means(tmp_path):
    values = write_chip(tmp_path / "A & <B>" / "AOI_2_Vegas_Train", VEGAS)
    (chip,) = list_chips(tmp_path / "A & <B>")
    np.testing.assert_array_equal(open_chip(chip, "rgb+mul").read([11], Box(0, 0, 64, 64))[0][0], values[10])


def test_a_folder_of_cities_is_read_in_the_order_of_their_names(tmp_path):
    for area, name in (("AOI_3_Paris_Train", PARIS), ("AOI_2_Vegas_Train", VEGAS)):
        write_chip(tmp_path / area, name)
        write_solutions(tmp_path / area, {name: [YARD]})
    (tmp_path / "AOI_9_Empty").mkdir()
    data = open_spacenet(tmp_path)
    assert data.names == (VEGAS, PARIS)
    assert [data.read(i).name for i in range(2)] == [VEGAS, PARIS]


def test_test_folders_are_listed_without_truth(tmp_path):
    area = tmp_path / "AOI_2_Vegas_Test_public"
    write_chip(area, "AOI_2_Vegas_img10")
    write_bands(area / "RGB-PanSharpen" / "RGB-PanSharpen_AOI_2_Vegas_img9.tif", 3)
    chips = list_chips(area)
    assert [(name, mul is None) for name, _, mul in chips] == [("AOI_2_Vegas_img10", False), ("AOI_2_Vegas_img9", True)]
    assert open_chip(chips[1], "rgb").band_count == 3
    with pytest.raises(BadData, match=r"no partner MUL-PanSharpen_AOI_2_Vegas_img9\.tif"):
        open_chip(chips[1], "rgb+mul")


def test_what_has_no_partner_is_named_and_left_out(area):
    names = [f"AOI_2_Vegas_img{i}" for i in range(1, 5)]
    for name in names[:2]:
        write_chip(area, name)
    write_bands(area / "RGB-PanSharpen" / f"RGB-PanSharpen_{names[2]}.tif", 3)
    write_bands(area / "RGB-PanSharpen" / "copy.tif", 3)
    write_solutions(area, {names[0]: [YARD], names[2]: [], names[3]: [YARD]})
    assert open_spacenet(area).names == (names[0], names[2])
    data = open_spacenet(area, bands="rgb+mul")
    assert data.names == (names[0],)
    notes = "\n".join(data.notes)
    assert "1 images have no footprints in CSV or GeoJSON, so they are left out: AOI_2_Vegas_img2" in notes
    assert "1 images of the truth have no RGB-PanSharpen, so they are left out: AOI_2_Vegas_img4" in notes
    assert "1 images have no MUL-PanSharpen, so they are left out: AOI_2_Vegas_img3" in notes
    assert "are not named RGB-PanSharpen_*.tif, so they are left out: copy.tif" in notes


def test_nothing_to_learn_from_is_refused(area, tmp_path):
    with pytest.raises(BadData, match="is no folder"):
        open_spacenet(area)
    with pytest.raises(BadData, match=r"holds no RGB-PanSharpen/RGB-PanSharpen_\*\.tif"):
        open_spacenet(tmp_path)
    write_chip(area, VEGAS)
    with pytest.raises(BadData, match=r"has no image with its footprints: .*AOI_2_Vegas_img1: add the truth"):
        open_spacenet(area)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ImageId,x\na,b\n", "has no column BuildingId, PolygonWKT_Pix"),
        (f"ImageId,BuildingId,PolygonWKT_Pix\n{VEGAS},1,CIRCLE (1 2)\n", "line 2: AOI_2_Vegas_img1 has 'CIRCLE"),
        (f'ImageId,BuildingId,PolygonWKT_Pix\n{VEGAS},1,"POLYGON ((0 0, 9 0, nan 9, 0 0))"\n', "line 2: .*nan 9"),
        ("\xff", "cannot be read as a CSV file"),
    ],
)
def test_a_csv_that_is_none_is_refused(area, text, said):
    write_chip(area, VEGAS)
    write_solutions(area, {}).write_text(text, encoding="latin-1")
    with pytest.raises(BadData, match=said):
        open_spacenet(area)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"features": [3]}', '{"features": [{"geometry": {"type": "Circle"}}]}']
)
def test_a_geojson_that_is_none_is_refused(area, text):
    write_chip(area, VEGAS)
    write_geojson(area, VEGAS, []).write_text(text)
    with pytest.raises(BadData, match="cannot be read as a GeoJSON of footprints"):
        open_spacenet(area).read(0)


def test_partners_must_fit(tmp_path):
    write_bands(tmp_path / "a.tif", 3)
    write_bands(tmp_path / "b.tif", 8, side=16)
    with pytest.raises(BadImage, match=r"b\.tif is 16 x 16 pixels, .*a\.tif 64 x 64"):
        stack_chip(tmp_path / "a.tif", tmp_path / "b.tif")
    with pytest.raises(BadData, match=r"b\.tif has 8 bands, wanted 3"):
        stack_chip(tmp_path / "b.tif", tmp_path / "a.tif")
