import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from overtrace.errors import BadModel, BadOption
from overtrace.models.card import write_card
from overtrace.models.runtime import RUNTIMES, load_network
from tests.support.networks import conv_card, write_conv_model, write_conv_network


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_conv_model(tmp_path_factory.mktemp("model") / "a.onnx")


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).random((16, 3, 64, 64), dtype=np.float32)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_answer_does_not_depend_on_workers_or_batches(model, batch, runtime):
    answer = load_network(model, runtime=runtime).run(batch)
    network = load_network(model, runtime=runtime, workers=2)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda window: network.run(window[None])[0], np.concatenate([batch] * 4)))
    np.testing.assert_array_equal(np.concatenate([answer] * 4), answers)


def test_nobody_is_told_that_a_model_is_run(model):
    code = (
        "import sys; from overtrace.models.runtime import load_network; load_network(sys.argv[1]); "
        "assert sys.modules['openvino_telemetry'] is None; "
        "assert 'openvino' in sys.modules and 'openvino_telemetry.main' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(model)], check=True)


def test_runtimes_agree(model, batch):
    one, other = (load_network(model, runtime=runtime).run(batch) for runtime in RUNTIMES)
    assert one.dtype == other.dtype == np.float32
    assert one.shape == (16, 3, 64, 64)
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_was_answered_is_not_overwritten(model, batch, runtime):
    network = load_network(model, runtime=runtime)
    first = network.run(batch[:1])
    kept = first.copy()
    network.run(batch[1:2])
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("network", "changes"),
    [({"planes": 2}, {}), ({"window": 32}, {}), ({}, {"bands": ("red",)}), ({"batch": 4}, {})],
)
def test_a_network_other_than_its_card_says(tmp_path, runtime, network, changes):
    bare = write_conv_network(tmp_path / "a.onnx", **network)
    write_card(bare, conv_card(**changes), tmp_path / "b.onnx")
    with pytest.raises(BadModel, match=r"b\.onnx does not match its card: (in|out)put is "):
        load_network(tmp_path / "b.onnx", runtime=runtime)


def test_windows_of_another_size_are_a_wrong_call(model, batch):
    with pytest.raises(ValueError, match="the model wants"):
        load_network(model).run(batch[:, :, :32])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_that_is_not_installed(model, monkeypatch, runtime):
    monkeypatch.setitem(sys.modules, runtime, None)
    with pytest.raises(BadOption, match="is not installed: pip install"):
        load_network(model, runtime=runtime)


def test_an_unknown_runtime(model):
    with pytest.raises(BadOption, match="wanted openvino or onnxruntime"):
        load_network(model, runtime="magic")
