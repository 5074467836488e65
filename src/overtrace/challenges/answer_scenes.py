"""Scenes as contests take them: an index PNG for each image, at its own size."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from overtrace import __version__
from overtrace.challenges.sceneparsing import Labels
from overtrace.data.class_names import ADE20K_NAMES, CAMVID_IN_ADE20K, CAMVID_NAMES, are_among, find_names
from overtrace.errors import BadModel

WRITER = "overtrace"
NAMES = {"sceneparsing": (ADE20K_NAMES,), "camvid": (CAMVID_NAMES, CAMVID_IN_ADE20K)}
"""What the classes of a contest may be called."""


def match_classes(classes: Sequence[str], labels: Labels, shown: str) -> NDArray[np.uint8]:
    """The label of each class.

    Args:
        classes: names; if the contest has them all they go by name, else there must be as many as the contest has.
            CamVid's may go by the names of ADE20K.
        shown: what errors call that which has the classes.
    Returns:
        (256,) by class, from 0; the contest's label for no class beyond.
    Raises:
        BadModel: if they are not those of the contest.
    """
    names = NAMES[labels.protocol]
    spelled = [known for known in names if are_among(classes, known)]
    if spelled:
        order = find_names(classes, spelled[0])
    elif len(classes) == labels.classes:
        order = list(range(labels.classes))
    else:
        strange = next(name for i, name in enumerate(classes) if not are_among(classes[: i + 1], names[0]))
        raise BadModel(
            f"{shown} has {len(classes)} classes and one called {strange}: wanted names of {labels.protocol}, "
            f"or all its {labels.classes} classes in their order"
        )
    table = np.full(256, labels.unlabelled, np.uint8)
    table[: len(order)] = np.array(order) + labels.first
    return table


def encode_scene(labels: NDArray[np.uint8]) -> bytes:
    """An 8-bit PNG of (H, W) labels that says who wrote it."""
    info = PngInfo()
    info.add_text("Software", f"{WRITER} {__version__}")
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def is_answer(folder: Path) -> bool:
    """Whether all that a folder holds was written by ``encode_scene``."""
    return all(path.suffix == ".png" and path.is_file() and _is_ours(path) for path in folder.iterdir())


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return str(image.info.get("Software", "")).split(" ")[0] == WRITER
    except (UnidentifiedImageError, OSError):
        return False
