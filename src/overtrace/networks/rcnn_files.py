"""Weights of Mask R-CNN from their owners' files: detectron2's, detectree2's, and torchvision's backbones."""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from overtrace.errors import BadModel
from overtrace.networks.mask_rcnn import IMAGENET, R50, MaskRcnn, Settings

Weights = dict[str, Tensor]
NAMED = 3
"""Weights that an error names before it counts the rest."""
MASKS = "roi_heads.mask_head.predictor.weight"
BLOCK = re.compile(r"backbone\.bottom_up\.res([2-5])\.(\d+)\.conv1\.weight")
# Newer checkpoints lack them, because the configuration has them as well.
OPTIONAL = re.compile(r"pixel_mean|pixel_std|proposal_generator\.anchor_generator\.cell_anchors\.\d")


def open_detectron2(path: str | Path, settings: Settings = R50) -> MaskRcnn:
    """The network that a checkpoint of detectron2 or detectree2 holds, ready to detect.

    Args:
        path: a ``.pth`` of ``torch.save``, or a ``.pkl`` of detectron2's model zoo.
        settings: what the file does not tell: anchors, thresholds, order of the bands. Classes, depth and norm are the
            file's.
    Raises:
        BadModel: if it is none, or does not fit.
    """
    weights = _read(path)
    if MASKS not in weights:
        raise BadModel(f"{path} has no {MASKS}: wanted a Mask R-CNN of detectron2 or detectree2")
    places = [match.groups() for match in map(BLOCK.fullmatch, weights) if match]
    first, second, third, fourth = (sum(stage == wanted for stage, _ in places) for wanted in "2345")
    learns_norm = any(name.endswith("num_batches_tracked") for name in weights)
    network = MaskRcnn(
        replace(
            settings,
            classes=len(weights[MASKS]),
            blocks=(first, second, third, fourth),
            norm="batch" if learns_norm else "frozen",
        )
    )
    _fill(network, weights, path)
    return network.eval()


def load_detectron2(network: MaskRcnn, path: str | Path) -> None:
    """Fill the network with the weights of a checkpoint of detectron2 or detectree2.

    Mean, deviation and anchors are the file's where it has them.

    Raises:
        BadModel: if the file holds other weights than the network, or weights of another shape.
    """
    _fill(network, _read(path), path)


def load_imagenet(network: MaskRcnn, path: str | Path) -> None:
    """Fill the bottom-up with a residual network of torchvision's layout; the classifier is left out.

    Raises:
        BadModel: if the file holds something else, or if the network's bands and strides are not those of ``IMAGENET``.
    """
    for field in ("pixel_mean", "pixel_std", "bgr", "stride_in_1x1"):
        wanted = getattr(IMAGENET, field)
        if getattr(network.settings, field) != wanted:
            raise BadModel(f"{path} was trained with {field} = {wanted}: build the network from the settings IMAGENET")
    bottom_up = network.backbone.bottom_up
    names = bottom_up.state_dict().keys()
    renamed = {_detectron2_name(name): value for name, value in _read(path).items() if not name.startswith("fc.")}
    # Counts of batches steer nothing; torchvision's older files lack them, and frozen norms have none.
    counts = {name: torch.tensor(0) for name in names if name.endswith("num_batches_tracked")}
    weights = {name: value for name, value in renamed.items() if not name.endswith("num_batches_tracked")}
    _fill(bottom_up, weights | counts, path)


def _detectron2_name(name: str) -> str:
    name = re.sub(r"^layer(\d)", lambda match: f"res{int(match[1]) + 1}", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    name = re.sub(r"\bbn(\d)", r"conv\1.norm", name)
    return name if name.startswith("res") else f"stem.{name}"


def _fill(network: torch.nn.Module, weights: Weights, path: str | Path) -> None:
    wanted = network.state_dict()
    weights = {name: value for name, value in wanted.items() if OPTIONAL.fullmatch(name)} | weights
    missing = [name for name in wanted if name not in weights]
    foreign = [name for name in weights if name not in wanted]
    reshaped = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in weights and weights[name].shape != value.shape
    ]
    faults = [("lacks", missing), ("has", reshaped), ("holds the unknown", foreign)]
    if any(names for _, names in faults):
        raise BadModel(f"{path} does not fit: it " + ", it ".join(f"{verb} {_list(n)}" for verb, n in faults if n))
    network.load_state_dict(weights)


def _list(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def unpickle(path: str | Path) -> Any:
    """What a ``.pkl`` of numpy or any file of ``torch.save`` holds; nothing that it asks for is run.

    Raises:
        Exception: nearly any, if it is no such file, or holds more than tensors, arrays and plain values.
    """
    return _read_numpy(path) if Path(path).suffix == ".pkl" else _read_torch(path)


def _read(path: str | Path) -> Weights:
    try:
        content = unpickle(path)
    except OSError as error:
        raise BadModel(f"{path} cannot be read: {error.strerror}") from error
    # Bytes that are no checkpoint make an unpickler raise nearly anything.
    except Exception as error:
        raise BadModel(f"{path} is not a checkpoint of weights alone: wanted a .pth or .pkl of detectron2") from error
    weights = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise BadModel(f"{path} holds no weights by name: wanted a .pth or .pkl of detectron2")
    arrays = {name: torch.as_tensor(value) for name, value in weights.items() if isinstance(value, Tensor | np.ndarray)}
    if len(arrays) < len(weights) or not all(isinstance(name, str) for name in arrays):
        raise BadModel(f"{path} holds more than weights by name: wanted a .pth or .pkl of detectron2")
    return arrays


_REBUILD: Any = np.zeros(0).__reduce__()[0]
_SCALAR: Any = np.float64(0).__reduce__()[0]
_NUMPY = {"_reconstruct": _REBUILD, "scalar": _SCALAR, "ndarray": np.ndarray, "dtype": np.dtype}


def _read_torch(path: str | Path) -> Any:
    # Optimisers and schedulers, which are not used, may keep their state in numpy's numbers.
    kinds = [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]
    names: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [np.ndarray, np.dtype, *kinds]
    for package in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names += [(_REBUILD, f"{package}._reconstruct"), (_SCALAR, f"{package}.scalar")]
    with torch.serialization.safe_globals(names):
        return torch.load(path, map_location="cpu", weights_only=True)


def _read_numpy(path: str | Path) -> Any:
    with open(path, "rb") as file:
        return _NumpyOnly(file, encoding="latin1").load()


class _NumpyOnly(pickle.Unpickler):
    """Reads arrays and plain values, and runs nothing that a file asks for."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module_name, global_name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode(encoding)
        if module_name.split(".")[0] == "numpy" and global_name in _NUMPY:
            return _NUMPY[global_name]
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not an array")
