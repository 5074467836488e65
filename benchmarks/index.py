"""How long does it take to open a data set as large as the crown contest, and how much memory?

``python -m benchmarks.index [--images 8000] [--masks 450000] [--keep FOLDER] [--record]``.

A ``Dataset_1`` is drawn: one picture of 1024x1024 pixels under many names, and a COCO file of crowns as compressed run
lengths. It is opened, and its first image read, in a process of its own, with kernels compiled before.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.itc_set import SIDE, draw_outline, encode
from benchmarks.record import describe_machine, publish
from benchmarks.scoring import read_peak_mb

SHAPES = 2000
"""So many crowns are drawn; the masks of the set are these, over and over."""


def main() -> None:
    """Draw the set, open it, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--masks", type=int, default=450_000)
    parser.add_argument("--keep", type=Path, help="folder of the set, drawn there if it is not yet")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(open_once(chosen.one)))
        return
    machine = describe_machine()
    with TemporaryDirectory() as place:
        folder = (chosen.keep or Path(place)) / "Dataset_1"
        if not folder.exists():
            write_dataset(folder, chosen.images, chosen.masks)
        write_dataset(Path(place) / "warm", 2, 10)
        measure(Path(place) / "warm")
        found = measure(folder)
        size_mb = (folder / "train.json").stat().st_size / 1e6
    lines = [
        f"- {found['images']:,} images, {found['masks']:,} masks, {size_mb:.0f} MB of JSON",
        f"- **opened in {found['open_s']:.1f} s, peak {found['peak_mb']:,.0f} MB**, {found['before_mb']:.0f} before",
        f"- an image with its masks read in {found['read_s'] * 1000:.0f} ms; pickled {found['pickled_mb']:.1f} MB",
    ]
    publish("benchmarks/index.py", machine, lines, record=chosen.record)


def write_dataset(folder: Path, images: int, masks: int) -> None:
    """Write pictures and ``train.json``; the masks are dealt to the images in turn."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    picture = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(picture).save(folder / "images" / "000001.png")
    for i in range(2, images + 1):
        os.link(folder / "images" / "000001.png", folder / "images" / f"{i:06d}.png")
    crowns = [_draw(rng) for _ in range(min(SHAPES, masks))]
    with open(folder / "train.json", "w") as file:
        rows = [{"id": i, "file_name": f"{i:06d}.png", "height": SIDE, "width": SIDE} for i in range(1, images + 1)]
        head = json.dumps({"images": rows, "categories": [{"id": 1, "name": "tree"}]})
        file.write(f'{head[:-1]}, "annotations": [')
        for i in range(masks):
            ids = f'{{"id": {i + 1}, "image_id": {i % images + 1}, {crowns[i % len(crowns)]}'
            file.write(ids if i == 0 else f", {ids}")
        file.write("]}")


def _draw(rng: np.random.Generator) -> str:
    """The text of an annotation behind its ids."""
    waves, phases = rng.normal(0, 0.05, 6), rng.uniform(0, 2 * np.pi, 6)
    centre, radius = rng.uniform(60, SIDE - 60, 2), rng.uniform(15, 60)
    outline = draw_outline((centre[0], centre[1]), radius, waves, phases, rng.uniform(0.7, 1), rng.uniform(0, 3), 48)
    written, area, box = encode(outline)
    return json.dumps({"category_id": 1, "iscrowd": 0, "area": area, "bbox": box, "segmentation": written})[1:]


def measure(folder: Path) -> dict[str, float]:
    """What a fresh process says of a set."""
    command = [sys.executable, "-m", "benchmarks.index", "--one", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(said)
    return found


def open_once(folder: Path) -> dict[str, float]:
    """Open a set and read an image of it."""
    import pickle

    from overtrace.data.coco import open_itc

    before = read_peak_mb()
    begin = time.perf_counter()
    data = open_itc(folder, pixel_size_m=0.05)
    opened = time.perf_counter()
    peak = read_peak_mb()
    data.read(0)
    read = time.perf_counter()
    masks = len(data.read.kinds)  # type: ignore[attr-defined]
    return {
        "images": len(data),
        "masks": masks,
        "open_s": opened - begin,
        "before_mb": before,
        "peak_mb": peak,
        "read_s": read - opened,
        "pickled_mb": len(pickle.dumps(data)) / 1e6,
    }


if __name__ == "__main__":
    main()
