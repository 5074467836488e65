"""Models of the ``transformers`` library (SegFormer, Mask2Former, EoMT) as model files.

SegFormer answers with classes. The other two answer with queries, each a mask and the probabilities of its class: their
sum over all queries is a map of classes, and each alone is a detection; the user says which is wanted.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from overtrace.errors import BadModel, BadOption
from overtrace.learn.export import OPSET
from overtrace.models.card import Card, write_card
from overtrace.models.description import make_card

HUB = "hub:"
Task = Literal["classes", "detections"]
OUTPUTS = {"classes": ["classes"], "detections": ["boxes", "scores", "classes", "masks"]}

IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
MASK_CELLS = 56
WINDOW, STRIDE = 512, 32
# Attention to where a mask is above its threshold may jump by a rounding error: few values differ, not their mean.
ALLOWED_DIFFERENCE = 1e-3


class SemanticLogits(nn.Module):
    """``image`` 0..1 -> logits (N, classes, H/4, W/4) of a SegFormer."""

    def __init__(self, model: nn.Module, facts: dict[str, Any]) -> None:
        super().__init__()
        self.normalise = Normalise(facts)
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=self.normalise(image)).logits
        return logits


class QueryModel(nn.Module):
    """``image`` 0..1 -> what the queries of a Mask2Former or an EoMT say, as classes or as detections."""

    def __init__(self, model: nn.Module, facts: dict[str, Any], task: Task) -> None:
        super().__init__()
        self.normalise = Normalise(facts)
        self.model = model
        self.task = task

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor, Tensor]:
        answer = self.model(pixel_values=self.normalise(image))
        classes, masks, size = answer.class_queries_logits, answer.masks_queries_logits, image.shape[-2:]
        if self.task == "classes":
            return queries_to_classes(classes, masks, size)
        return queries_to_detections(classes[0], masks[0], size)


class Normalise(nn.Module):
    """From 0..1 to what a model was trained on, by its ``preprocessor_config.json``."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__()
        facts = {"do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255, **IMAGENET, **facts}
        self.scale = 255 * facts["rescale_factor"] if facts["do_rescale"] else 255.0
        mean, std = (facts["image_mean"], facts["image_std"]) if facts["do_normalize"] else (0.0, 1.0)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.as_tensor(mean).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.as_tensor(std).reshape(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image * self.scale - self.mean) / self.std


def queries_to_classes(classes: Tensor, masks: Tensor, size: Sequence[int]) -> Tensor:
    """Scores of the classes at each pixel: what each query says of its class, where it says that its mask is.

    Args:
        classes: (N, queries, classes + 1) logits; the last means no object.
        masks: (N, queries, h, w) logits.
        size: height and width of the image.
    Returns:
        (N, classes, height, width)
    Source:
        Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, CVPR 2022, arXiv 2112.01527,
        with the masks brought to the size of the image before the sigmoid
    """
    masks = functional.interpolate(masks, size=size, mode="bilinear", align_corners=False).sigmoid()
    return torch.einsum("nqc,nqhw->nchw", classes.softmax(dim=-1)[..., :-1], masks)


def queries_to_detections(classes: Tensor, masks: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One detection a query, the best first; a query without a mask has a score of 0.

    The score is the probability of the best class times the mean probability of the mask where it is above 0.5.

    Args:
        classes: (queries, classes + 1) logits; the last means no object.
        masks: (queries, h, w) logits.
        size: height and width of the image.
    Returns:
        boxes (queries, 4), scores (queries,), classes (queries,) and masks (queries, 56, 56) over the boxes.
    """
    height, width = size
    fine = functional.interpolate(masks[None], size=size, mode="bilinear", align_corners=False)[0]
    inside = (fine > 0).to(fine)
    area = inside.sum(dim=(1, 2))
    certainty = (fine.sigmoid() * inside).sum(dim=(1, 2)) / area.clamp(min=1)
    scores, best = classes.softmax(dim=-1)[:, :-1].max(dim=-1)
    scores, order = (scores * certainty).sort(descending=True)
    left, right = _extent(inside.amax(dim=1), width)
    top, bottom = _extent(inside.amax(dim=2), height)
    boxes = torch.stack([left, top, right, bottom], dim=1)[order]
    return boxes, scores, best[order], _over_boxes(masks[order], boxes, height, width)


def _extent(covered: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Where (queries, length) of 0 and 1 begins and ends to be 1; 0 and 0 where it never is."""
    place = torch.arange(length, dtype=covered.dtype)
    end = (covered * (place + 1)).amax(dim=1)
    begin = length - (covered * (length - place)).amax(dim=1)
    return torch.minimum(begin, end), end


def _over_boxes(masks: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """Probabilities at the centres of 56 x 56 cells of each box."""
    cells = (torch.arange(MASK_CELLS, dtype=boxes.dtype) + 0.5) / MASK_CELLS
    left, top, right, bottom = (side[:, None] for side in boxes.unbind(dim=1))
    x = 2 * (left + (right - left) * cells) / width - 1
    y = 2 * (top + (bottom - top) * cells) / height - 1
    grid = torch.stack([x[:, None, :].expand(-1, MASK_CELLS, -1), y[:, :, None].expand(-1, -1, MASK_CELLS)], dim=-1)
    sampled = functional.grid_sample(masks[:, None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[:, 0].sigmoid()


def load_transformers(source: str) -> tuple[Any, dict[str, Any]]:
    """A model of the library, and what its preprocessor says of it.

    Args:
        source: a folder that ``save_pretrained`` wrote, or ``hub:OWNER/NAME``; nothing is downloaded for the former.
    Raises:
        BadOption: if the library is not installed, or there is no such folder.
        BadModel: if the folder holds no model, or one of another architecture or without its head.
    """
    try:
        import transformers
    except ImportError as error:
        raise BadOption("transformers is not installed: pip install 'overtrace[transformers]'") from error
    is_local = not source.startswith(HUB)
    if is_local and not Path(source).is_dir():
        raise BadOption(f"{source} is no folder: give one that save_pretrained wrote, or {HUB}OWNER/NAME to download")
    name = source.removeprefix(HUB)
    kinds: dict[str, Any] = {
        "segformer": transformers.SegformerForSemanticSegmentation,
        "mask2former": transformers.Mask2FormerForUniversalSegmentation,
        "eomt": transformers.EomtForUniversalSegmentation,
        "eomt_dinov3": transformers.EomtDinov3ForUniversalSegmentation,
    }
    try:
        kind = transformers.AutoConfig.from_pretrained(name, local_files_only=is_local).model_type
        if kind not in kinds:
            raise BadModel(f"{source} holds a model of type {kind}: wanted {', '.join(kinds)}")
        # Attention in plain operations is exported alike from every version of torch.
        model, found = kinds[kind].from_pretrained(
            name, local_files_only=is_local, attn_implementation="eager", output_loading_info=True
        )
    except BadModel:
        raise
    except Exception as error:  # its errors share no base class of their own
        raise BadModel(f"{source} cannot be read as a model of transformers: {_first_line(error)}") from error
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise BadModel(f"{source} lacks {len(missing)} weights, such as {missing[0]}: it was saved without its head")
    return model.float().eval(), _preprocessor(name, is_local)


def _preprocessor(name: str, is_local: bool) -> dict[str, Any]:
    """What ``preprocessor_config.json`` says; the library's own reader of images would need torchvision."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        facts, _ = ImageProcessingMixin.get_image_processor_dict(name, local_files_only=is_local)
    except OSError:
        return {}
    return {key: value for key, value in facts.items() if value is not None}


def wrap(model: Any, facts: dict[str, Any], task: Task | None = None) -> tuple[nn.Module, Task]:
    """A network that takes ``image`` (1, 3, H, W) from 0 to 1 and answers as a model file does.

    Args:
        facts: of ``preprocessor_config.json``; what it lacks is as for ImageNet.
        task: which of the two answers of a model with queries.
    Raises:
        BadOption: if the model has no such answer, or has two and ``task`` says none.
    """
    kind = model.config.model_type
    if task not in (None, *OUTPUTS):
        raise BadOption(f"task is {task}: a model of type {kind} answers with classes or detections")
    if kind == "segformer":
        if task == "detections":
            raise BadOption("a segformer finds no single objects: leave task out, or use a mask2former or an eomt")
        return SemanticLogits(model, facts).eval(), "classes"
    if task is None:
        raise BadOption(f"a model of type {kind} answers in two ways: say as task either classes or detections")
    return QueryModel(model, facts, task).eval(), task


def export_transformers(source: str, entries: Mapping[str, Any], path: Path) -> Card:
    """Write the model file of a model of the library.

    Args:
        source: as in ``load_transformers``.
        entries: of the card; the licence, which is that of the weights, must be among them, and the task where the
            model does not settle it. Classes, name and window are the model's own unless told.
    Returns:
        The card that is in the file.
    Raises:
        BadOption: as in ``load_transformers``, ``wrap`` and ``make_card``; if window or bands do not fit the model.
        BadModel: as in ``load_transformers``; if a runtime answers otherwise than torch.
    """
    model, preprocessor = load_transformers(source)
    network, task = wrap(model, preprocessor, entries.get("task"))
    card = _card(source, model.config, {**entries, "task": task})
    bare = path.with_name(f".{path.name}.bare")
    try:
        _export(network, card, bare)
        _check_runtimes(network, card, bare)
        write_card(bare, card, path)
    finally:
        bare.unlink(missing_ok=True)
    return card


def _card(source: str, config: Any, entries: Mapping[str, Any]) -> Card:
    """The card of a model, from what it knows and what the user tells."""
    fixed: int | None = config.image_size if config.model_type.startswith("eomt") else None
    known = {
        "name": Path(source.removeprefix(HUB)).resolve().name,
        "classes": tuple(config.id2label[i] for i in sorted(config.id2label)),
        "window": fixed or WINDOW,
        "training": f"Not told; a {config.model_type} of the transformers library.",
        "recipe": f"exported from {source}",
        "summary": f"A {config.model_type} from {source}.",
    }
    card = make_card({**known, **entries}, source)
    if fixed and card.window != fixed:
        # An EoMT has an embedding for each place of one size of image.
        raise BadOption(f"window is {card.window}: this model sees {fixed} pixels, no more and no less")
    if card.window % STRIDE:
        raise BadOption(f"window is {card.window}: wanted a multiple of the stride, {STRIDE}")
    if card.task == "classes" and config.model_type != "segformer":
        card = card.model_copy(update={"stride": card.window})
    channels = config.backbone_config.num_channels if config.model_type == "mask2former" else config.num_channels
    if len(card.bands) != channels:
        raise BadOption(f"bands are {', '.join(card.bands)}: this model takes {channels}")
    if len(card.classes) != config.num_labels:
        raise BadOption(f"{len(card.classes)} classes are named: this model knows {config.num_labels}")
    return card


def _export(network: nn.Module, card: Card, path: Path) -> None:
    """Write the network without a card; a SegFormer takes images of any size, the others are drawn up for one."""
    axes = {"image": {2: "height", 3: "width"}, "classes": {2: "rows", 3: "columns"}}
    example = torch.zeros(1, len(card.bands), card.window, card.window)
    with warnings.catch_warnings():
        # The tracer warns of each size that it takes for constant, which it is where the window is fixed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=["image"],
            output_names=OUTPUTS[card.task],
            dynamic_axes=axes if isinstance(network, SemanticLogits) else None,
            opset_version=OPSET,
            dynamo=False,
        )
    onnx.save(_without_doubles(onnx.load(path)), path)


def _without_doubles(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same in single precision: the exporter computes ``linspace`` in doubles, which few runtimes take."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    attributes = [attribute for node in copy.graph.node for attribute in node.attribute]
    for tensor in [*copy.graph.initializer, *(attribute.t for attribute in attributes if attribute.HasField("t"))]:
        if tensor.data_type == TensorProto.DOUBLE:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    for node in copy.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.DOUBLE:
                attribute.i = TensorProto.FLOAT
    return copy


def _check_runtimes(network: nn.Module, card: Card, path: Path) -> None:
    """BadModel where a runtime answers otherwise than torch."""
    # Of another shape than the one that was exported, where that may be.
    width = card.window - STRIDE if isinstance(network, SemanticLogits) and card.window > STRIDE else card.window
    image = np.random.default_rng(0).random((1, len(card.bands), card.window, width), dtype=np.float32)
    with torch.no_grad():
        answer = network(torch.from_numpy(image))
    # What tells classes apart, or the scores: detections of nearly the same score may change places.
    wanted = (answer if card.task == "classes" else answer[1]).numpy()
    found = run_everywhere(path, image, "classes" if card.task == "classes" else "scores")
    for runtime, values in found.items():
        difference = float(np.abs(values - wanted).mean()) / max(1e-6, float(np.abs(wanted).max()))
        if not difference <= ALLOWED_DIFFERENCE:
            raise BadModel(
                f"{runtime} answers otherwise than torch, by {difference:.2g} on average: this model cannot be exported"
            )


def run_everywhere(path: Path, image: NDArray[np.float32], output: str) -> dict[str, NDArray[np.float32]]:
    """One output of a bare file in each runtime."""
    import onnxruntime
    import openvino

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {
        "ONNX Runtime": session.run([output], {"image": image})[0],
        "OpenVINO": compiled([image])[output],
    }


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
