"""A data set as the crown contest's, drawn: irregular crowns, and detections with every kind of error.

The sets of the published figures are those of the seeds and sizes that ``benchmarks/scoring.py`` names.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

SIDE = 1024


def draw_outline(
    centre: tuple[float, float],
    radius: float,
    waves: np.ndarray,
    phases: np.ndarray,
    aspect: float,
    turn: float,
    corners: int,
) -> np.ndarray:
    """(corners, 2) of a star-shaped crown, cut at the edges of the image."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    orders = np.arange(2, 2 + len(waves))[:, None]
    reach = radius * (1 + (waves[:, None] * np.cos(orders * angle + phases[:, None])).sum(0))
    x, y = reach * np.cos(angle), reach * np.sin(angle) * aspect
    cos, sin = np.cos(turn), np.sin(turn)
    return np.clip(np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], 1), 0, SIDE)


def encode(outline: np.ndarray) -> tuple[dict[str, Any], int, list[float]]:
    """Compressed run lengths, area, box."""
    rle = coco_mask.frPyObjects([outline.ravel().round(2).tolist()], SIDE, SIDE)[0]
    written = {"size": [SIDE, SIDE], "counts": rle["counts"].decode()}
    return written, int(coco_mask.area(rle)), [float(side) for side in coco_mask.toBbox(rle)]


def write_set(folder: Path, images: int, seed: int = 0, least: int = 60, most: int = 300) -> dict[str, int]:
    """Write truth_rle.json, truth_polygons.json and answer.json; how many crowns and detections there are.

    Args:
        least: crowns in an image, at least.
        most: and at most.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    polygons: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        crowns = int(np.clip(rng.lognormal(np.log((least * most) ** 0.5), 0.45), least, most))
        base = SIDE / np.sqrt(crowns) * 0.42
        for _ in range(crowns):
            _draw_crown(rng, image, base, runs, polygons, found)
        for _ in range(rng.poisson(0.25 * crowns)):
            radius = base * rng.lognormal(0, 0.4)
            place = (rng.uniform(0, SIDE), rng.uniform(0, SIDE))
            waves, phases = rng.normal(0, 0.1, 6), rng.uniform(0, 6.28, 6)
            outline = draw_outline(place, radius, waves, phases, rng.uniform(0.6, 1), rng.uniform(0, 3.14), 64)
            written, area, box = encode(outline)
            if area:
                found.append(_detection(image, float(rng.beta(2, 4)), box, written))
    order = rng.permutation(len(found))
    head = {
        "images": [{"id": i, "file_name": f"{i:06d}.tif", "height": SIDE, "width": SIDE} for i in range(1, images + 1)],
        "categories": [{"id": 1, "name": "tree crown"}],
    }
    for name, content in (
        ("truth_rle", {**head, "annotations": runs}),
        ("truth_polygons", {**head, "annotations": polygons}),
        ("answer", [found[i] for i in order]),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return {"crowns": len(runs), "detections": len(found)}


def _detection(image: int, score: float, box: list[float], written: dict[str, Any]) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "score": round(score, 4), "bbox": box, "segmentation": written}


def _draw_crown(rng: np.random.Generator, image: int, base: float, runs: list, polygons: list, found: list) -> None:
    """One crown, and no, one or two detections of it."""
    x, y = rng.uniform(0, SIDE, 2)
    radius = base * rng.lognormal(0, 0.35)
    waves, phases = rng.normal(0, 0.09, 6) / np.sqrt(np.arange(1, 7)), rng.uniform(0, 2 * np.pi, 6)
    aspect, turn = rng.uniform(0.7, 1), rng.uniform(0, np.pi)
    outline = draw_outline((x, y), radius, waves, phases, aspect, turn, int(rng.integers(20, 60)))
    written, area, box = encode(outline)
    if area < 4:
        return
    common = {"id": len(runs) + 1, "image_id": image, "category_id": 1, "iscrowd": 0, "area": area, "bbox": box}
    polygons.append({**common, "segmentation": [outline.ravel().round(2).tolist()]})
    runs.append({**common, "segmentation": written})
    fate = rng.random()
    detections = 0 if fate < 0.15 else 2 if fate > 0.93 else 1
    for again in range(detections):
        error = rng.gamma(2.0, 0.06) + 0.25 * again
        place = (x + rng.normal(0, error * radius), y + rng.normal(0, error * radius))
        size = radius * np.exp(rng.normal(0, error))
        shape = waves + rng.normal(0, error * 0.3, 6)
        outline = draw_outline(place, size, shape, phases, aspect, turn + rng.normal(0, error), 64)
        written, area, box = encode(outline)
        if area:
            score = float(np.clip(1 - error * 1.6 + rng.normal(0, 0.12), 0.01, 0.999))
            found.append(_detection(image, score, box, written))
