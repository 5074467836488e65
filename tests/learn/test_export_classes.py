import numpy as np
import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.export import export_network, quantise_file  # noqa: E402
from overtrace.models.card import write_card  # noqa: E402
from overtrace.models.runtime import RUNTIMES, load_network  # noqa: E402
from overtrace.models.views import add_views  # noqa: E402
from overtrace.networks.scene import Scene  # noqa: E402
from tests.support.networks import conv_card  # noqa: E402


def card(**changes):
    classes = ("sky", "road", "car")
    return conv_card(task="classes", classes=classes, pixel_size_m=None, planes=(), window=128, margin=32, **changes)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Scene(3)
    # Statistics of something that has been seen, so that the answers have an ordinary size.
    with torch.no_grad():
        for _ in range(3):
            network(torch.rand(2, 3, 64, 64))
    return network.eval()


@pytest.fixture(scope="module")
def bare(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "bare.onnx"
    export_network(network, card(), path)
    return path


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_file_answers_as_the_network_does_at_any_size(network, bare, runtime, tmp_path):
    write_card(bare, card(), tmp_path / "a.onnx")
    loaded = load_network(tmp_path / "a.onnx", runtime=runtime)
    for height, width in ((32, 32), (64, 96), (128, 32)):
        image = np.random.default_rng(0).random((3, height, width), dtype=np.float32)
        with torch.no_grad():
            truth = network(torch.from_numpy(image[None])).numpy()
        (found,) = loaded.ask(image)
        np.testing.assert_allclose(found, truth, atol=1e-3 * np.abs(truth).max())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_six_views_reach_beyond_the_window(network, bare, runtime, tmp_path):
    write_card(bare, card(), tmp_path / "a.onnx")
    loaded = load_network(tmp_path / "a.onnx", runtime=runtime)
    image = np.random.default_rng(0).random((3, 128, 96), dtype=np.float32)
    (once,), (often,) = loaded.ask(image), add_views(loaded, 6).ask(image)
    assert often.shape == once.shape
    np.testing.assert_allclose(often.sum(axis=1), 1, rtol=1e-5)


def test_int8_is_near_and_smaller_at_any_size(bare, tmp_path):
    windows = list(np.random.default_rng(0).random((4, 1, 3, 64, 64), dtype=np.float32))
    quantise_file(bare, windows, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.5 * bare.stat().st_size
    write_card(bare, card(), tmp_path / "a.onnx")
    write_card(tmp_path / "int8.onnx", card(precision="int8"), tmp_path / "b.onnx")
    for height, width in ((64, 64), (96, 128)):
        image = np.random.default_rng(1).random((3, height, width), dtype=np.float32)
        (truth,) = load_network(tmp_path / "a.onnx").ask(image)
        for runtime in RUNTIMES:
            (found,) = load_network(tmp_path / "b.onnx", runtime=runtime).ask(image)
            assert np.abs(found - truth).mean() < 0.5 * truth.std()
