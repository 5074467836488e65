"""Small labelled images in the formats that their owners publish, under the true names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Json = dict[str, Any]
SQUARE = [[2, 1, 5, 1, 5, 3, 2, 3]]
"""Three pixels wide and two high, its first pixel in column 2 of row 1."""


def write_picture(path: Path, height: int = 6, width: int = 8, bands: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(map(ord, path.name)))
    pixels = rng.integers(1, 256, (height, width, bands)).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if bands == 1 else pixels).save(path)
    return path


def annotation(number: int, image: int, segmentation: Any = SQUARE, **changes: Any) -> Json:
    box = {"bbox": [2, 1, 3, 2], "area": 6, "iscrowd": 0}
    return {"id": number, "image_id": image, "category_id": 1, "segmentation": segmentation, **box, **changes}


def write_coco(folder: Path, files: dict[int, str], annotations: list[Json], **changes: Any) -> Path:
    """Writes ``train.json`` and, in ``images``, pictures of 6 rows and 8 columns."""
    for file in files.values():
        write_picture(folder / "images" / file)
    content = {
        "images": [{"id": number, "file_name": file, "height": 6, "width": 8} for number, file in files.items()],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": annotations,
        **changes,
    }
    (folder / "train.json").write_text(json.dumps(content))
    return folder


def shape(points: Any, kind: str = "polygon", label: str = "building", group: int | None = None) -> Json:
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}}


def write_labelme(folder: Path, name: str, shapes: list[Json], **changes: Any) -> None:
    """Writes a picture of 6 rows and 8 columns, and its JSON."""
    write_picture(folder / f"{name}.png")
    size = {"imagePath": f"{name}.png", "imageHeight": 6, "imageWidth": 8, "imageData": None}
    (folder / f"{name}.json").write_text(
        json.dumps({"version": "5.0.1", "flags": {}, "shapes": shapes, **size, **changes})
    )


def write_polygons(path: Path, rings: list[list[tuple[float, float]]], epsg: int | None = None) -> Path:
    """Writes a GeoJSON; in degrees, unless told otherwise."""
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}}
        for ring in rings
    ]
    crs = {} if epsg is None else {"crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}}
    path.write_text(json.dumps({"type": "FeatureCollection", **crs, "features": features}))
    return path
