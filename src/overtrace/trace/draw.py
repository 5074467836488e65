"""Second pass over the blocks: grow the seeds, walk the outlines, thin them."""

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.instances import Sums, grow_instances, sum_planes
from overtrace.raster.grid import Box, overlap, within
from overtrace.raster.lattice import Block
from overtrace.trace.job import Job
from overtrace.trace.predict import chunks
from overtrace.trace.scratch import Arrays, load, save
from overtrace.vector.arcs import Chains, walk_outlines
from overtrace.vector.rings import build_polygons
from overtrace.vector.simplify import simplify_chains


def read_region(job: Job, block: Block) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int64]]:
    """The cleared planes and the seeds of a block and its halo.

    Returns:
        (2, h, w) interior and distance; (h, w) seeds, numbered from 1 in the order of their ids; (n,) the ids.
    """
    region = job.halo_box(block)
    cleared = np.empty((2, region.height, region.width), np.uint8)
    seeds = np.empty((region.height, region.width), np.int32)
    near = job.neighbours(block)
    ids_of = load(job.ids_file, [str(other.index) for other in near])
    ids = np.unique(np.concatenate([np.zeros(1, np.int64), *ids_of.values()]))
    for other in near:
        number = np.concatenate([[0], np.searchsorted(ids, ids_of[str(other.index)])]).astype(np.int32)
        wanted = [(name, box) for name, box in chunks(other.core) if overlap(box, region) is not None]
        stored = load(job.planes_file(other), [f"{kind}-{name}" for kind in ("planes", "seeds") for name, _ in wanted])
        for name, box in wanted:
            shared = overlap(box, region)
            assert shared is not None
            source, target = within(shared, box), within(shared, region)
            cleared[:, *target] = stored[f"planes-{name}"][:, *source]
            seeds[target] = number[stored[f"seeds-{name}"][source]]
    return cleared, seeds, ids[1:]


def frame(labels: NDArray[np.int32], region: Box, core: Box) -> NDArray[np.int32]:
    """The labels of a block and of one pixel around it; 0 outside the image."""
    framed = np.zeros((core.height + 2, core.width + 2), np.int32)
    wanted = Box(core.row - 1, core.col - 1, core.height + 2, core.width + 2)
    shared = overlap(wanted, region)
    assert shared is not None
    framed[within(shared, wanted)] = labels[within(shared, region)]
    return framed


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


def draw_block(job: Job, block: Block) -> None:
    """Keep the polygons of a block in its file, and the pieces of those that go on in other blocks."""
    cleared, seeds, ids = read_region(job, block)
    region, core, columns = job.halo_box(block), block.core, job.view.grid.width
    framed = frame(grow_instances(cleared[0], seeds, job.parameters), region, core)
    labels = framed[1:-1, 1:-1]
    inner = cleared[:, *within(core, region)]
    sums = sum_planes(labels, inner, len(ids))
    stride = job.lattice.stride if job.simplify_px > 0 else 0
    chains = walk_outlines(framed, core.row, core.col, columns, stride)
    if job.simplify_px > 0:
        chains = simplify_chains(chains, job.simplify_px, framed, core.row, core.col, columns)
    last = last_blocks(framed, len(ids), block.index, job.blocks_across)
    valid = np.count_nonzero(inner[0], keepdims=True).ravel()
    save(job.outlines_file(block), {"valid_px": valid} | _pack(chains, sums, ids, last))
    if job.keep_labels:
        save(job.labels_file(block), {"labels": labels.astype(np.uint32), "ids": ids})


def _pack(chains: Chains, sums: Sums, ids: NDArray[np.int64], last: NDArray[np.int64]) -> Arrays:
    """What is complete as polygons, the rest as pieces; everything by id."""
    crossing = last >= 0
    inner = (sums.area > 0) & ~crossing
    pieces = (sums.area > 0) & crossing
    open_chains = crossing[chains.ids - 1]
    named = Chains(ids[chains.ids - 1], chains.start, chains.end, chains.offsets, chains.points, chains.flags)
    polygons = build_polygons(named.take(~open_chains))
    rest = named.take(open_chains)
    return {
        "ids": polygons.ids,
        "parts": polygons.parts,
        "offsets": polygons.offsets,
        "points": polygons.points,
        "area": sums.area[inner],
        "interior": sums.interior[inner],
        "peak": sums.peak[inner],
        "piece_ids": ids[pieces],
        "piece_last": last[pieces],
        "piece_area": sums.area[pieces],
        "piece_interior": sums.interior[pieces],
        "piece_peak": sums.peak[pieces],
        "chain_ids": rest.ids,
        "chain_start": rest.start,
        "chain_end": rest.end,
        "chain_offsets": rest.offsets,
        "chain_points": rest.points,
        "chain_flags": rest.flags,
    }
