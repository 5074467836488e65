"""GeoParquet in a folder of parts: objects that lie near each other are in one file, and none grows without bounds."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely

from overtrace.raster.aside import FolderAside
from overtrace.vector.parquet import GeoParquet
from overtrace.vector.tables import NO_SUMMARY, Batch, Header

CELL_PX = 8192
"""Side of the square of an image whose objects are in one file."""
MOST_ROWS = 250_000
"""Of a file."""
ROWS_IN_GROUP = 4096
LIST = "parts.json"
NAME = re.compile(r"part-\d{5}-\d{4,}-\d{4,}-\d+\.parquet|" + re.escape(LIST))

Cell = tuple[int, int, int]
"""Number of the image, row and column of the square."""


@dataclass(slots=True)
class _Part:
    name: str
    sink: GeoParquet
    rows: int = 0
    bounds: list[float] = field(default_factory=lambda: [np.inf, np.inf, -np.inf, -np.inf])

    def add(self, batch: Batch) -> None:
        self.sink.write(batch)
        self.rows += len(batch)
        sides = zip((min, min, max, max), self.bounds, shapely.total_bounds(batch.polygons).tolist(), strict=True)
        self.bounds = [further(known, came) for further, known, came in sides]


class Parts:
    """Sink for a folder: an object is in the file of the square that the centre of its box lies in.

    ``parts.json`` lists the files with their rows and boxes. Objects come from the top down, so a file is closed once
    they come from two rows of squares further down; one that comes later begins another.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._header = header
        self._folder = FolderAside(path, _is_ours)
        self._open: dict[Cell, _Part] = {}
        self._count: dict[Cell, int] = {}
        self._done: list[dict[str, object]] = []

    def write(self, batch: Batch) -> None:
        """Add the rows of a batch to the files of their squares."""
        if not len(batch):
            return
        with self._folder.guard():
            left, top, right, bottom = shapely.bounds(batch.polygons_px).T
            cells = np.stack([(top + bottom) / 2, (left + right) / 2], axis=1).astype(np.int64) // CELL_PX
            found, which = np.unique(cells, axis=0, return_inverse=True)
            for i, (row, col) in enumerate(found.tolist()):
                self._add((batch.image, row, col), batch.take(np.flatnonzero(which.ravel() == i)))
            newest = (batch.image, int(found[-1, 0]) - 1)
            for cell in [cell for cell in self._open if cell[:2] < newest]:
                self._close(cell)

    def finish(self, summary: Mapping[str, object] = NO_SUMMARY) -> None:
        """Close all files and list them."""
        with self._folder.guard():
            for cell in list(self._open):
                self._close(cell)
            parts = sorted(self._done, key=lambda part: str(part["file"]))
            (self._folder.path / LIST).write_text(json.dumps({"parts": parts}, indent=1) + "\n")

    def commit(self) -> None:
        """Put the folder in its place."""
        self._folder.commit()

    def abort(self) -> None:
        """Remove the folder."""
        for part in self._open.values():
            part.sink.abort()
        self._open.clear()
        self._folder.discard()

    def _add(self, cell: Cell, batch: Batch) -> None:
        while len(batch):
            part = self._open.get(cell) or self._begin(cell)
            now, later = np.split(np.arange(len(batch)), [MOST_ROWS - part.rows])
            part.add(batch.take(now))
            batch = batch.take(later)
            if part.rows == MOST_ROWS:
                self._close(cell)

    def _begin(self, cell: Cell) -> "_Part":
        number = self._count[cell] = self._count.get(cell, -1) + 1
        name = f"part-{cell[0]:05d}-{cell[1]:04d}-{cell[2]:04d}-{number}.parquet"
        part = self._open[cell] = _Part(name, GeoParquet(self._folder.path / name, self._header, ROWS_IN_GROUP))
        return part

    def _close(self, cell: Cell) -> None:
        part = self._open.pop(cell)
        part.sink.finish()
        part.sink.commit()
        self._done.append({"file": part.name, "rows": part.rows, "bbox": part.bounds})


def _is_ours(folder: Path) -> bool:
    return all(NAME.fullmatch(file.name) for file in folder.iterdir())
