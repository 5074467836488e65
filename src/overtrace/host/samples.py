"""The smallest truth and answer of a challenge: to score them once loads, or on a new machine compiles, its kernels."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 8
SQUARE = [0, 0, 4, 0, 4, 4, 0, 4]
RUNS = {"size": [SIDE, SIDE], "counts": [0, 4, 4, 4, 52]}
PACKED = {"size": [SIDE, SIDE], "counts": "0440`1"}
"""The same as COCO packs it."""


def write_sample(challenge: str, profile: str, folder: Path) -> tuple[Path, Path]:
    """A truth and an answer to it."""
    kind = profile if challenge == "own" else challenge
    writers: dict[str, Callable[[Path, Path], None]] = {
        "itc": _write_coco,
        "coco-masks": _write_coco,
        "coco-boxes": _write_coco,
        "sceneparsing": _write_labels,
        "camvid": _write_labels,
        "pixels": _write_labels,
        "deepglobe": _write_footprints,
        "trees": _write_points,
        "points": partial(_write_features, {"type": "Point", "coordinates": [0, 0]}),
        "polygons": partial(_write_features, {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}),
    }
    truth, answer = folder / "truth", folder / "answer"
    truth.mkdir()
    answer.mkdir()
    writers[kind](truth, answer)
    return truth, answer


def _write_coco(truth: Path, answer: Path) -> None:
    shapes: list[Any] = [[SQUARE], RUNS, PACKED]
    box = {"bbox": [0, 0, 4, 4], "category_id": 1, "image_id": 1}
    rows = [{**box, "score": 0.5, "segmentation": shape} for shape in shapes]
    objects = [
        {**box, "id": i + 1, "area": 16, "iscrowd": int(i == 2), "segmentation": shape}
        for i, shape in enumerate(shapes)
    ]
    images = [{"id": 1, "height": SIDE, "width": SIDE, "file_name": "a.png"}]
    content = {"images": images, "categories": [{"id": 1, "name": "tree"}], "annotations": objects}
    (truth / "a.json").write_text(json.dumps(content))
    (answer / "a.json").write_text(json.dumps(rows))


def _write_labels(truth: Path, answer: Path) -> None:
    labels = np.ones((SIDE, SIDE), np.uint8)
    for folder in (truth, answer):
        Image.fromarray(labels).save(folder / "a.png")


def _write_footprints(truth: Path, answer: Path) -> None:
    head = "ImageId,BuildingId,PolygonWKT_Pix,PolygonWKT_Geo\n"
    square = '"POLYGON ((0 0 0,9 0 0,9 9 0,0 9 0,0 0 0))"'
    (truth / "a.csv").write_text(f"{head}AOI_2_Vegas_img1,1,{square},{square}\n")
    (answer / "a.csv").write_text(f"AOI_2_Vegas_img1,1,{square},0.9\n")


def _write_points(truth: Path, answer: Path) -> None:
    for folder in (truth, answer):
        (folder / "a.csv").write_text("x,y\n0,0\n")


def _write_features(shape: dict[str, Any], truth: Path, answer: Path) -> None:
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    metres = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    for folder in (truth, answer):
        (folder / "a.geojson").write_text(
            json.dumps({"type": "FeatureCollection", "crs": metres, "features": [feature]})
        )
