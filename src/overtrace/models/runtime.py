"""Run the network of a model file on the CPU or on a GPU, with the same answer for any number of workers.

Each calling thread has an infer request of its own, and each request runs on one thread and one window at a time: sums
are then taken in the same order whatever else goes on.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from overtrace.errors import BadModel, BadOption
from overtrace.models.card import Card, read_card

Runtime = Literal["openvino", "onnxruntime"]
RUNTIMES: tuple[Runtime, ...] = ("openvino", "onnxruntime")

Planes = npt.NDArray[np.float32]
Shape = tuple[int | None, ...]


class Network:
    """A loaded network; ``run`` may be called from any thread, and lets other threads run meanwhile."""

    def __init__(self, card: Card, make_request: Callable[[], Callable[[Planes], Planes]]) -> None:
        self.card = card
        self._make_request = make_request
        self._local = threading.local()

    def run(self, batch: Planes) -> Planes:
        """What the network says of each pixel.

        Args:
            batch: (N, bands, window, window) from 0 to 1.
        Returns:
            (N, planes, window, window) probabilities from 0 to 1.
        """
        card = self.card
        wanted = (len(card.bands), card.window, card.window)
        if batch.shape[1:] != wanted:
            raise ValueError(f"windows are {batch.shape[1:]}, the model wants {wanted}")
        request = self._request()
        answer = np.empty((len(batch), card.channels, card.window, card.window), np.float32)
        for i, window in enumerate(batch):
            answer[i] = request(np.ascontiguousarray(window[None], np.float32))[0]
        return answer

    def _request(self) -> Callable[[Planes], Planes]:
        """The infer request of the calling thread."""
        if not hasattr(self._local, "request"):
            self._local.request = self._make_request()
        request: Callable[[Planes], Planes] = self._local.request
        return request


def load_network(path: str | Path, *, runtime: Runtime = "openvino", workers: int = 1) -> Network:
    """Load a model file.

    Args:
        workers: threads that will call ``run`` at the same time.
    Raises:
        BadModel: if the file is damaged, is not ours, or holds another network than its card says.
        BadOption: if the runtime is unknown or not installed.
    """
    card = read_card(path)
    if runtime == "openvino":
        return _load_openvino(str(path), card, workers)
    if runtime == "onnxruntime":
        return _load_onnxruntime(str(path), card)
    raise BadOption(f"--runtime {runtime} is unknown: wanted {' or '.join(RUNTIMES)}")


def _load_openvino(path: str, card: Card, workers: int) -> Network:
    try:
        import openvino
    except ImportError as error:
        raise BadOption("OpenVINO is not installed: pip install openvino, or use --runtime onnxruntime") from error
    settings = {
        "NUM_STREAMS": str(workers),
        "INFERENCE_NUM_THREADS": str(workers),
        # Other precisions than that of the file, where the CPU has them, would make the answer depend on the machine.
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "ENABLE_CPU_PINNING": "NO",
    }
    try:
        model = openvino.Core().read_model(path)
        inputs = [_openvino_shape(port) for port in model.inputs]
        outputs = [_openvino_shape(port) for port in model.outputs]
        _check_graph(path, card, inputs, outputs)
        model.reshape([1, len(card.bands), card.window, card.window])
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise BadModel(f"{path} cannot be run by OpenVINO: {_first_line(error)}") from error

    def make_request() -> Callable[[Planes], Planes]:
        request = compiled.create_infer_request()

        def infer(window: Planes) -> Planes:
            answer: Planes = request.infer([window], share_inputs=True, share_outputs=True)[0]
            return answer

        return infer

    # OpenVINO sets up its table of types at the first call; two threads that come first together wait for ever.
    make_request()(np.zeros((1, len(card.bands), card.window, card.window), np.float32))
    return Network(card, make_request)


def _load_onnxruntime(path: str, card: Card) -> Network:
    try:
        import onnxruntime
    except ImportError as error:
        raise BadOption("ONNX Runtime is not installed: pip install onnxruntime, or use --runtime openvino") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # TF32 keeps 10 of 23 bits; a search for the fastest convolution may choose another one on each run.
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}))
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # its errors share no base class of their own
        raise BadModel(f"{path} cannot be run by ONNX Runtime: {_first_line(error)}") from error
    inputs = [_onnxruntime_shape(port) for port in session.get_inputs()]
    outputs = [_onnxruntime_shape(port) for port in session.get_outputs()]
    _check_graph(path, card, inputs, outputs)
    name = session.get_inputs()[0].name

    def infer(window: Planes) -> Planes:
        answer: Planes = session.run(None, {name: window})[0]
        return answer

    return Network(card, lambda: infer)


def _openvino_shape(port: Any) -> Shape:
    return tuple(axis.get_length() if axis.is_static else None for axis in port.get_partial_shape())


def _onnxruntime_shape(port: Any) -> Shape:
    return tuple(axis if isinstance(axis, int) else None for axis in port.shape)


def _check_graph(path: str, card: Card, inputs: list[Shape], outputs: list[Shape]) -> None:
    """BadModel where the network is not the one that its card describes."""
    for what, shapes, channels in (("input", inputs, len(card.bands)), ("output", outputs, card.channels)):
        wanted = (1, channels, card.window, card.window)
        found = shapes[0] if len(shapes) == 1 else ()
        if len(found) != 4 or any(axis not in (None, want) for axis, want in zip(found, wanted, strict=True)):
            raise BadModel(
                f"{path} does not match its card: {what} is {' and '.join(map(_show, shapes))}, wanted {_show(wanted)}"
            )


def _show(shape: Shape) -> str:
    return "x".join("?" if axis is None else str(axis) for axis in shape)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
