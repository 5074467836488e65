"""Second pass over the blocks: grow the seeds, walk the outlines, thin them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.flood import halo_px
from overtrace.decode.instances import Sums, grow_instances, sum_planes
from overtrace.raster.arrays import Arrays, load, save
from overtrace.raster.grid import Box, overlap, within
from overtrace.raster.lattice import Block
from overtrace.trace.job import Job
from overtrace.trace.predict import chunks, load_seeds
from overtrace.vector.arcs import Chains, walk_outlines
from overtrace.vector.rings import build_polygons
from overtrace.vector.simplify import simplify_chains


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
    found = load(job.ids_file, [f"{kind}-{other.index}" for kind in ("ids", "peaks") for other in near])
    ids = np.unique(np.concatenate([np.zeros(1, np.int64), *(found[f"ids-{other.index}"] for other in near)]))
    peaks = np.zeros(len(ids), np.uint8)
    for other in near:
        number = np.searchsorted(ids, found[f"ids-{other.index}"]).astype(np.int32)
        peaks[number] = found[f"peaks-{other.index}"]
        load_seeds(job, other).paint(seeds, box.row - 1 - other.core.row, box.col - 1 - other.core.col, number)
        shares = {name: (chunk, overlap(chunk, box)) for name, chunk in chunks(other.core, halo_px(job.parameters))}
        stored = load(job.planes_file(other), [name for name, (_, shared) in shares.items() if shared])
        for name, pixels in stored.items():
            chunk, shared = shares[name]
            assert shared is not None
            interior[within(shared, box)] = pixels[within(shared, chunk)]
    return Region(box, interior, seeds, ids[1:], peaks[1:])


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
    region = read_region(job, block)
    core, ids, columns = block.core, region.ids, job.view.grid.width
    grow_instances(region.interior, region.seeds, job.parameters)
    around = Box(region.box.row - 1, region.box.col - 1, region.box.height + 2, region.box.width + 2)
    frame = Box(core.row - 1, core.col - 1, core.height + 2, core.width + 2)
    framed = np.ascontiguousarray(region.seeds[within(frame, around)])
    labels = framed[1:-1, 1:-1]
    interior = region.interior[within(core, region.box)]
    sums = sum_planes(labels, interior, region.peaks)
    stride = job.lattice.stride if job.simplify_px > 0 else 0
    chains = walk_outlines(framed, core.row, core.col, columns, stride)
    if job.simplify_px > 0:
        chains = simplify_chains(chains, job.simplify_px, framed, core.row, core.col, columns)
    last = last_blocks(framed, len(ids), block.index, job.blocks_across)
    valid = np.count_nonzero(interior, keepdims=True).ravel()
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
