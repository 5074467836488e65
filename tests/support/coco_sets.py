"""Random COCO data sets with everything that its measure treats apart, and what pycocotools says of them."""

import contextlib
import io
import json
from typing import Any

import numpy as np
from pycocotools import mask as reference
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDE = 48
Json = dict[str, Any]


def draw_mask(rng: np.random.Generator, near: tuple[float, float] | None = None) -> tuple[Any, np.ndarray, list[float]]:
    """A segmentation in one of its forms, its pixels, and about where it is; a few masks are empty."""
    x, y = near if near is not None else rng.uniform(0, SIDE, 2)
    wide, tall = rng.choice([2, 5, 8, 33]), rng.choice([2, 5, 32])
    x, y = float(x), float(y)
    form = rng.integers(4)
    if form == 0:
        corners = int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        ring = np.stack([x + wide * np.cos(angles), y + tall * np.sin(angles)], axis=1)
        if rng.random() < 0.3:
            ring = ring.round()
        polygons = [ring.ravel().tolist()]
        if rng.random() < 0.3:
            polygons.append((ring + rng.normal(0, 6, 2)).ravel().tolist())
        rle = reference.merge(reference.frPyObjects(polygons, SIDE, SIDE))
        return polygons, reference.decode(rle), [x, y]
    rows, cols = np.mgrid[:SIDE, :SIDE]
    pixels = ((abs(cols + 0.5 - x) <= wide / 2) & (abs(rows + 0.5 - y) <= tall / 2)).astype(np.uint8)
    if rng.random() < 0.2:
        pixels *= rng.integers(0, 2, pixels.shape, dtype=np.uint8)
    if rng.random() < 0.05:
        pixels[:] = 0
    rle = reference.encode(np.asfortranarray(pixels))
    if form == 1:
        flat = np.concatenate([[0], pixels.ravel(order="F"), [2]])
        counts = np.diff(np.concatenate([[0], np.flatnonzero(np.diff(flat.astype(int)))])).tolist()
        return {"size": [SIDE, SIDE], "counts": [int(count) for count in counts]}, pixels, [x, y]
    return {"size": [SIDE, SIDE], "counts": rle["counts"].decode()}, pixels, [x, y]


def draw_set(rng: np.random.Generator, images: int, categories: int) -> tuple[Json, list[Json]]:
    """A data set and results for it, in no order."""
    first_id = int(rng.integers(0, 2))
    annotations, results = [], []
    image_ids = rng.permutation(50)[:images].tolist()
    for image in image_ids:
        for _ in range(rng.integers(0, 9)):
            segmentation, pixels, near = draw_mask(rng)
            category = int(rng.integers(categories))
            area = float(rng.choice([pixels.sum(), 1024, 9216, 1023.5]))
            annotations.append(
                {
                    "id": first_id + len(annotations),
                    "image_id": image,
                    "category_id": category,
                    "segmentation": segmentation,
                    "area": area,
                    "iscrowd": int(rng.random() < 0.15),
                    "bbox": [near[0] - 3, near[1] - 3, *rng.choice([1.0, 6.0, 32.0], 2).tolist()],
                }
            )
            results += [draw_result(rng, image, category, near, segmentation) for _ in range(rng.integers(0, 4))]
        results += [
            draw_result(rng, image, int(rng.integers(categories)), None, None) for _ in range(rng.integers(0, 3))
        ]
    rng.shuffle(results)
    keep_boxes = rng.random() < 0.5
    if not keep_boxes:
        for result in results:
            del result["bbox"]
            if isinstance(result["segmentation"], list) or isinstance(result["segmentation"]["counts"], list):
                # The reference cannot measure these without a box.
                result["segmentation"] = compressed(result["segmentation"])
    data = {
        "images": [{"id": image, "height": SIDE, "width": SIDE} for image in image_ids],
        "categories": [{"id": category, "name": str(category)} for category in range(categories)],
        "annotations": annotations,
    }
    return data, results


def draw_result(rng: np.random.Generator, image: int, category: int, near: Any, same: Any) -> Json:
    """A detection near an object, or on it."""
    shifted = None if near is None else (near[0] + rng.normal(0, 1), near[1] + rng.normal(0, 1))
    segmentation, _, (x, y) = draw_mask(rng, shifted)
    if same is not None and rng.random() < 0.5:
        segmentation = same
    return {
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "bbox": [x - 3, y - 3, *rng.choice([1.0, 6.0, 32.0], 2).tolist()],
        "score": float(rng.choice([0.5, 0.25, 1, rng.random()])),
    }


def compressed(segmentation: Any) -> Json:
    """The same mask as COCO's text."""
    if isinstance(segmentation, list):
        rle = reference.merge(reference.frPyObjects(segmentation, SIDE, SIDE))
    else:
        rle = reference.frPyObjects(segmentation, SIDE, SIDE)
    return {"size": [SIDE, SIDE], "counts": rle["counts"].decode()}


def ask_pycocotools(data: Json, results: list[Json], kind: str, limits: list[int]) -> COCOeval:
    """Its verdict."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(data))
        truth.createIndex()
        verdict = COCOeval(truth, truth.loadRes(json.loads(json.dumps(results))), kind)
        verdict.params.maxDets = limits
        verdict.evaluate()
        verdict.accumulate()
        verdict.summarize()
    return verdict
