import numpy as np
import pytest
from scipy import ndimage

from overtrace.models.planes import predict_planes, predict_probabilities
from overtrace.models.runtime import load_network
from overtrace.models.view import lay_windows, view_image
from overtrace.raster.source import open_raster
from tests.support.images import noise, write_image
from tests.support.networks import conv_card, write_conv_model


@pytest.fixture
def asked(tmp_path):
    """View, network and blocks of an image of several windows, with a corner without data."""
    values = noise(90, 120)
    values[:, :30, :30] = 0
    card = conv_card(pixel_size_m=None)
    view = view_image(open_raster(write_image(tmp_path / "a.tif", values, nodata=0)), card)
    network = load_network(write_conv_model(tmp_path / "a.onnx", pixel_size_m=None))
    return view, network, lay_windows(card)


def test_probabilities_and_bytes_say_the_same(asked):
    view, network, lattice = asked
    for block in lattice.blocks(view.grid, 100):
        probabilities, planes = (predict(view, network, block) for predict in (predict_probabilities, predict_planes))
        assert probabilities.dtype == np.float32
        assert planes.shape == probabilities.shape == (3, block.core.height, block.core.width)
        data = planes > 0
        np.testing.assert_array_equal(planes[data], np.floor(probabilities * 254 + 1.5)[data])
        assert (probabilities[~data] == 0).all()


def test_a_pixel_has_the_same_probability_in_any_block(asked):
    view, network, lattice = asked
    (whole,) = (predict_probabilities(view, network, block) for block in lattice.blocks(view.grid, 120))
    assert (whole[:, :30, :30] == 0).all()
    assert (whole[:, 30:] > 0).all()
    for block in lattice.blocks(view.grid, 1):
        core = block.core
        part = whole[:, core.row : core.row + core.height, core.col : core.col + core.width]
        np.testing.assert_array_equal(predict_probabilities(view, network, block), part)


@pytest.mark.parametrize("border", [0, 3, 8])
def test_a_border_is_what_the_windows_around_say(asked, border):
    view, network, lattice = asked
    (whole,) = (predict_probabilities(view, network, block, border) for block in lattice.blocks(view.grid, 120))
    assert whole.shape == (3, 90 + 2 * border, 120 + 2 * border)
    (bare,) = (predict_probabilities(view, network, block) for block in lattice.blocks(view.grid, 120))
    np.testing.assert_array_equal(whole[:, border : border + 90, border : border + 120], bare)
    assert border == 0 or (whole[:, :, -border:] > 0).all()
    block = lattice.blocks(view.grid, 120)[0]
    corner = network.run(view.read(block.windows[-1].read)[0][None])[0]
    rows, cols = 90 + border - block.windows[-1].read.row, 120 + border - block.windows[-1].read.col
    np.testing.assert_array_equal(whole[:, -9:, -9:], corner[:, rows - 9 : rows, cols - 9 : cols])


def test_a_border_beyond_the_margin_is_refused(asked):
    view, network, lattice = asked
    with pytest.raises(ValueError, match="a border of 9 pixels is not within the margin of 8"):
        predict_probabilities(view, network, lattice.blocks(view.grid, 120)[0], 9)


def test_peaks_are_the_highest_around_and_lie_in_objects(asked):
    view, network, lattice = asked
    (block,) = lattice.blocks(view.grid, 120)
    plain, peaks = predict_planes(view, network, block), predict_planes(view, network, block, peak_px=2)
    data = plain[0] > 0
    binomial = np.outer(*[np.array([1, 4, 6, 4, 1.0])] * 2)
    weight = ndimage.correlate(data.astype(float), binomial, mode="constant")
    smooth = data * ndimage.correlate(np.where(data, plain[2], 0.0), binomial, mode="constant") / np.maximum(weight, 1)
    around = ndimage.maximum_filter(smooth, 5, mode="constant")
    kept = peaks[2] > 1
    assert 20 < np.count_nonzero(kept) < data.sum() / 10
    np.testing.assert_allclose(smooth[kept], around[kept], rtol=1e-6)
    np.testing.assert_allclose(peaks[2][kept], smooth[kept], atol=0.501)
    np.testing.assert_array_equal(peaks[0], np.where(kept, np.maximum(plain[0], peaks[2]), plain[0]))
    np.testing.assert_array_equal(peaks[1], plain[1])
    # No two are within reach of each other.
    rows, cols = np.nonzero(kept)
    apart = np.maximum(abs(rows[:, None] - rows), abs(cols[:, None] - cols)) + 9 * np.eye(len(rows), dtype=int)
    assert apart.min() > 2


def test_peaks_that_reach_beyond_the_margin_are_refused(asked):
    view, network, lattice = asked
    with pytest.raises(ValueError, match="peaks within 9 pixels is not within the margin of 8"):
        predict_planes(view, network, lattice.blocks(view.grid, 120)[0], peak_px=9)


def test_peaks_are_the_same_in_any_block(asked):
    view, network, lattice = asked
    (whole,) = (predict_planes(view, network, block, peak_px=3) for block in lattice.blocks(view.grid, 120))
    for block in lattice.blocks(view.grid, 1):
        core = block.core
        part = whole[:, core.row : core.row + core.height, core.col : core.col + core.width]
        np.testing.assert_array_equal(predict_planes(view, network, block, peak_px=3), part)
