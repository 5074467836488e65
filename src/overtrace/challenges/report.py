"""One HTML page that says what a score hides; it needs nothing but itself."""

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import LinearRing

from overtrace import __version__
from overtrace.challenges.challenge import Row, Verdict
from overtrace.challenges.evidence import (
    Curve,
    Evidence,
    LabelPicture,
    Outline,
    Picture,
    Reliability,
    Ring,
    Table,
    Tally,
)
from overtrace.challenges.photos import Photo, Photos, encode_labels
from overtrace.raster.aside import TextAside

DIGITS = 6
LARGEST_EXACT = 2**53
"""Larger whole numbers lose digits in a browser; they become text."""
MOST_CLASSES_SHOWN = 12
MOST_VERTICES = 40_000
"""Of a picture; twelve of them take some 4 MB."""
LEAST_CORNERS = 4
SHOWN_PX = 1000
MARGIN = 0.05
"""Around outlines whose image has no size and no photo."""
RIGHT, WRONG = (58, 66, 61), (255, 176, 0)
JUDGED: Mapping[int, tuple[int, int, int]] = {0: (0, 0, 0), 1: RIGHT, 2: WRONG}


def write_report(path: Path, verdict: Verdict, photos: Photos | None = None) -> None:
    """Write the page aside, then rename it.

    Args:
        path: of the HTML file.
        verdict: whose evidence is asked for here.
        photos: what the pictures are drawn over; without them over a plain ground.
    Raises:
        BadOutput: missing folder, full disk.
    """
    text = TextAside(path)
    try:
        text.put(compose(verdict, verdict.explain(), photos))
    except BaseException:
        text.discard()
        raise
    text.close()
    text.commit()


def compose(verdict: Verdict, evidence: Evidence, photos: Photos | None = None) -> str:
    """The page: style, script and facts are all within it."""
    facts = {
        "protocol": verdict.protocol,
        "profile": verdict.profile,
        "version": __version__,
        "score": repr(float(verdict.score)),
        "notes": evidence.notes,
        "parts": {**_columns(evidence.parts), "shares": evidence.shares},
        "images": _columns([{**own, **more} for own, more in zip(verdict.images, evidence.images, strict=True)]),
        "curves": [_curve(curve) for curve in evidence.curves],
        "kinds": evidence.kinds,
        "tallies": [_tally(tally) for tally in evidence.tallies],
        "reliability": _reliability(evidence.reliability),
        "tables": [_table(table) for table in evidence.tables],
        "pictures": [_picture(picture, photos) for picture in evidence.pictures],
        "labelPictures": [_label_picture(picture, evidence, photos) for picture in evidence.label_pictures],
        "photosAsked": photos is not None,
    }
    folder = resources.files("overtrace.challenges") / "page"
    # "<" as an escape, so that no name in the facts can end the script element that holds them.
    written = json.dumps(_plain(facts), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "style": (folder / "page.css").read_text(encoding="utf-8"),
        "charts": (folder / "charts.js").read_text(encoding="utf-8"),
        "script": (folder / "page.js").read_text(encoding="utf-8"),
        "facts": written,
    }
    page = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub("%(style|charts|script|facts)%", lambda match: parts[match[1]], page)


def _plain(value: Any) -> Any:
    """Values for JSON: no nan, no number that a browser cannot hold, no digits that say nothing."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, int) and abs(value) > LARGEST_EXACT:
        return str(value)
    return value


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows as columns, which take a fraction of the room."""
    names = list(rows[0]) if rows else []
    return {"names": names, "columns": [[row[name] for row in rows] for name in names]}


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "name": curve.name,
        "recall": curve.recall,
        "ious": curve.ious,
        "precision": curve.precision,
        "scores": curve.scores,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {"title": tally.title, "by": tally.by, "rows": tally.rows, "kinds": tally.kinds, "counts": tally.counts}


def _reliability(found: Reliability | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "edges": found.edges,
        "detections": found.detections,
        "hits": found.hits,
        "confidence": found.confidence,
    }


def _table(table: Table) -> dict[str, Any]:
    return {"title": table.title, "note": table.note, **_columns(table.rows), "shares": table.shares}


def _picture(picture: Picture, photos: Photos | None) -> dict[str, Any]:
    """With its photo, and outlines as paths in pixels of the image."""
    photo = None if photos is None else photos.read(picture.name, picture.part, picture.size)
    frame, paths = trace_paths(picture, photo)
    return {
        "part": picture.part,
        "name": picture.name,
        "row": picture.row,
        "note": picture.note,
        "frame": frame,
        "photo": _url("jpeg", photo.jpeg) if isinstance(photo, Photo) else None,
        "why": photo if isinstance(photo, str) else None,
        "outlines": [[one.layer, one.told, path] for one, path in paths],
    }


Frame = tuple[float, float, float, float]
"""Left, top, width and height, in pixels of the image."""


def trace_paths(picture: Picture, photo: Photo | str | None) -> tuple[Frame, list[tuple[Outline, str]]]:
    """What of an image is shown, and its outlines as paths of SVG."""
    left, top, width, height = _frame(picture, photo)
    # A tenth of what is shown of a pixel on the page.
    digits = max(0, 1 - math.floor(math.log10(max(width, height) / 1000)))
    thinned = zip(picture.outlines, _thin(picture.outlines, max(width, height)), strict=True)
    paths = [(one, "".join(_ring(ring, digits) for ring in rings)) for one, rings in thinned if rings]
    return (left, top, width, height), paths


def _frame(picture: Picture, photo: Photo | str | None) -> Frame:
    if picture.size is not None:
        return 0, 0, picture.size[1], picture.size[0]
    if isinstance(photo, Photo):
        return 0, 0, photo.width, photo.height
    corners = [ring for outline in picture.outlines for ring in outline.rings]
    if not corners:
        return 0, 0, 1, 1
    low, high = np.concatenate(corners).min(axis=0), np.concatenate(corners).max(axis=0)
    around = max(MARGIN * float((high - low).max()), 1.0)
    (left, top), (width, height) = (low - around).tolist(), (high - low + 2 * around).tolist()
    return left, top, width, height


def _thin(outlines: Sequence[Outline], longest: float) -> list[tuple[Ring, ...]]:
    """The rings of each outline, simplified until a page can hold them, or until it would be seen."""
    thinned = [outline.rings for outline in outlines]
    for coarse in (1, 2, 4, 8):
        if sum(len(ring) for rings in thinned for ring in rings) <= MOST_VERTICES:
            break
        thinned = [tuple(_simplify(ring, coarse * longest / SHOWN_PX) for ring in rings) for rings in thinned]
    return thinned


def _simplify(ring: Ring, coarse: float) -> Ring:
    return ring if len(ring) <= LEAST_CORNERS else shapely.get_coordinates(LinearRing(ring).simplify(coarse))[:-1]


def _ring(ring: Ring, digits: int) -> str:
    """For SVG; a single vertex is a line of no length, which is drawn as a dot."""
    corners = " ".join(f"{_short(x, digits)} {_short(y, digits)}" for x, y in ring.tolist())
    return f"M{corners}{'h0' if len(ring) == 1 else 'Z'}"


def _short(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def _label_picture(picture: LabelPicture, evidence: Evidence, photos: Photos | None) -> dict[str, Any]:
    """Truth, answer and what is wrong, each as a PNG of few colours."""
    photo = None if photos is None else photos.read(picture.name, "", picture.truth.shape)
    names, colours = evidence.class_names, evidence.class_colours
    sizes = [np.bincount(labels.ravel(), minlength=256) for labels in (picture.truth, picture.answer)]
    largest = [
        int(label) for label in np.argsort(-np.sum(sizes, axis=0), kind="stable") if sum(s[label] for s in sizes)
    ]
    return {
        "name": picture.name,
        "row": picture.row,
        "note": picture.note,
        "photo": _url("jpeg", photo.jpeg) if isinstance(photo, Photo) else None,
        "why": photo if isinstance(photo, str) else None,
        "truth": _url("png", encode_labels(picture.truth, colours)),
        "answer": _url("png", encode_labels(picture.answer, colours)),
        "wrong": _url("png", encode_labels(picture.wrong, JUDGED)),
        "classes": [
            [names[label], f"#{bytes(colours[label]).hex()}", *(int(size[label]) for size in sizes)]
            for label in largest[:MOST_CLASSES_SHOWN]
        ],
    }


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
