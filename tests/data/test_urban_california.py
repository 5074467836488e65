import json

import numpy as np
import pytest

from overtrace.data.split import hold_out
from overtrace.data.urban_california import (
    CROWN_RADIUS_M,
    PIXEL_SIZE_M,
    elsewhere,
    open_urban_california,
    read_places,
    read_tile,
    weak_crowns,
)
from overtrace.errors import BadData
from tests.support.labelled import write_urban

TREES = [(60, 60), (71, 60), (180, 70), (60, 190), (150, 200), (220, 190)]


@pytest.fixture(scope="module")
def urban(tmp_path_factory):
    lists = {
        "train": [("riverside_2018_1", 0), ("riverside_2018_2", 500), ("chico_2018_3", 1000)],
        "val": [("riverside_2016_1", 0.2)],
    }
    return write_urban(tmp_path_factory.mktemp("data") / "urban_california", lists, {"riverside_2018_1": TREES})


@pytest.fixture(scope="module")
def crowns(urban):
    return weak_crowns([read_tile(urban, place) for place in read_places(urban, "train")])


def test_places_come_in_the_order_of_the_list(urban):
    places = read_places(urban, "train")
    assert [place.name for place in places] == ["riverside_2018_1", "riverside_2018_2", "chico_2018_3"]
    assert [place.flight for place in places] == ["riverside_2018", "riverside_2018", "chico_2018"]


def test_ground_that_is_measured_is_not_learned_in_any_year(urban):
    kept = elsewhere(read_places(urban, "train"), read_places(urban, "val"))
    assert [place.name for place in kept] == ["riverside_2018_2", "chico_2018_3"]


@pytest.fixture(scope="module")
def flown_twice(tmp_path_factory):
    """Twenty places in two years."""
    lists = {"train": [(f"city_{year}_{i}", 100.0 * i) for year in (2016, 2018) for i in range(20)]}
    folder = write_urban(tmp_path_factory.mktemp("data") / "urban_california", lists, {})
    return read_places(folder, "train"), open_urban_california(folder, split="train")


@pytest.mark.parametrize("seed", range(5))
def test_ground_is_held_out_in_all_years(flown_twice, seed):
    places, data = flown_twice
    kept, held = hold_out(data, 0.2, np.random.default_rng(seed))
    assert sorted([*kept.names, *held.names], key=data.names.index) == [place.name for place in places]
    grounds = {place.name: place.ground for place in places}
    assert not {grounds[name] for name in kept.names} & {grounds[name] for name in held.names}
    assert len(held) == 8
    again = hold_out(data, 0.2, np.random.default_rng(seed))
    assert (again[0].names, again[1].names) == (kept.names, held.names)


def test_a_tile_without_a_file_of_points_has_no_tree(urban):
    tile = read_tile(urban, read_places(urban, "train")[1])
    assert tile.rgb.shape == (256, 256, 3)
    assert tile.nir.shape == (256, 256)
    assert tile.points.shape == (0, 2)


def test_each_point_lies_in_its_own_crown(crowns):
    labelled = crowns[0]
    assert [labelled.labels[y, x] for x, y in TREES] == [1, 2, 3, 4, 5, 6]
    assert [labelled.peaks[y, x] for x, y in TREES] == [255] * 6


@pytest.mark.parametrize("tree", [2, 4])
def test_lawn_and_asphalt_are_told_from_crowns_to_two_pixels(crowns, tree):
    rows, cols = np.nonzero(crowns[0].labels == tree + 1)
    x, y = TREES[tree]
    assert 6 <= np.hypot(cols - x, rows - y).max() <= 9


def test_neighbours_share_by_the_nearer_point(crowns):
    labels = crowns[0].labels
    assert set(np.unique(labels[50:71, 53:65])) == {0, 1}
    assert set(np.unique(labels[50:71, 67:78])) == {0, 2}


def test_a_crown_stays_near_its_point(crowns):
    labels = crowns[0].labels
    rows, cols = np.nonzero(labels)
    points = np.array(TREES)[labels[rows, cols] - 1]
    assert np.hypot(cols - points[:, 0], rows - points[:, 1]).max() <= CROWN_RADIUS_M / PIXEL_SIZE_M


def test_what_is_a_crown_is_not_ignored(crowns):
    assert not any((labelled.ignore & (labelled.labels > 0)).any() for labelled in crowns)


def test_a_flight_without_points_has_no_crowns(crowns):
    assert not crowns[2].labels.any()
    assert not crowns[2].ignore.any()


def test_the_opener_makes_the_same_crowns(urban, crowns):
    data = open_urban_california(urban, split="train")
    assert data.names == ("riverside_2018_1", "riverside_2018_2", "chico_2018_3")
    assert (data.classes, data.bands) == (("tree",), ("red", "green", "blue"))
    found = data.read(0)
    np.testing.assert_array_equal(found.labels, crowns[0].labels)
    np.testing.assert_array_equal(found.image, crowns[0].image)
    assert found.kinds.tolist() == [0] * 6


def test_the_opener_leaves_out_what_is_measured(urban):
    data = open_urban_california(urban, split="train", apart_from="val")
    assert data.names == ("riverside_2018_2", "chico_2018_3")
    assert data.notes == ("1 tiles of train left out, whose ground is of val",)
    same = {open_urban_california(urban, split=split).grounds[0] for split in ("train", "val")}
    assert same == {"26911 0 4000000"}


def test_infrared_is_the_fourth_band(urban):
    data = open_urban_california(urban, split="val", nir=True, crowns="points")
    assert data.bands == ("red", "green", "blue", "nir")
    tile = read_tile(urban, read_places(urban, "val")[0])
    np.testing.assert_array_equal(data.read(0).image[..., 3], tile.nir)


def test_peaks_are_hills_around_the_points(urban):
    weak = open_urban_california(urban, split="train")
    data = open_urban_california(urban, split="train", peaks="points")
    assert (weak.knows_peaks, data.knows_peaks) == (False, True)
    assert weak.facts != data.facts
    found = data.read(0)
    assert all(found.peaks[y, x] == 255 for x, y in TREES)
    assert found.peaks[60, 65] == round(255 * np.exp(-25 / 18))
    np.testing.assert_array_equal(found.labels, weak.read(0).labels)


def test_points_are_discs_of_thirteen_pixels(urban):
    found = open_urban_california(urban, split="train", crowns="points").read(0)
    assert np.bincount(found.labels.ravel())[1:].tolist() == [13] * 6
    assert not found.ignore.any()
    np.testing.assert_array_equal(found.centres, TREES)


def test_lists_by_name_are_looked_up(tmp_path):
    urban = write_urban(tmp_path / "u", {"train": [("a_2020_1", 0)], "val": [("b_2020_1", 500)]}, {})
    splits = json.loads((urban / "splits.json").read_text())
    (urban / "splits.json").write_text(json.dumps({**splits, "val_socal": ["b_2020_1"], "train_socal": ["c"]}))
    assert open_urban_california(urban, split="val_socal").grounds == ("26911 500 4000000",)
    with pytest.raises(BadData, match=r"splits.json has a tile in train_socal without name, epsg .*'c'.*: get it anew"):
        open_urban_california(urban, split="train_socal")
    with pytest.raises(BadData, match=r"splits.json has no list test: it has train, train_socal, val, val_socal"):
        open_urban_california(urban, split="test")
    (urban / "nir" / "a_2020_1.jpg").unlink()
    with pytest.raises(BadData, match=r"u lacks 1 images of train: nir/a_2020_1.jpg: get the whole data set"):
        open_urban_california(urban, split="train")
    (urban / "points" / "b_2020_1.csv").write_text("x,z\n1,2\n")
    with pytest.raises(BadData, match=r"b_2020_1.csv is no list of points: KeyError\('y'\): wanted a line x,y"):
        open_urban_california(urban, split="val").read(0)
