"""TernausNetV2 from files to instances, against its published steps written anew."""

import numpy as np
import pytest
import rasterio
from scipy import ndimage
from skimage.segmentation import watershed

torch = pytest.importorskip("torch")

from overtrace.data.spacenet import list_chips, open_chip, open_spacenet, stack_chip  # noqa: E402
from overtrace.data.targets import touching  # noqa: E402
from overtrace.decode.ternaus import decode_ternaus, score_instances  # noqa: E402
from overtrace.learn.export import export_network  # noqa: E402
from overtrace.learn.ternaus_card import draft_card  # noqa: E402
from overtrace.models.card import read_card, write_card  # noqa: E402
from overtrace.models.planes import predict_probabilities  # noqa: E402
from overtrace.models.runtime import RUNTIMES, load_network  # noqa: E402
from overtrace.models.view import lay_windows, view_image  # noqa: E402
from overtrace.networks.ternausnet_v2 import TernausNetV2  # noqa: E402
from overtrace.raster.grid import Box  # noqa: E402
from overtrace.raster.source import open_raster  # noqa: E402
from tests.support.images import write_image  # noqa: E402
from tests.support.spacenet import square, write_chip, write_solutions  # noqa: E402

NAME = "AOI_4_Shanghai_img6917"
CARD = draft_card(version="1", training="none", recipe="none", licence="Apache-2.0")


def write_scene(folder):
    """A chip of 650 pixels: soft blobs in 11 bands, which reach above 2047 in those of the sensor."""
    noise = np.random.default_rng(0).standard_normal((11, 650, 650))
    blobs = ndimage.gaussian_filter(noise, (0, 4, 4), mode="wrap")
    values = (900 + 9000 * blobs).clip(1, 4000).astype(np.uint16)
    assert (values[3:] > 2047).any()
    paths = [folder / f"{kind}-PanSharpen_{NAME}.tif" for kind in ("RGB", "MUL")]
    return [write_image(path, part) for path, part in zip(paths, (values[:3], values[3:]), strict=True)]


def published_window(rgb_path: str, mul_path: str) -> np.ndarray:
    """(11, 672, 672): the steps of the notebook before the normalisation that is inside our network."""
    with rasterio.open(rgb_path) as file:
        rgb = file.read().astype(np.float64)
    with rasterio.open(mul_path) as file:
        mul = file.read().astype(np.float64) / (2**11 - 1)
    low, high = rgb.min(axis=(1, 2), keepdims=True), rgb.max(axis=(1, 2), keepdims=True)
    image = np.concatenate([(rgb - low) / (high - low), mul]) * 255
    # cv2.BORDER_REFLECT_101 is numpy's "reflect".
    return (np.pad(image, ((0, 0), (11, 11), (11, 11)), mode="reflect") / 255).astype(np.float32)


def published_labels(probabilities: np.ndarray) -> np.ndarray:
    """The steps of the notebook behind the sigmoid; labels from 1 in the order of the markers."""
    mask = probabilities[0] > 0.5
    markers, _ = ndimage.label((mask * (1 - probabilities[1])) > 0.5)
    labels = watershed(-mask.astype(np.uint8), markers, mask=mask, connectivity=2)
    sizes = np.bincount(labels.ravel())
    labels[sizes[labels] < 20] = 0
    return np.unique(labels[11:-11, 11:-11], return_inverse=True)[1].reshape(650, 650)


def settle(network: TernausNetV2, window: np.ndarray) -> None:
    """Take the statistics of a window, and set the last layer so that 0.5 parts the pixels of both planes.

    It does so in a gap between their logits that no rounding crosses.
    """
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(torch.from_numpy(window[None, :, :256, :256]))
    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(window[None]))[0].flatten(1).sort(dim=1).values
        for plane, (first, last) in enumerate(((0.5, 0.6), (0.3, 0.4))):
            row = logits[plane, int(first * logits.shape[1]) : int(last * logits.shape[1])]
            i = int(row.diff().argmax())
            network.final.bias[plane] -= (row[i] + row[i + 1]) / 2
        network.final.weight /= logits.std()
        network.final.bias /= logits.std()


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def model(scene, tmp_path_factory):
    """A narrow network and its file."""
    torch.manual_seed(0)
    network = TernausNetV2(width=8)
    settle(network, published_window(*scene))
    folder = tmp_path_factory.mktemp("model")
    export_network(network, CARD, folder / "bare.onnx")
    write_card(folder / "bare.onnx", CARD, folder / "a.onnx")
    return network, folder / "a.onnx"


def test_a_chip_is_one_window_with_its_mirror_image(scene):
    view = view_image(stack_chip(*scene), CARD)
    (block,) = lay_windows(CARD).blocks(view.grid, 650)
    assert block.core == Box(0, 0, 650, 650)
    assert block.read == Box(-11, -11, 672, 672)
    assert len(block.windows) == 1
    image, _ = view.read(block.read)
    expected = published_window(*scene)
    assert expected.max() > 1.5
    np.testing.assert_allclose(image, expected, atol=3e-7)


@pytest.fixture(scope="module", params=RUNTIMES)
def loaded(request, model):
    """The file in either runtime."""
    return load_network(model[1], runtime=request.param)


def test_from_two_files_to_the_published_labels(scene, loaded):
    view = view_image(stack_chip(*scene), loaded.card)
    (block,) = lay_windows(loaded.card).blocks(view.grid, 650)
    probabilities = predict_probabilities(view, loaded, block, border=11)
    published = loaded.run(published_window(*scene)[None])[0]
    np.testing.assert_allclose(probabilities, published, atol=1e-5)
    labels = decode_ternaus(probabilities, border=11)
    assert labels.max() > 1000
    np.testing.assert_array_equal(labels, published_labels(published))
    assert score_instances(labels, probabilities[0, 11:-11, 11:-11]).min() > 0.5


def test_the_file_answers_as_torch_does(scene, model, loaded):
    window = published_window(*scene)[None]
    with torch.no_grad():
        truth = torch.sigmoid(model[0](torch.from_numpy(window))).numpy()
    np.testing.assert_allclose(loaded.run(window), truth, atol=1e-4)


def test_the_card_comes_back_from_the_file(model):
    card = read_card(model[1])
    assert card == CARD
    assert (card.edges, card.decode_rule, card.planes) == ("reflect", "ternaus", ("interior", "touch"))
    assert not card.band_scaling["mul8"].clip
    assert (
        draft_card(version="1", training="", recipe="", licence="", bands=("red", "green", "blue")).band_scaling == {}
    )


def test_colours_that_do_not_vary_are_black_where_the_notebook_divides_by_zero(tmp_path):
    values = write_chip(tmp_path, NAME)[:3]
    values[1] = 77
    path = write_image(tmp_path / "a.tif", values)
    card = draft_card(version="1", training="", recipe="", licence="", bands=("red", "green", "blue"))
    image, valid = view_image(open_raster(path), card).read(Box(0, 0, 64, 64))
    assert valid.all()
    assert (image[1] == 0).all()
    assert np.isfinite(image).all()


def test_training_steps_on_chips_of_spacenet_lower_the_loss(tmp_path):
    write_chip(tmp_path, NAME)
    write_solutions(tmp_path, {NAME: [[square(8, 8, 20)], [square(28, 8, 20)], [square(10, 36, 22)]]})
    data = open_spacenet(tmp_path, bands="rgb+mul")
    truth = data.read(0)
    image, _ = view_image(open_chip(list_chips(tmp_path)[0], "rgb+mul"), CARD).read(Box(0, 0, 64, 64))
    touch = touching(truth.labels)
    assert touch.any()
    planes = torch.from_numpy(np.stack([truth.labels > 0, touch])[None].astype(np.float32))
    torch.manual_seed(0)
    network = TernausNetV2(len(data.bands), width=4).train()
    losses = []
    for _ in range(4):
        logits = network(torch.from_numpy(image[None]))
        # Binary cross-entropy of logits, written out.
        loss = (logits.clamp(min=0) - logits * planes + torch.log1p(torch.exp(-logits.abs()))).mean()
        slopes = torch.autograd.grad(loss, list(network.parameters()))
        assert all(slope.isfinite().all() for slope in slopes)
        with torch.no_grad():
            for part, slope in zip(network.parameters(), slopes, strict=True):
                part -= 0.01 * slope
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
