"""A user's own ONNX file as a model file: wrapped in the nodes that it lacks, and run to see that it keeps its word.

``overtrace.models.description`` says how the file differs from a model file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadModel, BadOption
from overtrace.models.card import Card, write_card
from overtrace.models.description import Description, Input, Layout
from overtrace.models.metadata import read_metadata
from overtrace.models.wrapping import OLDEST_OPSET, Port, Steps, append, free_names, own, prepend

if TYPE_CHECKING:
    import onnx

Answers = Mapping[str, NDArray[Any]]

DETECTIONS = ("boxes", "scores", "classes", "masks")
TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
LARGEST_FILE = 2**31 - 1
SLACK = 1e-3


def adapt_onnx(source: Path, description: Description, target: Path) -> Card:
    """Write a model file from a user's ONNX file: wrapped as described, run on noise, and with a card.

    Raises:
        BadOption: if the package onnx is not installed.
        BadModel: if the file cannot be read or run, or answers otherwise than described.
    """
    card = description.card
    model = _wrap_input(source, free_names(_load(source)), description)
    model = _wrap_output(source, model, description, _run(source, model, card, card.window))
    if card.task == "classes" and model.graph.input[0].type.tensor_type.shape.dim[3].dim_value:
        card = card.model_copy(update={"stride": card.window})
    width = card.window - card.stride if card.task == "classes" and card.window > card.stride else card.window
    _check_answers(source, card, _run(source, model, card, width))
    bare = target.with_name(f".{target.name}.bare")
    try:
        bare.write_bytes(model.SerializeToString())
        write_card(bare, card, target)
    finally:
        bare.unlink(missing_ok=True)
    return card


def _load(source: Path) -> "onnx.ModelProto":
    try:
        import onnx
    except ImportError as error:
        raise BadOption("onnx is not installed: pip install 'overtrace[train]'") from error
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    read_metadata(source)
    if source.stat().st_size > LARGEST_FILE:
        raise BadModel(f"{source} is larger than 2 GB, the limit of one ONNX file: export it in half precision")
    try:
        model = onnx.load(source, load_external_data=False)
    except DecodeError as error:
        raise BadModel(f"{source} is no ONNX file, or one that was cut short: copy or download it again") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise BadModel(f"{source} keeps its weights in other files: make it one with onnx.save(onnx.load(FILE), NEW)")
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise BadModel(f"{source} is of opset {opset}: export it again with {OLDEST_OPSET} or later")
    return model


def _wrap_input(source: Path, model: "onnx.ModelProto", description: Description) -> "onnx.ModelProto":
    """The model with the input of a model file, and its own outputs."""
    card, given = description.card, description.input
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise BadModel(f"{source} takes {len(inputs)} inputs: wanted one, the image")
    kind = inputs[0].type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    wanted = _arrange((1, len(card.bands), card.window, card.window), given.layout)
    if len(shape) != 4 or any(length not in (None, want) for length, want in zip(shape, wanted, strict=True)):
        raise BadModel(f"{source} takes {_show(shape)}, not {_show(wanted)}: correct bands, window or input.layout")
    steps = Steps("before")
    steps.finish(_add_input(steps, given, kind.elem_type), inputs[0].name)
    # A map of classes may be of any size; where height or width is fixed, both are.
    rows, columns = shape[1:3] if given.layout == "nhwc" else shape[2:]
    is_free = card.task == "classes" and rows is columns is None
    sides = ("height", "width") if is_free else (card.window, card.window)
    return prepend(model, steps, {"image": (np.float32, (1, len(card.bands), *sides))})


def _add_input(steps: Steps, given: Input, element_type: int) -> str:
    """Steps from ``image`` to what the file takes."""
    from onnx import TensorProto

    value = "image"
    if given.order == "bgr":
        value = steps.add("Gather", value, steps.constant(np.array([2, 1, 0])), axis=1)
    if given.scale != 1:
        value = steps.add("Mul", value, steps.constant(_column([given.scale])))
    if any(given.mean):
        value = steps.add("Sub", value, steps.constant(_column(given.mean)))
    if set(given.std) != {1.0}:
        value = steps.add("Div", value, steps.constant(_column(given.std)))
    if given.layout == "nhwc":
        value = steps.add("Transpose", value, perm=TO_NHWC)
    if element_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        # A cast to integers cuts: 126.9999 would become 126.
        value = steps.add("Round", value)
    return steps.add("Cast", value, to=element_type)


def _wrap_output(
    source: Path, model: "onnx.ModelProto", description: Description, answers: Answers
) -> "onnx.ModelProto":
    """The model with the outputs of its task.

    Args:
        answers: what its own outputs say.
    """
    steps = Steps("after")
    add = _add_detections if description.card.task == "detections" else _add_map
    outputs = add(source, steps, description, answers)
    return append(model, steps, outputs)


def _add_map(source: Path, steps: Steps, description: Description, answers: Answers) -> dict[str, Port]:
    """Steps to planes or to classes."""
    card, told = description.card, description.output
    if told.name is None and len(answers) > 1:
        raise BadModel(f"{source} answers {_show_all(answers)}: say which is wanted, as output.name")
    name = next(iter(answers)) if told.name is None else _find(source, answers, told.name)
    shape = answers[name].shape
    channels = shape[3 if told.layout == "nhwc" else 1] if len(shape) == 4 else 0
    least = max(told.planes.values(), default=0) + 1
    if channels < least if card.task == "planes" else channels != len(card.classes):
        wanted = f"{least} or more channels" if card.task == "planes" else f"{len(card.classes)} channels, one a class"
        raise BadModel(f"{source} answers {_show(shape)}: wanted {_arrange_words(told.layout)} with {wanted}")
    value = steps.cast(name, np.float32)
    if told.layout == "nchw":
        value = steps.add("Transpose", value, perm=TO_NHWC)
    value = _activate(steps, value, told.activation)
    if card.task == "planes":
        value = steps.add("Gather", value, steps.constant(np.array(list(told.planes.values()))), axis=3)
    steps.finish(steps.add("Transpose", value, perm=TO_NCHW), card.task)
    sides = (card.window, card.window) if card.task == "planes" else ("rows", "columns")
    return {card.task: (np.float32, (1, card.channels, *sides))}


def _add_detections(source: Path, steps: Steps, description: Description, answers: Answers) -> dict[str, Port]:
    """Steps to boxes, scores, classes and masks, the best first; an axis for the images of a batch falls away."""
    told = description.output
    boxes, scores, classes, masks = (
        _find(source, answers, name) for name in (told.boxes, told.scores, told.classes, told.masks)
    )
    sides = answers[masks].shape[-2:]
    if len(sides) < 2 or sides[0] != sides[1] or sides[0] >= description.card.window:
        raise BadModel(f"{source} has masks {_show(answers[masks].shape)}: wanted a square over each box, as 28x28")
    first_class = steps.constant(np.array([told.first_class], np.float32))
    values = {
        "boxes": _rows(steps, boxes, (4,)),
        "scores": _rows(steps, scores, ()),
        "classes": steps.cast(steps.add("Sub", _rows(steps, classes, ()), first_class), np.int64),
        "masks": _activate(steps, _rows(steps, masks, sides), told.activation),
    }
    order = steps.rank(values["scores"])
    for name, value in values.items():
        steps.finish(steps.add("Gather", value, order, axis=0), name)
    return {
        "boxes": (np.float32, ("found", 4)),
        "scores": (np.float32, ("found",)),
        "classes": (np.int64, ("found",)),
        "masks": (np.float32, ("found", *sides)),
    }


def _rows(steps: Steps, value: str, shape: Sequence[int]) -> str:
    """Step to (n, *shape) float32."""
    return steps.add("Reshape", steps.cast(value, np.float32), steps.constant(np.array([-1, *shape])))


def _activate(steps: Steps, value: str, activation: str) -> str:
    """Step to probabilities; channels are the last of four axes, as old opsets have their softmax there alone."""
    if activation == "none":
        return value
    return steps.add("Sigmoid", value) if activation == "sigmoid" else steps.add("Softmax", value, axis=3)


def _find(source: Path, answers: Answers, name: str) -> str:
    """The name that an output has by now."""
    if own(name) not in answers:
        raise BadModel(f"{source} has no output {name}, but {_show_all(answers)}: correct the names under [output]")
    return own(name)


def _run(source: Path, model: "onnx.ModelProto", card: Card, width: int) -> dict[str, NDArray[Any]]:
    """What a model says of noise, by the names of its outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    image = np.random.default_rng(0).random((1, len(card.bands), card.window, width), dtype=np.float32)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        values = session.run(None, {"image": image})
    except Exception as error:  # its errors share no base class of their own
        raise BadModel(f"{source} cannot be run on {_show(image.shape)}: {_first_line(error)}") from error
    return {output.name: value for output, value in zip(session.get_outputs(), values, strict=True)}


def _check_answers(source: Path, card: Card, answers: Answers) -> None:
    """BadModel where the answers to noise are not those of the task."""
    if card.task == "detections":
        _check_detections(source, card, answers)
        return
    answer = answers[card.task]
    if not np.isfinite(answer).all():
        raise BadModel(f"{source} answers with values that are no numbers: it may need another input.scale")
    if card.task == "planes":
        wanted = (1, card.channels, card.window, card.window)
        if answer.shape != wanted:
            raise BadModel(f"{source} answers {_show(answer.shape)}: wanted {_show(wanted)}, the window's own pixels")
        _check_range(source, "planes", answer)


def _check_detections(source: Path, card: Card, answers: Answers) -> None:
    boxes, scores, classes, masks = (answers[name] for name in DETECTIONS)
    if len({len(boxes), len(scores), len(classes), len(masks)}) > 1:
        raise BadModel(f"{source} answers {_show_all(answers)}: wanted as many boxes as scores, classes and masks")
    _check_range(source, "masks", masks)
    _check_range(source, "scores", scores)
    if classes.size and not 0 <= classes.min() <= classes.max() < len(card.classes):
        raise BadModel(
            f"{source} answers classes {classes.min()} to {classes.max()}, not 0 to {len(card.classes) - 1}: "
            "correct classes or output.first_class"
        )


def _check_range(source: Path, what: str, values: NDArray[Any]) -> None:
    if values.size and not -SLACK <= values.min() <= values.max() <= 1 + SLACK:
        remedy = "export it with probabilities" if what == "scores" else "correct output.activation"
        raise BadModel(f"{source} has {what} from {values.min():.3g} to {values.max():.3g}, not 0 to 1: {remedy}")


def _arrange(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """Images, channels, rows, columns in the order of a layout."""
    return tuple(shape[axis] for axis in (TO_NHWC if layout == "nhwc" else range(4)))


def _arrange_words(layout: Layout) -> str:
    return "1 x rows x columns x channels" if layout == "nhwc" else "1 x channels x rows x columns"


def _column(values: Sequence[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def _show(shape: Sequence[int | None]) -> str:
    return "x".join("?" if length is None else str(length) for length in shape) or "one number"


def _show_all(answers: Answers) -> str:
    return ", ".join(f"{name.removeprefix('own/')} {_show(value.shape)}" for name, value in answers.items())


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
