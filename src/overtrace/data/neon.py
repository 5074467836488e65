"""Conifers of Yellowstone seen by NEON's aircraft: a box a crown.

Coverage: 2 tiles of forest and meadow at 0.1 m (2299x2472 and 1249x1035 pixels), red, green, blue.
Truth: 853 boxes in Pascal VOC XML beside the images; every crown has one, dead trees too.
Layout: ``2019_YELL_2_528000_4978000_image_crop2.jpg`` and ``.xml``, and the same of the other tile.
Splits: ours, see ``LEARNED``, ``TUNED`` and ``MEASURED``.
Licence: MIT, as shipped in DeepForest (Weinstein et al. 2019, https://github.com/weecology/DeepForest); NEON imagery.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from overtrace.data.files import digest, read_rgb
from overtrace.data.labelled import DataSet, Labels, Objects
from overtrace.data.targets import peakedness
from overtrace.errors import BadData

PIXEL_SIZE_M = 0.1
LARGE = "2019_YELL_2_528000_4978000_image_crop2"
SMALL = "2019_YELL_2_541000_4977000_image_crop"


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of a tile, in pixels: ``rows`` and ``cols`` are half-open."""

    tile: str
    rows: tuple[int, int]
    cols: tuple[int, int]

    @property
    def name(self) -> str:
        """Tile and rectangle."""
        return f"{self.tile} rows {self.rows[0]}-{self.rows[1]} cols {self.cols[0]}-{self.cols[1]}"


# The large tile is cut across its middle: the south is learned, the north is measured, and 10 m between them, about
# the widest crown, belong to neither. The west of the small tile tunes the thresholds.
LEARNED = (Part(LARGE, (1286, 2472), (0, 2299)), Part(SMALL, (0, 1035), (450, 1249)))
TUNED = (Part(SMALL, (0, 1035), (0, 400)),)
MEASURED = (Part(LARGE, (0, 1186), (0, 2299)),)


@dataclass(frozen=True, slots=True)
class _Reader:
    folder: Path
    parts: tuple[Part, ...]

    def __call__(self, i: int) -> Objects:
        return read_part(self.folder, self.parts[i])


def open_neon(folder: Path, *, parts: Literal["learned", "tuned", "measured"]) -> DataSet:
    """The parts of the tiles that are for one purpose.

    Raises:
        BadData: if an image or its boxes are missing.
    """
    chosen = {"learned": LEARNED, "tuned": TUNED, "measured": MEASURED}[parts]
    files = sorted({folder / f"{part.tile}{suffix}" for part in chosen for suffix in (".jpg", ".xml")})
    for path in files:
        if not path.is_file():
            raise BadData(f"{path} does not exist: wanted the image and the boxes of a tile beside each other")
    return DataSet(
        name=f"NEON Yellowstone {parts}",
        truth="objects",
        classes=("tree",),
        bands=("red", "green", "blue"),
        names=tuple(part.name for part in chosen),
        read=_Reader(folder, chosen),
        facts=digest(files, {"reader": "neon", "parts": parts}),
    )


def read_part(folder: Path, part: Part) -> Objects:
    """Crowns drawn as ellipses in their boxes; of overlapping ones a pixel goes to the one it is deeper in.

    Boxes are cut at the edges of the part, and crowns left out that do not show in it.
    """
    whole = read_rgb(folder / f"{part.tile}.jpg")
    boxes = read_boxes(folder / f"{part.tile}.xml")
    labels = ellipses(boxes, whole.shape[:2])
    centres = (boxes[:, :2] + boxes[:, 2:] - 1) / 2
    where = np.s_[slice(*part.rows), slice(*part.cols)]
    shown, place = np.unique(labels[where], return_inverse=True)
    height, width = place.shape
    offset = [part.cols[0], part.rows[0]]
    kept = np.clip(boxes[shown[shown > 0] - 1] - np.tile(offset, 2), 0, [width, height, width, height])
    return Objects(
        name=part.name,
        pixel_size_m=PIXEL_SIZE_M,
        image=whole[where].copy(),
        labels=(place + (shown[0] > 0)).astype(np.int32),
        centres=(kept[:, :2] + kept[:, 2:] - 1) / 2,
        boxes=kept,
        peaks=peakedness(labels, centres)[where].copy(),
        ignore=np.zeros((height, width), bool),
        kinds=np.zeros(len(kept), np.int64),
    )


def read_boxes(path: Path) -> NDArray[np.float64]:
    """(n, 4) left, top, right, bottom in pixels, in the order of the file."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    try:
        found = ElementTree.parse(path).iter("bndbox")
        return np.array([[float(box.findtext(corner, "")) for corner in corners] for box in found]).reshape(-1, 4)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise BadData(f"{path} cannot be read as boxes: {error}: wanted Pascal VOC XML") from error


def ellipses(boxes: NDArray[np.float64], shape: tuple[int, ...]) -> Labels:
    """(H, W) labels from 1 in the order of ``boxes``; each ellipse touches the four sides of its box."""
    labels = np.zeros(shape, np.int32)
    depth = np.full(shape, 1.0)
    for label, (left, top, right, bottom) in enumerate(boxes, start=1):
        where = np.s_[max(int(top), 0) : int(np.ceil(bottom)), max(int(left), 0) : int(np.ceil(right))]
        rows, cols = np.indices(labels[where].shape, sparse=True)  # type: ignore[misc]
        along = (rows + where[0].start + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
        across = (cols + where[1].start + 0.5 - (left + right) / 2) / ((right - left) / 2)
        radius = across**2 + along**2
        inside = radius < depth[where]
        labels[where][inside] = label
        depth[where][inside] = radius[inside]
    return labels
