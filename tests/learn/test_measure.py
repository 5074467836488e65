import numpy as np
import pytest

pytest.importorskip("torch")

from overtrace.data import neon
from overtrace.data.urban_california import read_places
from overtrace.decode.parameters import Parameters
from overtrace.learn.measure import Case, count, predict_file, total, tune, urban_cases
from overtrace.models.runtime import load_network
from overtrace.scoring.matching import Matches
from tests.support.labelled import write_urban
from tests.support.networks import write_conv_model

PART = neon.Part("any", (0, 60), (0, 60))
THRESHOLDS = Parameters(interior=128, touch=128, distance=128, hole_px=0, min_seed_px=1, min_area_px=1)


def draw(*squares: tuple[int, int, int, int]) -> np.ndarray:
    """Planes of 60x90 pixels, sure of the squares: row, column, side, and the value of their distance plane."""
    planes = np.ones((3, 60, 90), np.uint8)
    for row, col, side, peak in squares:
        planes[0, row : row + side, col : col + side] = 250
        planes[2, row : row + side, col : col + side] = peak
    return planes


def test_points_worked_by_hand():
    # The pixels of a square of 5 at column 10 are 10 to 14: its centre is 12, at 0.5 m a pixel 6 m.
    points = np.array([[6.0, 6.0], [30.0, 12.5], [40.0, 2.0]])
    case = Case(draw((10, 10, 5, 250), (10, 60, 5, 250)), 0.5, points, None, None)
    assert count(case, THRESHOLDS) == Matches(hits=1, found=2, true=3)
    assert total([case, case], THRESHOLDS) == Matches(hits=2, found=4, true=6)


def test_boxes_of_a_part_worked_by_hand():
    boxes = np.array([[1.0, 1.0, 1.8, 1.5], [3.0, 3.0, 4.0, 4.0], [7.0, 1.0, 7.5, 1.5]])
    # The first is found with 25 of 40 pixels, the second is missed, the third and its answer lie outside the part.
    case = Case(draw((10, 10, 5, 250), (10, 70, 5, 250)), 0.1, None, boxes, PART)
    assert count(case, THRESHOLDS) == Matches(hits=1, found=1, true=2)


def test_the_smallest_area_is_in_square_metres():
    def found(pixel_size_m: float, min_area_m2: float) -> int:
        case = Case(draw((10, 10, 5, 250)), pixel_size_m, np.zeros((0, 2)), None, None)
        return count(case, Parameters(distance=128, min_area_px=1, min_area_m2=min_area_m2)).found

    assert [found(1, 25), found(1, 25.1), found(0.2, 1), found(0.2, 1.01)] == [1, 0, 1, 0]


def test_an_image_with_nothing_in_it():
    assert count(Case(draw(), 0.6, np.zeros((0, 2)), None, None), THRESHOLDS) == Matches()
    assert count(Case(draw(), 0.6, None, np.zeros((0, 4)), PART), THRESHOLDS) == Matches()


def test_tuning_finds_the_threshold_that_parts_true_from_false():
    said: list[str] = []
    case = Case(draw((10, 10, 9, 150), (30, 10, 9, 80), (30, 60, 9, 80)), 0.6, np.array([[8.4, 8.4]]), None, None)
    best = tune([[case]], Parameters(distance=26, min_seed_px=1), said.append)
    assert 80 < best.distance <= 150
    assert total([case], best) == Matches(1, 1, 1)
    assert said[0].startswith("tuned ")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return load_network(write_conv_model(tmp_path_factory.mktemp("model") / "a.onnx"))


def test_a_tile_is_answered_whole_with_its_points_in_metres(tmp_path, network):
    folder = write_urban(tmp_path / "u", {"train": [("chico_2018_1", 0)], "val": []}, {"chico_2018_1": [(50, 30)]})
    (case,) = urban_cases(network, folder, read_places(folder, "train"))
    assert case.planes.shape == (3, 256, 256)
    assert case.planes.min() >= 1
    assert case.pixel_size_m == 0.6
    np.testing.assert_allclose(case.points, [[30, 18]])


def test_an_image_finer_than_the_network_wants_is_shown_coarser(tmp_path, network):
    folder = write_urban(tmp_path / "u", {"train": [("chico_2018_1", 0)], "val": []}, {})
    planes, pixel_size_m = predict_file(network, folder / "rgb" / "chico_2018_1.jpg", 0.05)
    assert planes.shape == (3, 128, 128)
    assert pixel_size_m == pytest.approx(0.1)
