"""Objects out of planes: seeds in each block, joined across blocks, and grown.

A block is looked at twice: ``predict_block`` finds its seeds, and once ``settle_seeds`` has joined those of all blocks,
node by node, ``label_block`` grows them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.borders import Borders, merge, to_arrays
from overtrace.decode.components import Components, label_seeds
from overtrace.decode.flood import halo_px
from overtrace.decode.instances import Sums, clear_background, grow_instances, score, sum_planes
from overtrace.decode.parameters import Parameters
from overtrace.models.planes import predict_planes
from overtrace.models.runtime import Network
from overtrace.raster.arrays import Arrays
from overtrace.raster.grid import Box, grow, overlap, within
from overtrace.raster.lattice import Block
from overtrace.raster.store import save
from overtrace.trace.assemble import Rated
from overtrace.trace.draw import Labelled
from overtrace.trace.job import Job, read_ids

RUNS = ("start", "stop", "label", "offsets", "area", "first")


def chunks(core: Box, halo: int) -> Iterator[tuple[str, Box]]:
    """Name and place of the pieces in which the interior of a block is kept: its middle, sides and corners.

    A block whose halo reaches into this one reads no more than it needs.
    """
    for top, bottom in pairwise(_cuts(core.height, halo)):
        for left, right in pairwise(_cuts(core.width, halo)):
            yield f"interior-{top}-{left}", Box(core.row + top, core.col + left, bottom - top, right - left)


def _cuts(length: int, halo: int) -> list[int]:
    return sorted({0, min(halo, length), max(length - halo, 0), length})


def predict_block(job: Job, network: Network, block: Block) -> None:
    """Run the network on a block and keep what it says."""
    keep_planes(job, block, predict_planes(job.view, network, block, job.parameters.peak_px))


def keep_planes(job: Job, block: Block, planes: NDArray[np.uint8]) -> None:
    """Keep the seeds of a block in its file, and the interior that they are grown in.

    Args:
        planes: (planes, h, w) of the core of the block.
    """
    seeds = label_seeds(planes, job.parameters)
    interior = clear_background(planes[0], job.parameters)
    arrays: Arrays = {
        "start": _narrow(seeds.start),
        "stop": _narrow(seeds.stop),
        "label": _narrow(seeds.label),
        "offsets": seeds.offsets,
        "area": seeds.area,
        "first": seeds.first,
        "peak": seeds.highest(planes[2]),
    }
    for name, box in chunks(block.core, halo_px(job.parameters)):
        arrays[name] = interior[within(box, block.core)]
    save(job.store, job.answer(block), arrays)


def _narrow(numbers: NDArray[np.integer]) -> NDArray[np.integer]:
    return numbers.astype(np.uint16) if numbers.max(initial=0) < 2**16 else numbers


def load_seeds(job: Job, block: Block) -> Components:
    """The seeds of a block."""
    return Components(**job.store.load(job.answer(block), RUNS))


def settle_seeds(job: Job, layer: int, index: int) -> None:
    """Join the seeds of what a node holds and keep which are which in its file; those of the layer below come first."""
    below = job.layers[layer - 1]
    held = job.layers[layer].held(index, below)
    parts = [[_read_borders(job, layer - 1, child) for child in row] for row in held]
    borders, settled = merge(parts, job.parameters.min_seed_px, is_whole=len(job.layers[layer]) == 1)
    arrays = to_arrays(borders)
    for child, (ids, peaks) in zip((child for row in held for child in row), settled, strict=True):
        arrays[f"ids-{child}"], arrays[f"peaks-{child}"] = ids, peaks
    save(job.store, job.node(layer, index), arrays)


def _read_borders(job: Job, layer: int, index: int) -> Borders:
    if layer > 0:
        return Borders(**job.store.load(job.node(layer, index), [field.name for field in fields(Borders)]))
    block = job.blocks[index]
    core, seeds = block.core, load_seeds(job, block)
    peak = job.store.load(job.answer(block), ["peak"])["peak"]
    return Borders(
        **_paint_borders(seeds, core),
        area=seeds.area,
        first=_first_in_image(seeds, core, job.view.grid.width),
        peak=peak,
    )


def _paint_borders(seeds: Components, core: Box) -> dict[str, NDArray[np.int32]]:
    """Numbers along the borders of a block."""
    places = {
        "top": (0, 0, 1, core.width),
        "bottom": (core.height - 1, 0, 1, core.width),
        "left": (0, 0, core.height, 1),
        "right": (0, core.width - 1, core.height, 1),
    }
    borders = {}
    for side, (row, col, height, width) in places.items():
        border = np.zeros((height, width), np.int32)
        seeds.paint(border, row, col)
        borders[side] = border.ravel()
    return borders


def _first_in_image(seeds: Components, core: Box, width: int) -> NDArray[np.int64]:
    row, col = np.divmod(seeds.first, core.width)
    return (row + core.row) * width + col + core.col


@dataclass(frozen=True, slots=True)
class Region:
    """What is needed to grow the instances of a block: its own and a halo around it, cut at the edges of the image."""

    box: Box
    interior: NDArray[np.uint8]
    """(h, w)."""
    seeds: NDArray[np.int32]
    """(h + 2, w + 2) with a frame of zeros; numbered from 1 in the order of their ids."""
    ids: NDArray[np.int64]
    """(n,)."""
    peaks: NDArray[np.uint8]
    """(n,) highest distance of each seed."""


def read_region(job: Job, block: Block) -> Region:
    """Read what was kept of a block and of its neighbours."""
    box = job.halo_box(block)
    interior = np.empty((box.height, box.width), np.uint8)
    seeds = np.zeros((box.height + 2, box.width + 2), np.int32)
    near = job.neighbours(block)
    found = [read_ids(job, 0, other.index) for other in near]
    ids = np.unique(np.concatenate([np.zeros(1, np.int64), *(of_block for of_block, _ in found)]))
    peaks = np.zeros(len(ids), np.uint8)
    for other, (of_block, peaks_of_block) in zip(near, found, strict=True):
        number = np.searchsorted(ids, of_block).astype(np.int32)
        peaks[number] = peaks_of_block
        load_seeds(job, other).paint(seeds, box.row - 1 - other.core.row, box.col - 1 - other.core.col, number)
        shares = {name: (chunk, overlap(chunk, box)) for name, chunk in chunks(other.core, halo_px(job.parameters))}
        stored = job.store.load(job.answer(other), [name for name, (_, shared) in shares.items() if shared])
        for name, pixels in stored.items():
            chunk, shared = shares[name]
            assert shared is not None
            interior[within(shared, box)] = pixels[within(shared, chunk)]
    return Region(box, interior, seeds, ids[1:], peaks[1:])


def label_block(job: Job, block: Block) -> Labelled:
    """Grow the seeds of a block and of what is around it."""
    region = read_region(job, block)
    grow_instances(region.interior, region.seeds, job.parameters)
    core = block.core
    framed = np.ascontiguousarray(region.seeds[within(grow(core, 1), grow(region.box, 1))])
    interior = region.interior[within(core, region.box)]
    sums = sum_planes(framed[1:-1, 1:-1], interior, region.peaks)
    columns: Arrays = {"area": sums.area, "interior": sums.interior, "peak": sums.peak}
    return Labelled(framed, region.ids, columns, int(np.count_nonzero(interior)))


def rate_instances(columns: Arrays, parameters: Parameters) -> Rated:
    """The planes show objects of one class."""
    scores = score(Sums(**columns), parameters.scorer)
    return scores, np.zeros(len(scores), np.int16)
