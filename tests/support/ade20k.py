"""A small ADE20K under the names that the challenge gives its files."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from overtrace.data.class_names import ADE20K_NAMES

COLOURS = {3: (110, 160, 240), 10: (60, 150, 50), 7: (90, 90, 95)}
"""Of sky, grass and road, by their labels."""
SHAPES = ((96, 128), (97, 131), (128, 95), (111, 110))
"""Heights and widths, even and odd."""


def draw_scene(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo of sky over grass with a road through it, and its labels; between them a line that is nothing."""
    horizon, left = int(rng.uniform(0.3, 0.6) * height), int(rng.uniform(0.2, 0.5) * width)
    labels = np.full((height, width), 10, np.uint8)
    labels[:horizon] = 3
    labels[horizon:, left : left + width // 3] = 7
    labels[horizon] = 0
    photo = np.array([COLOURS.get(label, (0, 0, 0)) for label in range(11)])[labels] + rng.normal(
        0, 10, (height, width, 1)
    )
    return np.clip(photo, 0, 255).astype(np.uint8), labels


def write_ade20k(folder: Path, training: int, validation: int) -> Path:
    """Write ``ADEChallengeData2016``, with the list of its validation images beside it."""
    root = folder / "ADEChallengeData2016"
    rng = np.random.default_rng(0)
    lines = []
    for split, short, count in (("training", "train", training), ("validation", "val", validation)):
        for kind in ("images", "annotations"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            height, width = SHAPES[i % len(SHAPES)]
            photo, labels = draw_scene(rng, height, width)
            name = f"ADE_{short}_{i + 1:08d}"
            Image.fromarray(photo).save(root / "images" / split / f"{name}.jpg", quality=95)
            Image.fromarray(labels).save(root / "annotations" / split / f"{name}.png")
            lines.append(
                {
                    "fpath_img": f"ADEChallengeData2016/images/{split}/{name}.jpg",
                    "fpath_segm": f"ADEChallengeData2016/annotations/{split}/{name}.png",
                    "width": width,
                    "height": height,
                }
            )
    rows = [
        "Idx\tRatio\tTrain\tVal\tName",
        *(f"{i}\t0.1\t1\t1\t{name}" for i, name in enumerate(ADE20K_NAMES, start=1)),
    ]
    (root / "objectInfo150.txt").write_text("\n".join(rows) + "\n")
    listed = [json.dumps(line) for line in lines if "/validation/" in line["fpath_img"]]
    (folder / "validation.odgt").write_text("\n".join(listed) + "\n")
    return folder
