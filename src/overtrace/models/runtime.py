"""Run the network of a model file on the CPU or on a GPU, with the same answer for any number of workers.

Each calling thread has an infer request of its own, and each request runs on one thread and one window at a time: sums
are then taken in the same order whatever else goes on.
"""

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from overtrace.errors import BadModel, BadOption
from overtrace.models.card import Card, read_card

Runtime = Literal["openvino", "onnxruntime"]
Device = Literal["any", "cpu", "cuda"]
"""``any``: a GPU where the runtime has one."""
RUNTIMES: tuple[Runtime, ...] = ("openvino", "onnxruntime")

Planes = npt.NDArray[np.float32]
Outputs = tuple[npt.NDArray[Any], ...]
Request = Callable[[Planes], Outputs]
Shape = tuple[int | None, ...]

OUTPUTS = {"planes": ("planes",), "detections": ("boxes", "scores", "classes", "masks"), "classes": ("classes",)}
"""What each task's network answers, by name and in this order; the name of a single one does not matter."""


class Network:
    """A loaded network; it may be asked from any thread, and lets other threads run meanwhile."""

    def __init__(self, card: Card, make_request: Callable[[], Request]) -> None:
        """Args:
        make_request: called once by each thread; gives what takes (1, bands, h, w) and answers with ``OUTPUTS``.
        """
        self.card = card
        self._make_request = make_request
        self._local = threading.local()

    def with_card(self, card: Card) -> "Network":
        """The same network under another card, which may change what is made of its answers."""
        return Network(card, self._make_request)

    def run(self, batch: Planes) -> Planes:
        """What a *planes* network says of each pixel.

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
            answer[i] = request(np.ascontiguousarray(window[None], np.float32))[0][0]
        return answer

    def ask(self, image: Planes) -> Outputs:
        """What any network says of one window: ``OUTPUTS`` of its task.

        Args:
            image: (bands, h, w) from 0 to 1; (bands, window, window) but for *classes* networks.
        Returns:
            Arrays of the caller's own: *planes* (1, planes, h, w); *detections* boxes (n, 4), scores (n,), classes
            (n,) and masks (n, m, m); *classes* (1, classes, h / stride, w / stride).
        """
        answer = self._request()(np.ascontiguousarray(image[None], np.float32))
        return tuple(np.array(part) for part in answer)

    def _request(self) -> Request:
        """The infer request of the calling thread."""
        if not hasattr(self._local, "request"):
            self._local.request = self._make_request()
        request: Request = self._local.request
        return request


def load_network(
    path: str | Path, *, runtime: Runtime = "openvino", workers: int = 1, device: Device = "any"
) -> Network:
    """Load a model file.

    Args:
        workers: threads that will call ``run`` at the same time.
        device: what ONNX Runtime runs it on; OpenVINO runs it on the CPU.
    Raises:
        BadModel: if the file is damaged, is not ours, or holds another network than its card says.
        BadOption: if the runtime is unknown or not installed.
    """
    card = read_card(path)
    if runtime == "openvino":
        return _load_openvino(str(path), card, workers)
    if runtime == "onnxruntime":
        return _load_onnxruntime(str(path), card, device)
    raise BadOption(f"--runtime {runtime} is unknown: wanted {' or '.join(RUNTIMES)}")


def find_device(runtime: Runtime) -> Device:
    """What a network runs on here, if nothing else is said."""
    if runtime != "onnxruntime" or find_spec("onnxruntime") is None:
        return "cpu"
    import onnxruntime

    return "cuda" if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else "cpu"


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
        outputs = {_openvino_name(port): _openvino_shape(port) for port in model.outputs}
        _check_graph(path, card, inputs, outputs)
        order = _order(card, list(outputs))
        sides = [-1, -1] if _is_free(card) else [card.window, card.window]
        model.reshape([1, len(card.bands), *sides])
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise BadModel(f"{path} cannot be run by OpenVINO: {_first_line(error)}") from error

    def make_request() -> Request:
        request = compiled.create_infer_request()

        def infer(window: Planes) -> Outputs:
            answer = request.infer([window], share_inputs=True, share_outputs=True)
            return tuple(answer[i] for i in order)

        return infer

    # OpenVINO sets up its table of types at the first call; two threads that come first together wait for ever.
    make_request()(np.zeros((1, len(card.bands), card.window, card.window), np.float32))
    return Network(card, make_request)


def _load_onnxruntime(path: str, card: Card, device: Device) -> Network:
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
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise BadOption("ONNX Runtime has no CUDA here: pip install onnxruntime-gpu in the place of onnxruntime")
    if has_cuda and device != "cpu":
        # TF32 keeps 10 of 23 bits; a search for the fastest convolution may choose another one on each run.
        providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}))
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # its errors share no base class of their own
        raise BadModel(f"{path} cannot be run by ONNX Runtime: {_first_line(error)}") from error
    inputs = [_onnxruntime_shape(port) for port in session.get_inputs()]
    outputs = {port.name: _onnxruntime_shape(port) for port in session.get_outputs()}
    _check_graph(path, card, inputs, outputs)
    name = session.get_inputs()[0].name
    order = _order(card, list(outputs))

    def infer(window: Planes) -> Outputs:
        answer = session.run(None, {name: window})
        return tuple(answer[i] for i in order)

    return Network(card, lambda: infer)


def _openvino_shape(port: Any) -> Shape:
    return tuple(axis.get_length() if axis.is_static else None for axis in port.get_partial_shape())


def _onnxruntime_shape(port: Any) -> Shape:
    return tuple(axis if isinstance(axis, int) else None for axis in port.shape)


def _openvino_name(port: Any) -> str:
    """The name that the file gives an output; OpenVINO may add others of its own."""
    return min(port.get_names(), key=lambda name: (":" in name, len(name), name), default="")


def _check_graph(path: str, card: Card, inputs: list[Shape], outputs: dict[str, Shape]) -> None:
    """BadModel where the network is not the one that its card describes."""
    side = None if _is_free(card) else card.window
    _check_shapes(path, "input", inputs, (1, len(card.bands), side, side))
    if card.task != "detections":
        sides = (None, None) if card.task == "classes" else (side, side)
        _check_shapes(path, "output", list(outputs.values()), (1, card.channels, *sides))
    elif set(outputs) != set(OUTPUTS["detections"]):
        raise BadModel(
            f"{path} does not match its card: outputs are {', '.join(outputs)}, "
            f"wanted {', '.join(OUTPUTS['detections'])}"
        )


def _check_shapes(path: str, what: str, shapes: list[Shape], wanted: Shape) -> None:
    found = shapes[0] if len(shapes) == 1 else ()
    if len(found) != len(wanted) or any(
        None not in (axis, want) and axis != want for axis, want in zip(found, wanted, strict=True)
    ):
        raise BadModel(
            f"{path} does not match its card: {what} is {' and '.join(map(_show, shapes))}, wanted {_show(wanted)}"
        )


def _is_free(card: Card) -> bool:
    """Whether the network takes images of several sizes."""
    return card.task == "classes" and card.stride < card.window


def _order(card: Card, names: list[str]) -> list[int]:
    """Where each of ``OUTPUTS`` stands among the outputs of the file."""
    return [names.index(name) for name in OUTPUTS["detections"]] if card.task == "detections" else [0]


def _show(shape: Shape) -> str:
    return "x".join("?" if axis is None else str(axis) for axis in shape)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
