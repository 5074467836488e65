"""The network of a recipe, and what it loses on a batch."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from overtrace.errors import BadModel, BadOption
from overtrace.learn.crops import Batch
from overtrace.learn.losses import planes_loss
from overtrace.learn.model_starts import is_model_file, load_model_file
from overtrace.learn.recipe import (
    FpnNetwork,
    MaskRcnnNetwork,
    MiniNetwork,
    PlanesNetwork,
    Recipe,
    SceneNetwork,
    TernausNetwork,
    UnetNetwork,
)
from overtrace.learn.scene_loss import scene_loss
from overtrace.learn.together import everywhere
from overtrace.models.shipped import find_model, has_model
from overtrace.networks.convnext import ConvNeXt, load_torchvision
from overtrace.networks.efficientnet_lite import EfficientNetLite0, load_pretrained
from overtrace.networks.fpn import Fpn
from overtrace.networks.mask_rcnn import IMAGENET, R50, MaskRcnn, Settings, Target
from overtrace.networks.mini import DeepMini, Mini
from overtrace.networks.rcnn_files import load_detectron2, load_imagenet, unpickle
from overtrace.networks.scene import Scene
from overtrace.networks.ternausnet_v2 import TernausNetV2, load_ternausnet
from overtrace.networks.unet import Unet

Losses = dict[str, torch.Tensor]


def make_network(recipe: Recipe, bands: int, classes: int, folder: Path) -> nn.Module:
    """The network of a recipe, before its first step; random weights come from the recipe's seed.

    Args:
        folder: of data, from which a checkpoint to start from is named.
    Raises:
        BadModel: if that does not fit.
        BadOption: if the recipe asks for what the network does not have.
    """
    torch.manual_seed(recipe.seed)
    starts = find_starts(recipe, folder)
    network = _make(recipe, bands, classes, starts[0] if starts else None)
    return network if len(starts) < 2 else _load_mean(network, starts)


def find_starts(recipe: Recipe, folder: Path) -> list[Path]:
    """The files that the network of a recipe starts from: checkpoints, or one model file, perhaps by its name.

    Raises:
        BadModel: if there is no such file.
    """
    told = recipe.network.start
    names = [name for name in ([told] if isinstance(told, str) else told) if name]
    starts = [find_model(name) if has_model(name) else folder / name for name in names]
    for start in starts:
        if not start.is_file():
            raise BadModel(f"{start} does not exist: network.start names a checkpoint, from the folder of --data")
    if len(starts) > 1 and any(map(is_model_file, starts)):
        raise BadModel("network.start names several files, and a model file among them: the mean is of checkpoints")
    return starts


def starts_from_model_file(recipe: Recipe) -> bool:
    """Whether the network of a recipe starts from a model file, so that its normalisations want ``settle``."""
    told = recipe.network.start
    return isinstance(told, str) and bool(told) and (is_model_file(Path(told)) or has_model(told))


def _load_mean(network: nn.Module, paths: Sequence[Path]) -> nn.Module:
    """A network with the mean of the averaged weights of several runs of ours; counts are those of the first."""
    first, *others = [copy.deepcopy(load_own(network, path).state_dict()) for path in paths]
    for name, value in first.items():
        if value.is_floating_point():
            first[name] = torch.stack([value, *(other[name] for other in others)]).mean(0)
    network.load_state_dict(first)
    return network


def _make(recipe: Recipe, bands: int, classes: int, start: Path | None) -> nn.Module:
    """The network of a recipe, with weights from a checkpoint where there is one."""
    choice = recipe.network
    if isinstance(choice, MiniNetwork):
        return load_own(Mini(choice.size, bands, len(choice.planes)), start)
    if isinstance(choice, UnetNetwork):
        return load_own(Unet(bands, len(choice.planes), choice.widths, choice.blocks), start)
    if isinstance(choice, FpnNetwork):
        if choice.index and bands < 4:
            raise BadOption(f"network.index: images have {bands} bands: the fourth is wanted, near infrared")
        fpn = Fpn(bands, len(choice.planes), detail=choice.detail, index=choice.index)
        if choice.pretrained:
            load_pretrained(fpn.encoder)
        return load_own(fpn, start)
    if isinstance(choice, TernausNetwork):
        if start is None or is_own(start):
            return load_own(TernausNetV2(bands, width=choice.width), start)
        return load_ternausnet(start, abs_weight=choice.abs_weight)
    if isinstance(choice, SceneNetwork):
        return _make_scene(choice, classes, start)
    if start is None or is_own(start):
        return load_own(MaskRcnn(_settings(R50, choice, classes)), start)
    known = is_detectron2(start)
    network = MaskRcnn(_settings(R50 if known else IMAGENET, choice, classes))
    (load_detectron2 if known else load_imagenet)(network, start)
    return network


def prepare(recipe: Recipe, network: nn.Module) -> nn.Module:
    """The network as it learns: itself, or with what only learning needs around it; its weights are the same ones."""
    choice = recipe.network
    if not isinstance(choice, MiniNetwork) or not choice.deep:
        return network
    assert isinstance(network, Mini)
    torch.manual_seed(recipe.seed)
    return DeepMini(network, len(choice.planes))


def _make_scene(choice: SceneNetwork, classes: int, start: Path | None) -> nn.Module:
    if choice.class_weights and len(choice.class_weights) != classes:
        raise BadOption(f"network.class_weights has {len(choice.class_weights)} numbers: wanted {classes}, one a class")
    network = Scene(classes, choice.size)
    encoder = network.encoder
    if choice.pretrained:
        if not isinstance(encoder, EfficientNetLite0):
            raise BadOption(f"network.pretrained: there are no weights for size {choice.size}: use lite0, or start")
        load_pretrained(encoder)
    if start is None or is_own(start) or not isinstance(encoder, ConvNeXt):
        return load_own(network, start)
    load_torchvision(encoder, start)
    return network


def _settings(base: Settings, choice: MaskRcnnNetwork, classes: int) -> Settings:
    told: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in choice.settings.items()
    }
    told.setdefault("classes", classes)
    try:
        return replace(base, **told)
    except TypeError as error:
        raise BadOption(f"network.settings: {error}: see networks.rcnn_settings.Settings") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a file of weights holds.

    Raises:
        BadModel: if it cannot be read, or holds more than weights.
    """
    try:
        held = unpickle(path)
    except Exception as error:  # zip, pickle and torch each raise their own
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadModel(f"{path} cannot be read as a checkpoint: {reason}") from error
    if not isinstance(held, dict):
        raise BadModel(f"{path} holds {type(held).__name__}: wanted a dictionary of weights")
    return held


def is_own(path: Path) -> bool:
    """Whether a file is a checkpoint of a run of ours, or a model file."""
    return is_model_file(path) or {"average", "recipe"} <= read_checkpoint(path).keys()


def is_detectron2(path: Path) -> bool:
    """Whether a checkpoint is laid out as detectron2's."""
    held = read_checkpoint(path)
    return any(key.startswith("backbone.") for key in held.get("model", held))


def load_own(network: nn.Module, path: Path | None) -> nn.Module:
    """A network with the averaged weights of a run of ours, or those of a model file; as it is where there is no path.

    Raises:
        BadModel: if they are those of another network.
    """
    if path is None:
        return network
    if is_model_file(path):
        load_model_file(network, path)
        return network
    held = read_checkpoint(path)
    try:
        network.load_state_dict(held["average"])
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadModel(f"{path} does not fit the network of the recipe: {reason}") from error
    return network


def compute_losses(recipe: Recipe, network: nn.Module, batch: Batch, share: float = 0.0) -> Losses:
    """What a network loses on a batch, by part; their sum is what it learns from.

    Args:
        share: of the schedule that is behind it.
    """
    image = batch["image"].to(memory_format=torch.channels_last)
    if recipe.task == "planes":
        return _lose_planes(recipe, network(image), batch, share)
    if recipe.task == "classes":
        assert isinstance(recipe.network, SceneNetwork)
        weights = image.new_tensor(recipe.network.class_weights) if recipe.network.class_weights else None
        region = recipe.network.region if share >= recipe.network.region_from else "none"
        wrong, weight = scene_loss(network(image), batch["classes"], weights, region, recipe.network.region_over)
        return {"classes": everywhere(wrong) / everywhere(weight).clamp(min=1)}
    targets = make_targets(batch["masks"], batch["kinds"], batch["ignore"])
    losses: Losses = network.losses(image, targets)  # type: ignore[operator]
    return losses


def shrink(planes: torch.Tensor, known: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Planes and what is known of them at larger pixels: the mean of what is known, and how much that is.

    Args:
        planes, known: (N, 3, H, W).
    """
    share = avg_pool2d(known, factor)
    return avg_pool2d(planes * known, factor) / share.clamp(min=1e-6), share


def _lose_planes(recipe: Recipe, answer: torch.Tensor | Sequence[torch.Tensor], batch: Batch, share: float) -> Losses:
    """Of the answer, and of those at larger pixels where a network has them while it learns."""
    choice, weights = recipe.network, recipe.planes
    assert isinstance(choice, PlanesNetwork)
    logits, *coarse = (answer,) if isinstance(answer, torch.Tensor) else answer
    wrong = planes_loss(
        logits,
        choice.planes,
        batch["planes"],
        batch["known"],
        weights,
        inside_weight=batch.get("inside_weight"),
        region=share > weights.lovasz_from,
    )
    parts = {"planes": wrong}
    for larger in coarse:
        assert isinstance(choice, MiniNetwork)
        factor = logits.shape[-1] // larger.shape[-1]
        planes, known = shrink(batch["planes"], batch["known"], factor)
        parts[f"planes x {factor}"] = choice.deep * planes_loss(larger, choice.planes, planes, known, weights)
    return parts


def make_targets(masks: Sequence[torch.Tensor], kinds: Sequence[torch.Tensor], ignore: torch.Tensor) -> list[Target]:
    """The truth of a detector.

    Args:
        masks: for each image (n, H, W) uint8.
        kinds: for each image (n,).
        ignore: (N, H, W) bool.
    """
    return [
        Target(boxes=enclose(mask), classes=kind, masks=mask, ignore=unknown)
        for mask, kind, unknown in zip(masks, kinds, ignore, strict=True)
    ]


def enclose(masks: torch.Tensor) -> torch.Tensor:
    """(n, 4) left, top, right, bottom of (n, H, W) masks, corner convention."""
    if not len(masks):
        return torch.zeros(0, 4, device=masks.device)
    across, down = masks.any(1).int(), masks.any(2).int()
    left, top = across.argmax(1), down.argmax(1)
    right = masks.shape[2] - across.flip(1).argmax(1)
    bottom = masks.shape[1] - down.flip(1).argmax(1)
    return torch.stack([left, top, right, bottom], 1).float()
