"""Labelled images as a contest would publish them, so that what a network answers while it learns is scored by the
contest's own rule.

The folder has ``images/NAME.tif`` with all bands, in the values of the data set, and the truth: ``truth.json`` and
``ids.json`` (itc; ``ignore/NAME.png`` where nobody knows what is there), ``truth.csv`` (deepglobe), ``truth/NAME.csv``
(trees) or ``truth/NAME.png`` (sceneparsing, camvid).
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine

from overtrace.challenges.answer import SCENES
from overtrace.challenges.answer_rows import write_outline, write_row
from overtrace.challenges.answer_scenes import encode_scene, match_classes
from overtrace.challenges.challenge import Question
from overtrace.challenges.footprint_files import COLUMNS, EMPTY, NO_BUILDING
from overtrace.challenges.shapes import cut_labels, draw_outline
from overtrace.challenges.tree_files import BOX, POINT
from overtrace.data.labelled import VOID, DataSet, Image, Labelled, Objects, Scene
from overtrace.raster.aside import FolderAside
from overtrace.raster.handles import quiet
from overtrace.scoring.rle import compress, count_pixels, encode_parts, find_boxes

SOMEWHERE = ("EPSG:32631", 500_000, 5_000_000)
"""A metric CRS, east and north: an image of known scale is put there, so that it states its own pixel size."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Images and their truth, as ``answer`` and ``score_files`` take them."""

    challenge: str
    images: Path
    truth: Path
    ids: Path | None
    ignore: Path | None
    bands: dict[str, int]
    """Role to band number, for ``answer``."""
    pixel_size_m: float | None
    """Of all images; None where it is not known, or differs. The images state it themselves."""

    def ask(self, answers: Path, profile: str = "", workers: int = 1) -> Question:
        """What ``score_files`` takes."""
        metres = self.pixel_size_m if self.challenge == "trees" else None
        return Question(self.truth, answers, profile, ignore=self.ignore, pixel_size_m=metres or 1.0, workers=workers)


def write_truth(challenge: str, data: DataSet, out: Path) -> HeldOut:
    """Write images and truth.

    Args:
        challenge: itc, deepglobe or trees for objects, sceneparsing or camvid for classes.
        data: for trees of one pixel size, since their distances are measured in metres.
        out: a folder that does not exist, or is empty.
    Raises:
        BadOutput: if it is another, or the disk fails.
        ValueError: if the data set is not one that the contest could have.
    """
    if challenge not in WRITERS or data.truth != ("classes" if challenge in SCENES else "objects"):
        raise ValueError(f"{data.name} has {data.truth}, which is no truth for {challenge}")
    if len({_file_stem(name) for name in data.names}) < len(data):
        raise ValueError(f"{data.name} has two images whose files would have one name")
    sizes: set[float | None] = set()
    folder = FolderAside(out, lambda _: False)
    with folder.guard():
        (folder.path / "images").mkdir()
        truth = WRITERS[challenge](_write_images(data, folder.path / "images", sizes), data, folder.path)
        if challenge == "trees" and len(sizes) > 1:
            raise ValueError(f"{data.name} has images of {len(sizes)} pixel sizes: wanted one for trees")
        ids, ignore = (out / name if (folder.path / name).exists() else None for name in ("ids.json", "ignore"))
    folder.commit()
    return HeldOut(
        challenge=challenge,
        images=out / "images",
        truth=out / truth,
        ids=ids,
        ignore=ignore,
        bands={role: number for number, role in enumerate(data.bands, start=1)},
        pixel_size_m=sizes.pop() if len(sizes) == 1 else None,
    )


def _file_stem(name: str) -> str:
    return name.replace("/", "_")


Named = Iterator[tuple[str, Labelled]]


def _write_images(data: DataSet, folder: Path, sizes: set[float | None]) -> Named:
    """Write each image when it is asked for, and note its pixel size."""
    for i, name in enumerate(data.names):
        sample = data.read(i)
        sizes.add(sample.pixel_size_m)
        write_image(folder / f"{_file_stem(name)}.tif", sample.image, data.bands, sample.pixel_size_m)
        yield _file_stem(name), sample


def write_image(path: Path, image: Image, bands: tuple[str, ...], pixel_size_m: float | None) -> None:
    """Write an image (H, W, bands) that states its bands and its scale, as GeoTIFF."""
    height, width, count = image.shape
    crs, east, north = SOMEWHERE
    place: dict[str, Any] = {}
    if pixel_size_m is not None:
        place = {"crs": crs, "transform": Affine(pixel_size_m, 0, east, 0, -pixel_size_m, north)}
    # A fourth band is not to be taken for transparency.
    kind = {"driver": "GTiff", "photometric": "minisblack", "compress": "deflate", "zlevel": 1}
    shape = {"height": height, "width": width, "count": count, "dtype": image.dtype}
    with quiet(), rasterio.open(path, "w", **kind, **shape, **place) as file:
        file.write(np.moveaxis(image, -1, 0))
        file.descriptions = bands


def _write_crowns(named: Named, data: DataSet, folder: Path) -> str:
    images: list[dict[str, Any]] = []
    crowns: list[dict[str, Any]] = []
    for number, (name, sample) in enumerate(named, start=1):
        assert isinstance(sample, Objects)
        height, width = sample.labels.shape
        images.append({"id": number, "file_name": f"{name}.tif", "height": height, "width": width})
        parts = cut_labels(sample.labels)
        kinds = [sample.kinds[label - 1] for label in parts] if len(data.classes) > 1 else [0] * len(parts)
        runs = encode_parts(list(parts.values()), height, width)
        columns = compress(runs), count_pixels(runs).tolist(), find_boxes(runs).tolist()
        crowns += [
            {
                "id": i,
                "image_id": number,
                "category_id": int(kind) + 1,
                "segmentation": {"size": [height, width], "counts": counts},
                "area": area,
                "bbox": box,
                "iscrowd": 0,
            }
            for i, (kind, counts, area, box) in enumerate(zip(kinds, *columns, strict=True), start=len(crowns) + 1)
        ]
        if sample.ignore.any():
            (folder / "ignore").mkdir(exist_ok=True)
            (folder / "ignore" / f"{name}.png").write_bytes(encode_scene(sample.ignore.astype(np.uint8)))
    categories = [{"id": i, "name": name} for i, name in enumerate(data.classes, start=1)]
    content = {"images": images, "categories": categories, "annotations": crowns}
    (folder / "truth.json").write_text(json.dumps(content))
    (folder / "ids.json").write_text(json.dumps({image["file_name"]: image["id"] for image in images}, indent=1))
    return "truth.json"


def _write_buildings(named: Named, data: DataSet, folder: Path) -> str:
    rows = [write_row(*COLUMNS)]
    for name, sample in named:
        assert isinstance(sample, Objects)
        parts = cut_labels(sample.labels).values()
        rows += [write_row(name, i, write_outline(draw_outline(part))) for i, part in enumerate(parts, start=1)]
        rows += [] if parts else [write_row(name, NO_BUILDING, EMPTY)]
    (folder / "truth.csv").write_text("\n".join([*rows, ""]))
    return "truth.csv"


def _write_trees(named: Named, data: DataSet, folder: Path) -> str:
    (folder / "truth").mkdir()
    points, boxes = {}, {}
    for name, sample in named:
        assert isinstance(sample, Objects)
        points[name], boxes[name] = sample.centres, sample.boxes
    # What has boxes is scored by them.
    boxed = any(map(len, boxes.values()))
    for name, places in (boxes if boxed else points).items():
        rows = [write_row(*(BOX if boxed else POINT)), *(write_row(*place) for place in places.tolist())]
        (folder / "truth" / f"{name}.csv").write_text("\n".join([*rows, ""]))
    return "truth"


def _write_scenes(named: Named, data: DataSet, folder: Path, challenge: str) -> str:
    table = match_classes(data.classes, SCENES[challenge], data.name)
    table[VOID] = SCENES[challenge].unlabelled
    (folder / "truth").mkdir()
    for name, sample in named:
        assert isinstance(sample, Scene)
        (folder / "truth" / f"{name}.png").write_bytes(encode_scene(table[sample.classes]))
    return "truth"


WRITERS: dict[str, Callable[[Named, DataSet, Path], str]] = {
    "itc": _write_crowns,
    "deepglobe": _write_buildings,
    "trees": _write_trees,
    **{challenge: partial(_write_scenes, challenge=challenge) for challenge in SCENES},
}
"""What writes the truth, and answers what it called it."""
