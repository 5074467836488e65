"""Pictures of validation tiles: the image, with what is true and what was found outlined on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

TRUE, FOUND = (255, 220, 0), (0, 200, 255)
Picture = NDArray[np.uint8]


def show_objects(image: Picture, truth: NDArray[np.int32], found: NDArray[np.int32]) -> Picture:
    """The image with the outlines of what is true (yellow) and of what was found (blue).

    Args:
        image: (H, W, 3).
        truth, found: (H, W) labels.
    """
    picture: Picture = image.copy()
    picture[_outline(truth)] = TRUE
    picture[_outline(found)] = FOUND
    return picture


def show_classes(image: Picture, truth: NDArray[np.uint8], found: NDArray[np.uint8]) -> Picture:
    """The image, what is true and what was found, side by side.

    Args:
        image: (H, W, 3).
        truth, found: (H, W) class indices; those of ``VOID`` are black.
    """
    return np.concatenate([image, _colours()[truth], _colours()[found]], axis=1)


def to_picture(image: NDArray[np.generic]) -> Picture:
    """The first three bands of an image (H, W, bands), or its first; what is not 8-bit is stretched."""
    bands: NDArray[Any] = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)
    if bands.dtype == np.uint8:
        return bands.copy()
    dark, bright = np.percentile(bands.astype(np.float32), (2, 98), axis=(0, 1))
    stretched: Picture = (np.clip((bands - dark) / np.maximum(bright - dark, 1e-9), 0, 1) * 255).astype(np.uint8)
    return stretched


def save_sheet(pictures: Sequence[Picture], path: Path, side: int = 480) -> Picture:
    """Pictures below each other, each at most ``side`` pixels high, in one PNG; and that sheet."""
    small = []
    for picture in pictures:
        thumbnail = Image.fromarray(picture)
        thumbnail.thumbnail((4 * side, side))
        small.append(np.asarray(thumbnail))
    width = max(picture.shape[1] for picture in small)
    sheet: Picture = np.concatenate(
        [np.pad(picture, ((0, 4), (0, width - picture.shape[1]), (0, 0))) for picture in small]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    Image.fromarray(sheet).save(aside, "PNG")
    aside.replace(path)
    return sheet


def _outline(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    inner: NDArray[np.bool_] = (labels > 0) & (
        ndimage.minimum_filter(labels, 3, mode="nearest") != ndimage.maximum_filter(labels, 3, mode="nearest")
    )
    return inner


def _colours() -> Picture:
    """A colour for each class index, far from those of its neighbours; black for ``VOID``."""
    hues = np.arange(256) * 0.618033988749895 % 1
    wheel = np.abs((hues[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    colours: Picture = (60 + 180 * np.clip(wheel, 0, 1)).astype(np.uint8)
    colours[255] = 0
    return colours
