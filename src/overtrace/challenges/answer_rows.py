"""Objects as the rows of the files that contests take."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import shapely

from overtrace.challenges.footprint_files import COLUMNS, EMPTY, NO_BUILDING
from overtrace.challenges.found import Found
from overtrace.challenges.pictures import Picture
from overtrace.challenges.shapes import draw_outline
from overtrace.challenges.tree_files import BOX, POINT
from overtrace.scoring.rle import compress, encode_parts

SCORE_DECIMALS = 6
POINT_DECIMALS = 3


@dataclass(frozen=True, slots=True)
class Form:
    """A file of rows, each on a line of its own."""

    suffix: str
    """Of the name of the file, by which its readers know it."""
    opening: str
    between: str
    """What ends each row but the last."""
    closing: str
    write: Callable[[Picture, Found], list[str]]
    """The rows of an image."""


def _write_crowns(picture: Picture, found: Found) -> list[str]:
    """COCO results; without boxes, as its measure would take areas from them."""
    size = [found.height, found.width]
    counts = compress(encode_parts(found.parts, found.height, found.width))
    return [
        json.dumps(
            {
                "image_id": picture.number,
                "category_id": label + 1,
                "segmentation": {"size": size, "counts": text},
                "score": round(score, SCORE_DECIMALS),
            },
            separators=(",", ":"),
        )
        for text, label, score in zip(counts, found.classes.tolist(), found.scores.tolist(), strict=True)
    ]


def _write_buildings(picture: Picture, found: Found) -> list[str]:
    if not found.parts:
        return [write_row(picture.name, NO_BUILDING, EMPTY, 1)]
    outlines = [write_outline(draw_outline(part)) for part in found.parts]
    return [
        write_row(picture.name, number, outline, round(score, SCORE_DECIMALS))
        for number, (outline, score) in enumerate(zip(outlines, found.scores.tolist(), strict=True), 1)
    ]


def _write_trees(picture: Picture, found: Found) -> list[str]:
    # Readers take off an extension, and would take a part of a name that has a point.
    name = Path(picture.raster.name).name
    rows = []
    for (x, y), (mask, row, col), score in zip(found.points.tolist(), found.parts, found.scores.tolist(), strict=True):
        point = round(x, POINT_DECIMALS), round(y, POINT_DECIMALS)
        box = col, row, col + mask.shape[1], row + mask.shape[0]
        rows.append(write_row(name, *point, *box, round(score, SCORE_DECIMALS)))
    return rows


def write_outline(outline: shapely.Polygon) -> str:
    """Text of a polygon in pixel corners; the Java tester knows a hole by ``),(``, without a space."""
    text: str = shapely.to_wkt(outline, rounding_precision=0, trim=True)
    return text.replace(", ", ",")


def write_row(*values: object) -> str:
    """A row of CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


CROWNS = Form(".json", "[", ",", "\n]\n", _write_crowns)
BUILDINGS = Form(".csv", write_row(*COLUMNS, "Confidence"), "", "\n", _write_buildings)
TREES = Form(".csv", write_row("image", *POINT, *BOX, "score"), "", "\n", _write_trees)
