import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from overtrace.learn.export import export_network, find_first, quantise_file  # noqa: E402
from overtrace.models.card import write_card  # noqa: E402
from overtrace.models.runtime import RUNTIMES, load_network  # noqa: E402
from overtrace.networks.mini import Mini  # noqa: E402
from tests.support.networks import conv_card  # noqa: E402


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Mini("s").eval()


@pytest.fixture(scope="module")
def bare(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "bare.onnx"
    export_network(network, conv_card(), path)
    return path


@pytest.fixture(scope="module")
def windows():
    return list(np.random.default_rng(0).random((6, 1, 3, 64, 64), dtype=np.float32))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_file_answers_as_the_network_does(network, bare, windows, runtime, tmp_path):
    write_card(bare, conv_card(), tmp_path / "a.onnx")
    with torch.no_grad():
        truth = torch.sigmoid(network(torch.from_numpy(windows[0]))).numpy()
    np.testing.assert_allclose(load_network(tmp_path / "a.onnx", runtime=runtime).run(windows[0]), truth, atol=1e-4)


def test_what_sees_the_image_first_stays_in_full_precision(bare, windows, tmp_path):
    quantise_file(bare, windows, tmp_path / "int8.onnx")
    before, after = onnx.load(bare).graph, onnx.load(tmp_path / "int8.onnx").graph
    (first,) = find_first(onnx.load(bare))
    assert first == next(node.name for node in before.node if node.op_type == "Conv")
    made = {output: node.op_type for node in after.node for output in node.output}
    inputs = {node.name: [made.get(name) for name in node.input[:2]] for node in after.node if node.op_type == "Conv"}
    assert "DequantizeLinear" not in inputs.pop(first)
    assert sum(found == ["DequantizeLinear"] * 2 for found in inputs.values()) > len(inputs) / 2


def test_int8_is_near_and_smaller_in_both_runtimes(bare, windows, tmp_path):
    quantise_file(bare, windows, tmp_path / "int8.onnx")
    assert (tmp_path / "int8.onnx").stat().st_size < 0.5 * bare.stat().st_size
    write_card(bare, conv_card(), tmp_path / "a.onnx")
    write_card(tmp_path / "int8.onnx", conv_card(precision="int8"), tmp_path / "b.onnx")
    truth = load_network(tmp_path / "a.onnx").run(windows[0])
    for runtime in RUNTIMES:
        assert np.abs(load_network(tmp_path / "b.onnx", runtime=runtime).run(windows[0]) - truth).mean() < 0.05
