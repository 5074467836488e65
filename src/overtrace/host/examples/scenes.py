"""Drawn scenes: index PNGs of 150 classes, each of which lies somewhere in each phase."""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import KDTree

from overtrace.challenges.answer_scenes import encode_scene
from overtrace.challenges.sceneparsing import ADE20K
from overtrace.host.examples.drawing import encode, pack

IMAGES = 12
HEIGHT, WIDTH = 64, 96
NOBODY_KNOWS = 3
"""Rows at the top that have no label."""
BLOCK = 4
"""Pixels on a side of what is mistaken."""


def draw(folder: Path, phase: str, rng: np.random.Generator) -> None:
    """``data/PHASE.zip`` and ``data/PHASE.txt``; ``truth/PHASE/NAME.png`` unless it is the training's, which everybody
    gets."""
    palette = np.random.default_rng(0).uniform(30, 225, (256, 3))
    parts = np.array_split(rng.permutation(np.arange(1, ADE20K.classes + 1)), IMAGES)
    names = [f"{phase}_{n:04}" for n in range(1, IMAGES + 1)]
    labels = [_divide(part, rng) for part in parts]
    pictures = {f"images/{name}.png": encode(palette[own], rng) for name, own in zip(names, labels, strict=True)}
    truths = {name: encode_scene(own) for name, own in zip(names, labels, strict=True)}
    given = {f"annotations/{name}.png": data for name, data in truths.items()} if phase == "training" else {}
    pack(folder / "data" / f"{phase}.zip", {**pictures, **given})
    (folder / "data" / f"{phase}.txt").write_text("".join(f"{name}\n" for name in names))
    if phase != "training":
        (folder / "truth" / phase).mkdir(parents=True)
        for name, data in truths.items():
            (folder / "truth" / phase / f"{name}.png").write_bytes(data)


def _divide(classes: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W) labels: each pixel has the class of the nearest of as many points."""
    below = np.arange(NOBODY_KNOWS * WIDTH, HEIGHT * WIDTH)
    seeds = np.stack(np.divmod(rng.choice(below, len(classes), replace=False), WIDTH), axis=1)
    pixels = np.stack(np.divmod(np.arange(HEIGHT * WIDTH), WIDTH), axis=1)
    labels: NDArray[np.uint8] = classes[KDTree(seeds).query(pixels)[1]].reshape(HEIGHT, WIDTH).astype(np.uint8)
    labels[:NOBODY_KNOWS] = ADE20K.unlabelled
    return labels


def answer(truth: Path, place: Path, quality: float, rng: np.random.Generator) -> Path:
    """An archive of index PNGs, of which some blocks have another class of their image."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(truth.glob("*.png")):
            with Image.open(path) as image:
                labels = np.array(image)
            wrong = rng.random((HEIGHT // BLOCK, WIDTH // BLOCK)) < 1 - quality
            others = rng.choice(np.unique(labels[labels > 0]), wrong.shape)
            block = np.ones((BLOCK, BLOCK), np.uint8)
            labels = np.where(np.kron(wrong, block) > 0, np.kron(others, block), labels)
            archive.writestr(path.name, encode_scene(labels.astype(np.uint8)))
    path = place.with_suffix(".zip")
    path.write_bytes(data.getvalue())
    return path
