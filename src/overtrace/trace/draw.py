"""Second pass over the blocks: walk the outlines of what was labelled, thin them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.raster.arrays import Arrays
from overtrace.raster.lattice import Block
from overtrace.raster.store import save
from overtrace.trace.assemble import INNER, WHOLE
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


def find_last(framed: NDArray[np.int32], count: int, job: Job, index: int) -> NDArray[np.int64]:
    """For each label the last group that it goes on in, counted in reading order.

    Args:
        framed: (h + 2, w + 2) labels 1 to ``count`` of the block and one pixel around it, 0 outside the image.
        index: the number of this block.
    Returns:
        (count,) numbers of groups: that of this block if the label only comes from groups before, ``INNER`` if it goes
        on in other blocks of this group alone, ``WHOLE`` if it is all in this block.
    """
    last = np.full(count + 1, WHOLE, np.int64)
    inner, own, across = framed[1:-1, 1:-1], job.group_of(index), job.blocks.across
    sides = (
        (inner[0], framed[0, 1:-1], index - across),
        (inner[:, 0], framed[1:-1, 0], index - 1),
        (inner[:, -1], framed[1:-1, -1], index + 1),
        (inner[-1], framed[-1, 1:-1], index + across),
    )
    for inside, outside, neighbour in sides:
        beyond = inside[(inside == outside) & (inside > 0)]
        if len(beyond):
            group = job.group_of(neighbour)
            last[beyond] = np.maximum(last[beyond], INNER if group == own else max(group, own))
    return last[1:]


def draw_block(job: Job, block: Block, found: Labelled) -> Arrays:
    """The polygons of a block, and the pieces of those that go on in other blocks."""
    core, framed, columns = block.core, found.framed, job.view.grid.width
    stride = job.lattice.stride if job.simplify_px > 0 else 0
    chains = walk_outlines(framed, core.row, core.col, columns, stride)
    if job.simplify_px > 0:
        chains = simplify_chains(chains, job.simplify_px, framed, core.row, core.col, columns)
    last = find_last(framed, len(found.ids), job, block.index)
    if job.keep_labels:
        save(job.store, job.labels(block), {"labels": framed[1:-1, 1:-1].astype(np.uint32), "ids": found.ids})
    return {"valid_px": np.array([found.valid_px])} | _pack(chains, found, last)


def _pack(chains: Chains, found: Labelled, last: NDArray[np.int64]) -> Arrays:
    """What is complete as polygons, the rest as pieces; everything by id."""
    crossing = last > WHOLE
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
