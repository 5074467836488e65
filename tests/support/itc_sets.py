"""Small sets of the tree crown contest: one kind of tree, seen at the pixel sizes of several flights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

CROWN_M = 0.5
"""About the radius of a crown, so that at 10 cm it is 5 pixels and at 2 cm 25."""
GAP_M = 0.06


def draw_stand(rng: np.random.Generator, side: int, pixel_size_m: float) -> tuple[np.ndarray, np.ndarray]:
    """An image (side, side, 3) of bright, rough, round crowns on dark ground, and (side, side) which crown is where."""
    y, x = (np.mgrid[:side, :side] + 0.5) * pixel_size_m
    image = 60 + rng.normal(0, 8, (side, side, 3))
    labels = np.zeros((side, side), int)
    placed: list[tuple[float, float, float]] = []
    length = side * pixel_size_m
    for _ in range(200):
        radius = CROWN_M * rng.uniform(0.8, 1.25)
        across, down = rng.uniform(0, length, 2)
        if any(np.hypot(across - a, down - d) < radius + r + GAP_M for a, d, r in placed):
            continue
        placed.append((across, down, radius))
        share = np.hypot(x - across, y - down) / radius
        crown = share <= 1
        labels[crown] = len(placed)
        rough = rng.normal(0, 12, (int(crown.sum()), 1))
        image[crown] = (np.array([90, 190, 70]) * (1.1 - 0.4 * share[crown][:, None] ** 2)) + rough
    return np.clip(image, 0, 255).astype(np.uint8), labels


def write_dataset(folder: Path, number: int, pixel_size_m: float, side: int, images: int, to_answer: int) -> Path:
    """Write ``Dataset_N``, whose images have ids from N x 1000; the last are to be answered, and have no crowns there.

    Returns:
        The COCO file with the crowns of those, which the owners keep.
    """
    rng = np.random.default_rng(number)
    name = f"Dataset_{number}"
    (folder / name / "images").mkdir(parents=True)
    ids = [number * 1000 + i for i in range(images)]
    rows: list[dict[str, Any]] = []
    for i in ids:
        image, labels = draw_stand(rng, side, pixel_size_m)
        Image.fromarray(image).save(folder / name / "images" / f"{i}.png")
        rows += [_describe(i, labels == crown) for crown in np.unique(labels[labels > 0])]
    for row_id, row in enumerate(rows, start=1):
        row["id"] = row_id
    learned = ids[: images - to_answer]
    described = [{"id": i, "file_name": f"{i}.png", "height": side, "width": side} for i in ids]
    categories = [{"id": 1, "name": "tree"}]
    known = [row for row in rows if row["image_id"] in learned]
    kept = [row for row in rows if row["image_id"] not in learned]
    content = {"images": described, "categories": categories, "annotations": known}
    (folder / name / "train.json").write_text(json.dumps(content))
    truth = folder / "kept_by_the_owners" / f"{name}.json"
    truth.parent.mkdir(exist_ok=True)
    content = {"images": described[len(learned) :], "categories": categories, "annotations": kept}
    truth.write_text(json.dumps(content))
    return truth


def write_contest(folder: Path, sizes: dict[float, int], images: int, to_answer: int) -> Path:
    """Write a data set for each pixel size and side, and ``validation_img_id.json``."""
    listed: dict[str, int] = {}
    for number, (pixel_size_m, side) in enumerate(sizes.items(), start=1):
        truth = write_dataset(folder, number, pixel_size_m, side, images, to_answer)
        listed |= {image["file_name"]: image["id"] for image in json.loads(truth.read_text())["images"]}
    (folder / "validation_img_id.json").write_text(json.dumps(listed))
    return folder


def _describe(image: int, mask: np.ndarray) -> dict[str, Any]:
    run_lengths = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "area": int(mask.sum()),
        "bbox": coco_mask.toBbox(run_lengths).tolist(),
        "segmentation": run_lengths | {"counts": run_lengths["counts"].decode()},
    }
