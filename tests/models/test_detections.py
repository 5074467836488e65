"""What windows find, on images whose objects are marked."""

import numpy as np
import pytest

from overtrace.errors import BadModel
from overtrace.models.detections import GREY, predict_detections
from overtrace.models.runtime import RUNTIMES, Network, load_network
from overtrace.models.view import lay_windows, view_image
from overtrace.raster.source import open_raster
from tests.support.detections_model import marks_card, write_detections_model
from tests.support.images import write_image


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_detections_model(tmp_path_factory.mktemp("model") / "marks.onnx")


def mark(height, width, *marks):
    """An image with marks: row, column, level of red, half a side, class."""
    pixels = np.full((3, height, width), 1, np.uint8)
    for row, col, red, half, label in marks:
        pixels[:, row, col] = red, half, 255 * label
    return pixels


def predict(path, network, pixels, block=10_000, **profile):
    view = view_image(open_raster(str(write_image(path, pixels, **profile))), network.card)
    blocks = lay_windows(network.card).blocks(view.grid, block)
    return [predict_detections(view, network, part) for part in blocks]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_image_as_one_block_worked_by_hand(tmp_path, model, runtime):
    network = load_network(model, runtime=runtime)
    marks = [(20, 30, 200, 5, 0), (64, 192, 250, 8, 1), (199, 299, 150, 10, 0)]
    (found,) = predict(tmp_path / "a.tif", network, mark(200, 300, *marks))
    np.testing.assert_allclose(found.scores, np.array([250, 200, 150]) / 255, rtol=1e-6)
    np.testing.assert_array_equal(found.classes, [1, 0, 0])
    # A box of 10 beside the last pixel goes on beyond the image, where the window does too.
    wanted = [[184.5, 56.5, 200.5, 72.5], [25.5, 15.5, 35.5, 25.5], [289.5, 189.5, 309.5, 209.5]]
    np.testing.assert_allclose(found.boxes, wanted, atol=1e-4)
    assert found.masks.shape == (3, 14, 14)


@pytest.mark.parametrize("at", range(58, 72))
def test_what_several_windows_see_is_answered_by_one(tmp_path, model, at):
    network = load_network(model)
    for row, col in ((at, at), (at, 10), (10, at), (150, at)):
        found = predict(tmp_path / "a.tif", network, mark(300, 300, (row, col, 200, 6, 0)), block=64)
        assert [len(part) for part in found].count(1) == 1
        assert sum(map(len, found)) == 1


def test_an_image_smaller_than_the_window_is_seen_at_once(tmp_path, model):
    (found,) = predict(tmp_path / "a.tif", load_network(model), mark(50, 100, (0, 0, 200, 4, 0), (49, 99, 200, 4, 0)))
    np.testing.assert_allclose(found.boxes, [[0, 0, 4.5, 4.5], [95.5, 45.5, 103.5, 53.5]], atol=1e-4)


def ask_of(seen, boxes=(), scores=(), classes=()):
    """A network that answers the same to each window and notes what it was shown."""

    def infer(window):
        seen.append(window[0])
        n = len(scores)
        return (
            np.array(boxes, np.float32).reshape(n, 4),
            np.array(scores, np.float32),
            np.array(classes, np.int64),
            np.ones((n, 7, 7), np.float32),
        )

    return Network(marks_card(window=64, margin=8), lambda: infer)


def test_what_is_no_image_is_grey_and_windows_without_data_are_not_asked(tmp_path):
    pixels = np.full((3, 64, 200), 255, np.uint8)
    pixels[:, :, :130] = 0
    pixels[:, 30, 20] = 255
    seen = []
    predict(tmp_path / "a.tif", ask_of(seen), pixels, nodata=0)
    # Windows begin at -8, 40, 88, 136 and 184: the second one sees columns 40 to 103 alone.
    assert len(seen) == 4
    np.testing.assert_array_equal(np.unique(seen[0]), [GREY, 1])
    assert (seen[0] == 1).sum() == 3
    assert (seen[1][:, :, 42:] == 1).all()
    assert (seen[3][:, :, 200 - 184 :] == GREY).all()


def test_only_what_is_sure_enough_and_lies_in_the_window_counts(tmp_path):
    boxes = [[10, 10, 20, 20], [10, 10, 20, 20], [10, 10, 20, 20], [50, 50, 50, 60], [40, 40, 90, 60], [0, 0, 0, 0]]
    scores = [0.9, 0.05, 0.04, 0.8, 0.7, 0]
    (found,) = predict(tmp_path / "a.tif", ask_of([], boxes, scores, [0] * 6), mark(64, 64))
    np.testing.assert_array_equal(found.scores, np.array([0.9, 0.7, 0.05], np.float32))
    np.testing.assert_array_equal(found.boxes[1], [40, 40, 64, 60])


def test_places_are_exact_in_a_wide_image(tmp_path):
    boxes = np.array([[10.1, 10, 20.3, 20]], np.float32)
    (found,) = predict(tmp_path / "a.tif", ask_of([], boxes, [0.9], [0]), mark(64, 20_000), block=48 * 1000)
    np.testing.assert_array_equal(found.boxes[-1], boxes[0].astype(np.float64) + np.array([19_960, 0, 19_960, 0]))


def test_a_class_without_a_name_is_a_fault_of_the_model(tmp_path):
    network = ask_of([], [[10, 10, 20, 20]], [0.9], [2])
    with pytest.raises(BadModel, match="marks answers classes 2 to 2, its card names 2"):
        predict(tmp_path / "a.tif", network, mark(64, 64))
