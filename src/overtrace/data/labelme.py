"""Images labelled by hand with labelme: a JSON beside each image.

Coverage, pixel size and licence: those of whoever drew; the pixel size is in no file.
Sizes: a picture that was made smaller after it was drawn on may have a JSON that still tells the former size. Where all
shapes lie within the picture as it is, that is noted and the picture believed; else it is an error.
Truth: ``shapes`` with a ``label``; polygons, rectangles (two corners) and circles (centre and a point of the rim), in
pixels from the upper left corner of the image. Shapes of one label and one ``group_id`` are one object in parts.
Layout: an image and its JSON lie in one folder; the JSON names the image in ``imagePath``.

    frame_1.jpg
    frame_1.json    {"version": "5.0.1", "flags": {}, "imagePath": "frame_1.jpg", "imageHeight": 540,
                     "imageWidth": 960, "imageData": null,
                     "shapes": [{"label": "building", "points": [[2, 1], [9, 1], [9, 7]], "group_id": null,
                                 "shape_type": "polygon", "flags": {}}]}

Citation: Wada, labelme: Image Polygonal Annotation with Python, https://github.com/wkentaro/labelme
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from overtrace.data.drawing import draw_polygons, make_objects
from overtrace.data.files import (
    PICTURES,
    digest,
    list_files,
    measure_picture,
    read_json,
    read_rgb,
    tell_few,
    tell_left_out,
)
from overtrace.data.labelled import DataSet, Objects
from overtrace.errors import BadData

DRAWN = ("polygon", "rectangle", "circle")
SLACK_PX = 1
"""By so much a hand may slip over the edge."""
LEAST_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2}


def open_labelme(
    folder: Path,
    *,
    classes: Sequence[str] | None = None,
    pixel_size_m: float | None = None,
) -> DataSet:
    """The images of a folder that have a JSON of labelme.

    Args:
        classes: labels that are objects; all that are there, if not told. Other labels are left out, with a note.
        pixel_size_m: of all images, if it is known.
    Raises:
        BadData: if a JSON is not labelme's, two are of one image, or none has an image.
    """
    pictures = {path.name: path for path in list_files(folder, PICTURES)}
    pages = [_read_page(path) for path in list_files(folder, (".json",))]
    _refuse_twins(pages)
    paired = sorted((page for page in pages if page.image in pictures), key=lambda page: page.image)
    lost = [page.path.name for page in pages if page.image not in pictures]
    if not paired:
        found = f"{len(pictures):,} pictures and {len(pages):,} .json files, of which none belong together"
        raise BadData(f"{folder} holds {found}: wanted X.jpg beside X.json, as labelme writes it")
    strays = sorted(set(pictures) - {page.image for page in paired})
    labels = Counter(shape.label for page in paired for shape in page.shapes)
    chosen = tuple(sorted(labels)) if classes is None else tuple(classes)
    others = [f"{count:,} {label}" for label, count in sorted(labels.items()) if label not in chosen]
    resized = [page.image for page in paired if measure_picture(pictures[page.image]) not in (page.size, None)]
    kinds = Counter(kind for page in paired for kind in page.others)
    names = tuple(PurePosixPath(page.image).stem for page in paired)
    files = [pictures[page.image] for page in paired]
    options = {"reader": "labelme", "classes": chosen, "pixel_size_m": pixel_size_m}
    return DataSet(
        name=folder.absolute().name,
        truth="objects",
        classes=chosen,
        bands=("red", "green", "blue"),
        names=names,
        read=_Reader(tuple(files), tuple(paired), names, chosen, pixel_size_m),
        notes=(
            *tell_left_out(lost, ".json files without their image are"),
            *tell_left_out(strays, "images without a .json are"),
            *(
                f"{len(resized):,} images are not of the size that their .json says: {tell_few(resized)}"
                for _ in resized[:1]
            ),
            *tell_left_out(others, "labels that are no class are"),
            *tell_left_out([f"{count:,} {kind}" for kind, count in sorted(kinds.items())], "kinds of shapes are"),
        ),
        facts=digest([*files, *(page.path for page in paired)], options),
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    label: str
    polygon: shapely.Geometry
    group: int | None


@dataclass(frozen=True, slots=True)
class _Page:
    """What one JSON says."""

    path: Path
    image: str
    """Name of the file."""
    size: tuple[int, int]
    """Height and width that it states."""
    shapes: tuple[_Shape, ...]
    others: tuple[str, ...]
    """Kinds of the shapes that enclose nothing."""


@dataclass(frozen=True, slots=True)
class _Reader:
    files: tuple[Path, ...]
    pages: tuple[_Page, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    pixel_size_m: float | None

    def __call__(self, i: int) -> Objects:
        page = self.pages[i]
        size = measure_picture(self.files[i])
        image = read_rgb(self.files[i], size if size and _lie_within(page.shapes, size) else page.size, upright=True)
        polygons, kinds = _unite(page.shapes, self.classes)
        labels = draw_polygons(polygons, *image.shape[:2])
        return make_objects(self.names[i], self.pixel_size_m, image, labels, np.zeros(labels.shape, bool), kinds)


def _lie_within(shapes: Sequence[_Shape], size: tuple[int, int]) -> bool:
    height, width = size
    frame = shapely.box(-SLACK_PX, -SLACK_PX, width + SLACK_PX, height + SLACK_PX)
    return all(frame.covers(shape.polygon) for shape in shapes)


def _unite(shapes: Sequence[_Shape], classes: Sequence[str]) -> tuple[list[shapely.Geometry], NDArray[np.int64]]:
    """Objects, those of several parts made one, and their classes."""
    objects: dict[object, list[_Shape]] = {}
    for i, shape in enumerate(shapes):
        if shape.label in classes:
            objects.setdefault(i if shape.group is None else (shape.label, shape.group), []).append(shape)
    polygons = [shapely.union_all([shape.polygon for shape in parts]) for parts in objects.values()]
    return polygons, np.array([classes.index(parts[0].label) for parts in objects.values()], np.int64)


def _refuse_twins(pages: Sequence[_Page]) -> None:
    first: dict[str, Path] = {}
    for page in pages:
        if first.setdefault(page.image, page.path) != page.path:
            raise BadData(f"{page.path} and {first[page.image].name} are both of {page.image}: keep one of them")


def _read_page(path: Path) -> _Page:
    content = read_json(path)
    try:
        image = PurePosixPath(content["imagePath"].replace("\\", "/")).name
        size = int(content["imageHeight"]), int(content["imageWidth"])
        found = [(shape.get("shape_type") or "polygon", shape) for shape in content["shapes"]]
        shapes = tuple(_read_shape(kind, shape) for kind, shape in found if kind in DRAWN)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{error!r}" if isinstance(error, KeyError) else str(error)
        raise BadData(f"{path} is no file of labelme ({reason}): wanted imagePath, its size and shapes") from error
    return _Page(path, image, size, shapes, tuple(kind for kind, _ in found if kind not in DRAWN))


def _read_shape(kind: str, shape: dict[str, Any]) -> _Shape:
    points = np.array(shape["points"], np.float64).reshape(-1, 2)
    label, group = str(shape["label"]), shape.get("group_id")
    if len(points) < LEAST_POINTS[kind]:
        raise ValueError(f"a {kind} labelled {label} has {len(points)} points")
    if not np.isfinite(points).all():
        raise ValueError(f"a {kind} labelled {label} has a point that is no number")
    if kind == "circle":
        polygon = shapely.Point(points[0]).buffer(float(np.hypot(*(points[1] - points[0]))), quad_segs=32)
    elif kind == "rectangle":
        polygon = shapely.box(*points.min(axis=0), *points.max(axis=0))
    else:
        polygon = shapely.make_valid(shapely.Polygon(points))
    return _Shape(label, polygon, group)
