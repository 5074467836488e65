"""Second pass over the blocks: walk the outlines of what was labelled, thin them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.raster.arrays import Arrays, save
from overtrace.raster.lattice import Block
from overtrace.trace.job import Job
from overtrace.vector.arcs import Chains, walk_outlines
from overtrace.vector.rings import build_polygons
from overtrace.vector.simplify import simplify_chains


@dataclass(frozen=True, slots=True)
class Labelled:
    """The instances of a block."""

    framed: NDArray[np.int32]
    """(h + 2, w + 2) labels from 1 to n of the block and one pixel around it, 0 outside the image and for background;
    each is 4-connected in the whole image."""
    ids: NDArray[np.int64]
    """(n,) ascending."""
    columns: Arrays
    """(n,) each: what is measured over the pixels of the block, ``area`` among it."""
    valid_px: int
    """Pixels of the block that hold data."""


def last_blocks(framed: NDArray[np.int32], count: int, index: int, across: int) -> NDArray[np.int64]:
    """For each label the last neighbouring block that it goes on in, counted in reading order.

    Args:
        framed: (h + 2, w + 2) labels 1 to ``count`` of the block and one pixel around it.
        index: the number of this block.
        across: blocks in one row of blocks.
    Returns:
        (count,) block numbers: ``index`` if the label only comes from blocks before, -1 if it is all in this block.
    """
    last = np.full(count + 1, -1, np.int64)
    inner = framed[1:-1, 1:-1]
    sides = (
        (inner[0], framed[0, 1:-1], index),
        (inner[:, 0], framed[1:-1, 0], index),
        (inner[:, -1], framed[1:-1, -1], index + 1),
        (inner[-1], framed[-1, 1:-1], index + across),
    )
    for inside, outside, neighbour in sides:
        last[inside[inside == outside]] = neighbour
    return last[1:]


def draw_block(job: Job, block: Block, found: Labelled) -> None:
    """Keep the polygons of a block in its file, and the pieces of those that go on in other blocks."""
    core, framed, columns = block.core, found.framed, job.view.grid.width
    stride = job.lattice.stride if job.simplify_px > 0 else 0
    chains = walk_outlines(framed, core.row, core.col, columns, stride)
    if job.simplify_px > 0:
        chains = simplify_chains(chains, job.simplify_px, framed, core.row, core.col, columns)
    last = last_blocks(framed, len(found.ids), block.index, job.blocks_across)
    save(job.outlines_file(block), {"valid_px": np.array([found.valid_px])} | _pack(chains, found, last))
    if job.keep_labels:
        save(job.labels_file(block), {"labels": framed[1:-1, 1:-1].astype(np.uint32), "ids": found.ids})


def _pack(chains: Chains, found: Labelled, last: NDArray[np.int64]) -> Arrays:
    """What is complete as polygons, the rest as pieces; everything by id."""
    crossing = last >= 0
    inner = (found.columns["area"] > 0) & ~crossing
    pieces = (found.columns["area"] > 0) & crossing
    open_chains = crossing[chains.ids - 1]
    ids = found.ids[chains.ids - 1]
    named = Chains(ids, chains.start, chains.end, chains.offsets, chains.points, chains.flags)
    polygons = build_polygons(named.take(~open_chains))
    rest = named.take(open_chains)
    return {
        "ids": polygons.ids,
        "parts": polygons.parts,
        "offsets": polygons.offsets,
        "points": polygons.points,
        **{name: column[inner] for name, column in found.columns.items()},
        "piece_ids": found.ids[pieces],
        "piece_last": last[pieces],
        **{f"piece_{name}": column[pieces] for name, column in found.columns.items()},
        "chain_ids": rest.ids,
        "chain_start": rest.start,
        "chain_end": rest.end,
        "chain_offsets": rest.offsets,
        "chain_points": rest.points,
        "chain_flags": rest.flags,
    }
