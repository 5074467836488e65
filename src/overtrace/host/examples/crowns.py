"""Drawn crowns: nine small data sets a phase, as COCO files."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from overtrace.host.examples.drawing import Ring, pack, paint, spoil

DATA_SETS = tuple(f"plot_{n}" for n in range(1, 10))
IMAGES = 2
SIZE = 96
GRID = 4
CORNERS = 14
GROUND = (92, 84, 60)


def draw(folder: Path, phase: str, rng: np.random.Generator) -> None:
    """``data/PHASE.zip`` and ``data/PHASE_img_id.json``; ``truth/PHASE/NAME.json`` unless it is the training's, which
    everybody gets."""
    pictures: dict[str, bytes] = {}
    truths: dict[str, bytes] = {}
    ids: dict[str, int] = {}
    for d, name in enumerate(DATA_SETS):
        images: list[dict[str, Any]] = []
        crowns: list[dict[str, Any]] = []
        for i in range(IMAGES):
            number, file = d * IMAGES + i + 1, f"{name}_{i + 1}.png"
            rings = _grow(rng)
            greens = rng.integers(90, 170, len(rings)).tolist()
            colours = [(green // 2, green, green // 3) for green in greens]
            pictures[f"{name}/{file}"] = paint(SIZE, GROUND, list(zip(rings, colours, strict=True)), rng)
            images.append({"id": number, "file_name": file, "height": SIZE, "width": SIZE})
            crowns += [_describe(ring, number, len(crowns) + k) for k, ring in enumerate(rings, start=1)]
            ids[file] = number
        content = {"images": images, "categories": [{"id": 1, "name": "crown"}], "annotations": crowns}
        truths[f"{name}.json"] = json.dumps(content).encode()
    given = {**pictures, **{f"annotations/{name}": data for name, data in truths.items()}}
    pack(folder / "data" / f"{phase}.zip", given if phase == "training" else pictures)
    (folder / "data" / f"{phase}_img_id.json").write_text(json.dumps(ids, indent=1) + "\n")
    if phase != "training":
        (folder / "truth" / phase).mkdir(parents=True)
        for file, data in truths.items():
            (folder / "truth" / phase / file).write_bytes(data)


def _grow(rng: np.random.Generator) -> list[Ring]:
    """Crowns in most cells of a grid."""
    cell = SIZE / GRID
    rings = []
    for place in np.ndindex(GRID, GRID):
        if rng.random() < 0.2:
            continue
        middle = (np.array(place) + 0.5) * cell + rng.uniform(-2, 2, 2)
        angles = np.arange(CORNERS) * 2 * np.pi / CORNERS
        reach = rng.uniform(0.28, 0.46) * cell * rng.uniform(0.85, 1.15, CORNERS)
        ring = middle + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        rings.append(np.round(np.clip(ring, 0, SIZE), 2))
    return rings


def _describe(ring: Ring, image: int, number: int) -> dict[str, Any]:
    low, high = ring.min(axis=0), ring.max(axis=0)
    x, y = ring.T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "segmentation": [ring.ravel().tolist()],
        "area": round(float(area), 2),
        "bbox": np.round([*low, *(high - low)], 2).tolist(),
        "iscrowd": 0,
    }


def answer(truth: Path, place: Path, quality: float, rng: np.random.Generator) -> Path:
    """COCO results of all data sets in one file."""
    rows = []
    for path in sorted(truth.glob("*.json")):
        content = json.loads(path.read_text())
        for image in content["images"]:
            own = [crown for crown in content["annotations"] if crown["image_id"] == image["id"]]
            rings = [np.array(crown["segmentation"][0]).reshape(-1, 2) for crown in own]
            rows += [
                {"image_id": image["id"], "category_id": 1, "segmentation": [ring.ravel().tolist()], "score": sure}
                for ring, sure in spoil(rings, SIZE, quality, rng)
            ]
    path = place.with_suffix(".json")
    path.write_text(json.dumps(rows))
    return path
