"""All that a worker must know of one image to work on any of its blocks."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from overtrace.decode.flood import halo_px
from overtrace.decode.parameters import Parameters
from overtrace.models.runtime import Runtime
from overtrace.raster.grid import Box, overlap
from overtrace.raster.lattice import Block, Lattice
from overtrace.raster.view import View


@dataclass(frozen=True)
class Job:
    """One image, one model, one set of parameters; can be pickled."""

    view: View
    model: Path
    runtime: Runtime
    workers: int
    """Threads that run the network at the same time in one process."""
    lattice: Lattice
    block: int
    parameters: Parameters
    simplify_px: float
    """In pixels of the view; 0 keeps every corner."""
    keep_labels: bool
    """Whether the labels themselves are wanted, for a label raster."""
    folder: Path
    """Where the work on this image is kept."""

    @cached_property
    def blocks(self) -> list[Block]:
        """Row by row."""
        return self.lattice.blocks(self.view.grid, self.block)

    @cached_property
    def blocks_across(self) -> int:
        """Blocks in one row of blocks."""
        return sum(block.core.row == 0 for block in self.blocks)

    def neighbours(self, block: Block) -> list[Block]:
        """The blocks that the halo of a block reaches, itself among them, in order."""
        return [other for other in self._near(block) if overlap(other.core, self.halo_box(block)) is not None]

    def _near(self, block: Block) -> list[Block]:
        reach = (
            -(-halo_px(self.parameters) // self.blocks[0].core.height),
            -(-halo_px(self.parameters) // self.blocks[0].core.width),
        )
        row, col = divmod(block.index, self.blocks_across)
        rows = range(max(row - reach[0], 0), min(row + reach[0] + 1, len(self.blocks) // self.blocks_across))
        cols = range(max(col - reach[1], 0), min(col + reach[1] + 1, self.blocks_across))
        return [self.blocks[r * self.blocks_across + c] for r in rows for c in cols]

    def halo_box(self, block: Block) -> Box:
        """The core of a block and its halo, cut at the edges of the image."""
        halo, core, grid = halo_px(self.parameters), block.core, self.view.grid
        top, left = max(core.row - halo, 0), max(core.col - halo, 0)
        bottom = min(core.row + core.height + halo, grid.height)
        right = min(core.col + core.width + halo, grid.width)
        return Box(top, left, bottom - top, right - left)

    def planes_file(self, block: Block) -> Path:
        """What the network said of a block, and its seeds."""
        return self.folder / f"planes-{block.index:07d}"

    def outlines_file(self, block: Block) -> Path:
        """The polygons of a block, and the pieces of those that go on in others."""
        return self.folder / f"outlines-{block.index:07d}"

    def labels_file(self, block: Block) -> Path:
        """The labels of a block."""
        return self.folder / f"labels-{block.index:07d}"

    @property
    def ids_file(self) -> Path:
        """The id of each seed of each block."""
        return self.folder / "ids"
