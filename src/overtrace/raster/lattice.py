"""Which pixels a model window reads, and which of them it answers for.

Tiling is worked out along one axis and then multiplied out, so each rule is written, and tested, once.
Windows lie on a fixed lattice that starts at pixel (0, 0), so a pixel's answer never depends on the block it is in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from overtrace.raster.grid import Box, Grid


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels along one axis: ``read`` goes to the model and may overhang, ``keep`` goes to the output."""

    read: range
    keep: range


@dataclass(frozen=True, slots=True)
class Window:
    """A square that the model reads, and the part of it that it answers for."""

    read: Box
    keep: Box


@dataclass(frozen=True, slots=True)
class Block:
    """A whole number of lattice cells: the unit of work."""

    index: int
    core: Box
    """The pixels this block answers for; the cores of all blocks tile the image."""
    windows: tuple[Window, ...]
    """Row by row; their ``keep`` boxes tile the core."""

    @property
    def read(self) -> Box:
        """The pixels that its windows read together; may overhang the image."""
        first, last = self.windows[0].read, self.windows[-1].read
        return Box(first.row, first.col, last.row + last.height - first.row, last.col + last.width - first.col)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Model windows of ``size`` pixels, each answering for all but ``margin`` pixels at its four sides."""

    size: int
    margin: int
    fit: int = 0
    """If not 0: an axis that fits into one window is read by one, which answers for all of it; it is as long as the
    next multiple of this."""

    def __post_init__(self) -> None:
        if self.margin < 0 or self.stride < 1:
            raise ValueError(f"a margin of {self.margin} pixels leaves nothing of a window of {self.size}")

    @property
    def stride(self) -> int:
        """Pixels from one window to the next."""
        return self.size - 2 * self.margin

    def cover(self, length: int) -> list[Span]:
        """The spans that together keep each of ``length`` pixels once."""
        if self.fit and length <= self.size:
            return [Span(read=range(-(-length // self.fit) * self.fit), keep=range(length))]
        return [
            Span(
                read=range(start - self.margin, start - self.margin + self.size),
                keep=range(start, min(start + self.stride, length)),
            )
            for start in range(0, length, self.stride)
        ]

    def blocks(self, grid: Grid, block: int) -> "Blocks":
        """Blocks of at least ``block`` pixels a side, rounded up to whole cells, row by row.

        Raises:
            ValueError: if ``block`` is not at least one pixel.
        """
        if block < 1:
            raise ValueError(f"a block of {block} pixels is empty")
        return Blocks(self._groups(grid.height, block), self._groups(grid.width, block))

    def _groups(self, length: int, block: int) -> list[list[Span]]:
        """The spans of one axis, as many in each group as a block holds."""
        cells = -(-block // self.stride)
        spans = self.cover(length)
        return [spans[first : first + cells] for first in range(0, len(spans), cells)]


class Blocks(Sequence[Block]):
    """The blocks of an image, row by row, each made when it is asked for: a country has a million of them."""

    def __init__(self, rows: list[list[Span]], cols: list[list[Span]]) -> None:
        """Args:
        rows: the spans of each row of blocks; ``cols`` likewise.
        """
        self._rows = rows
        self._cols = cols

    @property
    def down(self) -> int:
        """Rows of blocks."""
        return len(self._rows)

    @property
    def across(self) -> int:
        """Blocks in one row."""
        return len(self._cols)

    def __len__(self) -> int:
        return self.down * self.across

    @overload
    def __getitem__(self, index: int) -> Block: ...

    @overload
    def __getitem__(self, index: slice) -> list[Block]: ...

    def __getitem__(self, index: int | slice) -> Block | list[Block]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        index = range(len(self))[index]
        row, col = divmod(index, self.across)
        return _block(index, self._rows[row], self._cols[col])


def _block(index: int, rows: list[Span], cols: list[Span]) -> Block:
    core = _box(range(rows[0].keep.start, rows[-1].keep.stop), range(cols[0].keep.start, cols[-1].keep.stop))
    windows = tuple(Window(_box(row.read, col.read), _box(row.keep, col.keep)) for row in rows for col in cols)
    return Block(index, core, windows)


def _box(rows: range, cols: range) -> Box:
    return Box(rows.start, cols.start, len(rows), len(cols))
