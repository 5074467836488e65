"""Small labelled imagery under the names that its owners give it."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from overtrace.data.labelled import Objects
from overtrace.data.targets import peakedness

SIDE = 256


def write_urban(
    folder: Path, lists: dict[str, list[tuple[str, float]]], trees: dict[str, list[tuple[int, int]]]
) -> Path:
    """Writes ``urban_california``: tiles of asphalt and lawn with a round crown of 7 pixels at each point.

    Args:
        lists: for ``train`` and ``val`` the names of tiles and how far east they lie.
        trees: points of tiles by name; a tile that is not here has no file of points.
    """
    for kind in ("rgb", "nir", "points"):
        (folder / kind).mkdir(parents=True)
    splits = {
        split: [{"name": name, "epsg": 26911, "transform": [0.6, 0, east, 0, -0.6, 4e6]} for name, east in tiles]
        for split, tiles in lists.items()
    }
    (folder / "splits.json").write_text(json.dumps(splits))
    for name, _ in [tile for tiles in lists.values() for tile in tiles]:
        write_tile(folder, name, trees.get(name, []))
    return folder


def write_tile(folder: Path, name: str, points: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    rows, cols = np.indices((SIDE, SIDE))
    bands = np.where((rows < SIDE // 2)[..., None], (120, 115, 110, 100), (110, 150, 90, 200)).astype(float)
    for x, y in points:
        crown = np.hypot(rows - y, cols - x) <= 7
        bands[crown] = (50, 80, 45, 170)
    bands = np.clip(bands + rng.normal(0, 6, bands.shape), 0, 255).astype(np.uint8)
    Image.fromarray(bands[..., :3]).save(folder / "rgb" / f"{name}.jpg", quality=95)
    Image.fromarray(bands[..., 3]).save(folder / "nir" / f"{name}.jpg", quality=95)
    if points:
        lines = ["x,y", *(f"{x},{y}" for x, y in points)]
        (folder / "points" / f"{name}.csv").write_text("\n".join(lines) + "\n")


def write_voc(folder: Path, name: str, shape: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> None:
    """Writes an image and its Pascal VOC file, beside each other."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.jpg")
    corners = ("xmin", "ymin", "xmax", "ymax")
    objects = "".join(
        "<object><name>Tree</name><bndbox>"
        + "".join(f"<{corner}>{value}</{corner}>" for corner, value in zip(corners, box, strict=True))
        + "</bndbox></object>"
        for box in boxes
    )
    (folder / f"{name}.xml").write_text(f"<annotation><filename>{name}.png</filename>{objects}</annotation>")


def draw_crowns(side: int = 96, pixel_size_m: float = 0.6) -> Objects:
    """Bright squares of 12 pixels on dark ground, and a strip at the right that nobody knows."""
    labels = np.zeros((side, side), np.int32)
    corners = [(row, col) for row in range(6, side - 12, 24) for col in range(6, side - 12, 30)]
    for label, (row, col) in enumerate(corners, start=1):
        labels[row : row + 12, col : col + 12] = label
    centres = np.array([(col + 5.5, row + 5.5) for row, col in corners])
    ignore = np.zeros(labels.shape, bool)
    ignore[:, -8:] = True
    return Objects(
        name="squares",
        pixel_size_m=pixel_size_m,
        image=np.where((labels > 0)[..., None], 200, 40).astype(np.uint8).repeat(3, axis=-1),
        labels=labels,
        centres=centres,
        boxes=np.empty((0, 4)),
        peaks=peakedness(labels, centres),
        ignore=ignore,
        kinds=np.zeros(len(centres), np.int64),
    )
