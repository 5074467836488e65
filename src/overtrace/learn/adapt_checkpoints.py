"""Published checkpoints as model files: TernausNetV2's, and those of detectron2 and detectree2."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from overtrace.data.spacenet import COLOURS, SENSOR_BANDS
from overtrace.errors import BadOption
from overtrace.learn.export import export_network
from overtrace.learn.networks import is_detectron2
from overtrace.learn.ternaus_card import MARGIN, WINDOW, draft_card
from overtrace.models.card import Card, write_card
from overtrace.models.description import make_card
from overtrace.networks.rcnn_files import open_detectron2
from overtrace.networks.ternausnet_v2 import load_ternausnet


def export_checkpoint(source: Path, entries: Mapping[str, Any], path: Path) -> Card:
    """Write a model file from a published checkpoint.

    Args:
        entries: of the card; of TernausNetV2 only version, licence, attribution, training and summary may be told, and
            ``abs_weight = true`` for weights that were trained in place.
    Returns:
        The card that is in the file.
    Raises:
        BadModel: if the checkpoint is of neither kind.
        BadOption: if an entry is missing, unknown or makes no sense.
    """
    make = _open_detectron2 if is_detectron2(source) else _open_ternausnet
    network, card = make(source, dict(entries))
    bare = path.with_name(f".{path.name}.bare")
    try:
        export_network(network.eval(), card, bare)
        write_card(bare, card, path)
    finally:
        bare.unlink(missing_ok=True)
    return card


def _open_detectron2(source: Path, entries: dict[str, Any]) -> tuple[torch.nn.Module, Card]:
    network = open_detectron2(source)
    known = {
        "task": "detections",
        "name": source.stem,
        "window": 1024,
        "training": "Not told; a Mask R-CNN in detectron2's layout.",
        "summary": f"A Mask R-CNN from {source.name}.",
    }
    card = make_card({**known, **entries, "recipe": f"exported from {source.name}"}, source)
    if len(card.classes) != network.settings.classes:
        raise BadOption(
            f"{source} knows {network.settings.classes} classes, the card names {len(card.classes)}: name each"
        )
    return network, card


def _open_ternausnet(source: Path, entries: dict[str, Any]) -> tuple[torch.nn.Module, Card]:
    network = load_ternausnet(source, abs_weight=bool(entries.pop("abs_weight", False)))
    bands = COLOURS + SENSOR_BANDS
    told = {"version": "1", "training": "Not told.", **entries}
    told["recipe"] = f"exported from {source.name}"
    fixed = set(told) - {"version", "training", "recipe", "licence", "attribution", "summary"}
    if fixed:
        raise BadOption(f"{sorted(fixed)[0]} of a TernausNetV2 is given by its authors: leave it out")
    if "licence" not in told:
        raise BadOption(f"{source}: tell the licence of the weights in the card")
    summary = told.pop("summary", None)
    card = draft_card(**told, bands=bands[: len(network.mean)])
    assert (card.window, card.margin) == (WINDOW, MARGIN)
    return network, card if summary is None else card.model_copy(update={"summary": summary})
