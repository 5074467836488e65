"""All that a worker must know of one image to work on any of its blocks."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.flood import halo_px
from overtrace.decode.parameters import Parameters
from overtrace.models.card import DetectParameters
from overtrace.models.runtime import Device, Runtime
from overtrace.raster.grid import Box
from overtrace.raster.lattice import Block, Blocks, Lattice
from overtrace.raster.pyramid import Layer, lay_layers
from overtrace.raster.source import clip
from overtrace.raster.store import Store
from overtrace.raster.view import View

SHELF = 1000
"""Files in one folder; some file systems are slow where there are many more."""
NODES_KEPT = 64

Ids = tuple[NDArray[np.int64], NDArray[np.uint8]]
"""Id and peak of each component."""


@dataclass(frozen=True)
class Job:
    """One image, one model, one set of parameters; can be pickled."""

    view: View
    model: Path
    """Where the client has it."""
    sha256: str
    """Of the model file."""
    runtime: Runtime
    device: Device
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
    store: Store
    """Where the work on this image is kept."""

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def blocks(self) -> Blocks:
        """Row by row."""
        return self.lattice.blocks(self.view.grid, self.block)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The blocks, their groups, which are the unit that workers are handed, and groups of those up to one node."""
        return lay_layers(self.blocks.down, self.blocks.across)

    @property
    def groups(self) -> int:
        """How many there are."""
        return len(self.layers[1])

    def group_of(self, index: int) -> int:
        """The group that holds a block."""
        return self.layers[1].holder(index, self.layers[0])

    def blocks_of(self, group: int) -> list[Block]:
        """The blocks of a group, row by row."""
        return [self.blocks[index] for row in self.layers[1].held(group, self.layers[0]) for index in row]

    def box_of(self, layer: int, index: int) -> Box:
        """The pixels that a node answers for."""
        first = last = index
        for k in range(layer, 0, -1):
            first = self.layers[k].held(first, self.layers[k - 1])[0][0]
            last = self.layers[k].held(last, self.layers[k - 1])[-1][-1]
        begin, end = self.blocks[first].core, self.blocks[last].core
        return Box(begin.row, begin.col, end.row + end.height - begin.row, end.col + end.width - begin.col)

    def neighbours(self, block: Block) -> list[Block]:
        """The blocks that the halo of a block reaches, itself among them, in order."""
        return self.blocks_in(self.halo_box(block))

    def blocks_in(self, box: Box) -> list[Block]:
        """The blocks whose cores share pixels with a box inside the image, in order."""
        first = self.blocks[0].core
        rows = range(box.row // first.height, (box.row + box.height - 1) // first.height + 1)
        cols = range(box.col // first.width, (box.col + box.width - 1) // first.width + 1)
        return [self.blocks[row * self.blocks.across + col] for row in rows for col in cols]

    def halo_box(self, block: Block) -> Box:
        """The core of a block and its halo, cut at the edges of the image."""
        return self.widen(block.core, halo_px(self.parameters))

    def widen(self, box: Box, by_px: int) -> Box:
        """A box with some pixels more at each side, cut at the edges of the image."""
        wide = Box(box.row - by_px, box.col - by_px, box.height + 2 * by_px, box.width + 2 * by_px)
        return clip(wide, self.view.grid)

    @cached_property
    def open_ids(self) -> Callable[[int, int], Ids]:
        """The ids of what goes on beyond a node, which the nodes above it know: layer, index -> ids, peaks."""
        return lru_cache(NODES_KEPT)(partial(read_ids, self))

    @staticmethod
    def answer(block: Block) -> str:
        """Name of the file of what the network said of a block."""
        return _shelve("answer", block.index)

    @staticmethod
    def outlines(group: int) -> str:
        """Name of the file of the polygons of a group, and the pieces of those that go on in others."""
        return _shelve("outlines", group)

    @staticmethod
    def labels(block: Block) -> str:
        """Name of the file of the labels of a block."""
        return _shelve("labels", block.index)

    @staticmethod
    def node(layer: int, index: int) -> str:
        """Name of the file of what is known of the ids in a node."""
        return _shelve(f"node{layer}", index)


def _shelve(kind: str, index: int) -> str:
    return f"{index // SHELF:04d}/{kind}-{index:07d}"


def read_ids(job: Job, layer: int, index: int) -> Ids:
    """The final ids and peaks of the components of a block (layer 0), or of the open ones of a node."""
    above = job.layers[layer + 1].holder(index, job.layers[layer])
    found = job.store.load(job.node(layer + 1, above), [f"ids-{index}", f"peaks-{index}"])
    ids, peaks = found[f"ids-{index}"].copy(), found[f"peaks-{index}"].copy()
    goes_on = ids < 0
    if goes_on.any():
        wider_ids, wider_peaks = job.open_ids(layer + 1, above)
        place = -ids[goes_on] - 1
        ids[goes_on], peaks[goes_on] = wider_ids[place], wider_peaks[place]
    return ids, peaks
