"""One HTML page that shows what was traced; it needs nothing but itself."""

import base64
import json
import math
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

import overtrace
from overtrace.models.card import Card
from overtrace.models.listing import pick_scores
from overtrace.raster.aside import TextAside
from overtrace.raster.source import Raster
from overtrace.trace.outlines import pack_outlines
from overtrace.trace.thumbnail import choose_factor, encode_jpeg, shrink
from overtrace.vector.attributes import Column, attributes
from overtrace.vector.tables import NO_SUMMARY, Batch, Header, Polygons

LONGEST_PX = 2400
MAX_OBJECTS = 50_000
STEPS_PER_PIXEL = 8
"""Vertices are rounded to this part of a pixel of the reduced picture."""
DIGITS = 6
PLACE_DIGITS = 12


class Report:
    """Sink for the page: the first image, reduced, and up to 50,000 of its objects.

    Of more, those with the smallest hash of their id are kept: a sample that has nothing to do with size or place, and
    that is the same in every run.
    """

    def __init__(self, path: str | Path, header: Header, raster: Raster, card: Card) -> None:
        self._header = header
        self._raster = raster
        self._card = card
        self._sample = _Sample(MAX_OBJECTS)
        self._text = TextAside(path)

    def write(self, batch: Batch) -> None:
        """Take note of the objects of the first image."""
        if batch.image == 0:
            self._sample.add(batch.polygons_px, attributes(batch, self._header))

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Read the image, compose the page and close the file.

        Args:
            summary: ``objects``, ``area_m2``, ``cover``, ``megapixels``, ``seconds`` (by stage) and others; what is
                missing is not shown.
        Raises:
            BadImage: if the image is damaged.
            BadOutput: the disk is full, or fails.
        """
        grid = self._raster.grid
        factor = choose_factor(grid.height, grid.width, LONGEST_PX)
        picture = encode_jpeg(shrink(self._raster, factor))
        polygons, columns = self._sample.sorted()
        unit = factor / STEPS_PER_PIXEL
        facts = {
            "version": overtrace.__version__,
            "image": {
                "name": self._header.images[0].name,
                "height": grid.height,
                "width": grid.width,
                "factor": factor,
                "transform": list(grid.transform)[:6],
                "crs": None if grid.crs is None else _name_of_crs(self._header),
                "pixel_size_m": grid.pixel_size_m,
            },
            "images": len(self._header.images),
            "layer": self._header.layer,
            "total": self._sample.total,
            "columns": {name: _plain(name, column) for name, column in columns.items()},
            "outlines": {"unit": unit, "packed": base64.b64encode(pack_outlines(polygons, unit)).decode("ascii")},
            "summary": dict(summary),
            "card": self._card.model_copy(update={"scores": tuple(pick_scores(self._card))}).model_dump(mode="json"),
        }
        self._text.put(_compose(facts, picture))
        self._text.close()

    def commit(self) -> None:
        """Rename the file."""
        self._text.commit()

    def abort(self) -> None:
        """Remove the file."""
        self._text.discard()


def open_report(path: str | Path, header: Header, *, raster: Raster, card: Card) -> Report:
    """Start a report, aside.

    Args:
        raster: the first image of ``header``.
    Raises:
        BadOutput: missing folder, or one that cannot be written.
    """
    return Report(path, header, raster, card)


class _Sample:
    """Objects of one image; never more than ``size`` of them, a quarter more and a batch at a time."""

    def __init__(self, size: int) -> None:
        self.total = 0
        self._size = size
        self._parts: list[tuple[Polygons, dict[str, Column]]] = []
        self._waiting = 0

    def add(self, polygons: Polygons, columns: dict[str, Column]) -> None:
        self.total += len(polygons)
        self._waiting += len(polygons)
        self._parts.append((polygons, columns))
        if self._waiting > self._size + self._size // 4:
            self._parts = [self._choose()]
            self._waiting = self._size

    def sorted(self) -> tuple[Polygons, dict[str, Column]]:
        """The objects that were kept, by id."""
        if not self._parts:
            return np.zeros(0, dtype=object), {}
        polygons, columns = self._choose()
        order = np.argsort(columns["id"], kind="stable")
        return polygons[order], {name: column[order] for name, column in columns.items()}

    def _choose(self) -> tuple[Polygons, dict[str, Column]]:
        polygons = np.concatenate([part for part, _ in self._parts])
        names = self._parts[0][1]
        columns = {name: np.concatenate([table[name] for _, table in self._parts]) for name in names}
        kept = np.argsort(_hash(columns["id"]), kind="stable")[: self._size]
        return polygons[kept], {name: column[kept] for name, column in columns.items()}


def _hash(ids: Column) -> npt.NDArray[np.uint64]:
    """Scatter ids evenly over all numbers of 64 bits, each to one of its own.

    Source:
        the finalizer of splitmix64: Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195
    """
    mixed = ids.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _plain(name: str, column: Column) -> list[object]:
    """Values for JSON, without the digits that say nothing."""
    values: list[object] = column.tolist()
    if column.dtype.kind != "f":
        return values
    digits = PLACE_DIGITS if name.startswith("centre") else DIGITS
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in column.tolist()]


def _name_of_crs(header: Header) -> str:
    assert header.crs is not None
    authority = header.crs.to_authority()
    return ":".join(authority) if authority else "own CRS"


def _compose(facts: Mapping[str, object], picture: bytes) -> str:
    """Fill the page: style, script, facts and picture are all within it."""
    folder = resources.files("overtrace.trace") / "page"
    page = (folder / "page.html").read_text(encoding="utf-8")
    # "<" as an escape, so that no name in the facts can end the script element that holds them.
    parts = {
        "style": (folder / "page.css").read_text(encoding="utf-8"),
        "script": (folder / "page.js").read_text(encoding="utf-8"),
        "facts": json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c"),
        "picture": base64.b64encode(picture).decode("ascii"),
    }
    return re.sub("%(style|script|facts|picture)%", lambda match: parts[match[1]], page)
