"""What the drawn contests share: outlines that are moved about, pictures, and archives of them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Ring = NDArray[np.float64]
"""(n, 2) x and y of the corners, in pixels; it is not closed."""
Colour = tuple[int, int, int]
NOISE = 12
FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""So that the same files are the same archive."""


def spoil(rings: Sequence[Ring], size: int, quality: float, rng: np.random.Generator) -> list[tuple[Ring, float]]:
    """Outlines as someone might have found them, each with how sure they are.

    Args:
        rings: the true ones, in an image of ``size`` x ``size``.
        quality: 1 leaves them as they are; the lower, the more are missing, moved, of another size, or made up.
    """
    lack = 1 - quality
    found = []
    for ring in rings:
        if rng.random() < 0.7 * lack:
            continue
        middle = ring.mean(axis=0)
        reach = np.abs(ring - middle).max()
        moved = (ring - middle) * rng.uniform(1 - 0.5 * lack, 1 + 0.5 * lack) + middle
        moved += rng.normal(0, 0.4 * lack * reach, 2) if lack else 0
        found.append((moved, rng.uniform(0.5, 1)))
    for ring in rings:
        if rng.random() < 0.6 * lack:
            middle = rng.uniform(0.15 * size, 0.85 * size, 2)
            found.append((ring - ring.mean(axis=0) + middle, rng.uniform(0, 0.5 + 0.5 * lack)))
    return [(np.round(np.clip(ring, 0, size), 2), round(sure, 6)) for ring, sure in found]


def paint(size: int, ground: Colour, rings: Sequence[tuple[Ring, Colour]], rng: np.random.Generator) -> bytes:
    """A PNG of outlines on some ground, with noise."""
    image = Image.new("RGB", (size, size), ground)
    pen = ImageDraw.Draw(image)
    for ring, colour in rings:
        pen.polygon([(x, y) for x, y in ring.tolist()], fill=colour)
    return encode(np.asarray(image, np.float64), rng)


def encode(colours: NDArray[np.float64], rng: np.random.Generator) -> bytes:
    """A PNG of (H, W, 3) colours with noise."""
    noisy = np.clip(colours + rng.normal(0, NOISE, colours.shape), 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(noisy).save(data, "PNG")
    return data.getvalue()


def pack(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip archive."""
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, FIRST_DAY), data, zipfile.ZIP_DEFLATED)
