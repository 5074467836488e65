"""All that a worker must know of one image to work on any of its blocks."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from overtrace.decode.flood import halo_px
from overtrace.decode.parameters import Parameters
from overtrace.models.card import DetectParameters
from overtrace.models.runtime import Runtime
from overtrace.raster.grid import Box
from overtrace.raster.lattice import Block, Lattice
from overtrace.raster.source import clip
from overtrace.raster.view import View


@dataclass(frozen=True)
class Job:
    """One image, one model, one set of parameters; can be pickled."""

    view: View
    model: Path
    runtime: Runtime
    views: int
    workers: int
    """Threads that run the network at the same time in one process."""
    task: str
    """That of the model, and so the method: see ``overtrace.trace.methods``."""
    lattice: Lattice
    block: int
    parameters: Parameters
    detect: DetectParameters
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
        return self.blocks_in(self.halo_box(block))

    def blocks_in(self, box: Box) -> list[Block]:
        """The blocks whose cores share pixels with a box inside the image, in order."""
        first = self.blocks[0].core
        rows = range(box.row // first.height, (box.row + box.height - 1) // first.height + 1)
        cols = range(box.col // first.width, (box.col + box.width - 1) // first.width + 1)
        return [self.blocks[row * self.blocks_across + col] for row in rows for col in cols]

    def halo_box(self, block: Block) -> Box:
        """The core of a block and its halo, cut at the edges of the image."""
        return self.widen(block.core, halo_px(self.parameters))

    def widen(self, box: Box, by_px: int) -> Box:
        """A box with some pixels more at each side, cut at the edges of the image."""
        wide = Box(box.row - by_px, box.col - by_px, box.height + 2 * by_px, box.width + 2 * by_px)
        return clip(wide, self.view.grid)

    def answer_file(self, block: Block) -> Path:
        """What the network said of a block."""
        return self.folder / f"answer-{block.index:07d}"

    def outlines_file(self, block: Block) -> Path:
        """The polygons of a block, and the pieces of those that go on in others."""
        return self.folder / f"outlines-{block.index:07d}"

    def labels_file(self, block: Block) -> Path:
        """The labels of a block."""
        return self.folder / f"labels-{block.index:07d}"

    @property
    def ids_file(self) -> Path:
        """The id of each seed, or of each detection, of each block."""
        return self.folder / "ids"
