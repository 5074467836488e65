"""Scenes as contests take them: an index PNG for each image, at its own size."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from overtrace import __version__
from overtrace.challenges.sceneparsing import ADE20K, Labels
from overtrace.data.class_names import ADE20K_NAMES, CAMVID_NAMES
from overtrace.errors import BadModel

WRITER = "overtrace"


def match_classes(classes: Sequence[str], labels: Labels, shown: str) -> NDArray[np.uint8]:
    """The label of each class.

    Args:
        classes: names; if the contest has them all they go by name, else there must be as many as the contest has.
        shown: what errors call that which has the classes.
    Returns:
        (256,) by class, from 0; the contest's label for no class beyond.
    Raises:
        BadModel: if they are not those of the contest.
    """
    names = ADE20K_NAMES if labels is ADE20K else CAMVID_NAMES
    asked = [name.strip().lower() for name in classes]
    if Counter(asked) <= Counter(names):
        # ADE20K has two classes called screen: the first stands for the first.
        order = [_find(name, names, asked[:i].count(name)) for i, name in enumerate(asked)]
    elif len(asked) == len(names):
        order = list(range(len(names)))
    else:
        strange = next(iter(Counter(asked) - Counter(names)))
        raise BadModel(
            f"{shown} has {len(asked)} classes and one called {strange}: wanted names of {labels.protocol}, "
            f"or all its {len(names)} classes in their order"
        )
    table = np.full(256, labels.unlabelled, np.uint8)
    table[: len(order)] = np.array(order) + labels.first
    return table


def _find(name: str, names: Sequence[str], before: int) -> int:
    return [i for i, other in enumerate(names) if other == name][before]


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
