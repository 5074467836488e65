"""First pass over the blocks: read the image, run the network, find the seeds."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.components import Components, label_seeds, settle_ids, touching_pairs
from overtrace.decode.instances import clear_background
from overtrace.models.planes import predict_planes
from overtrace.models.runtime import Network
from overtrace.raster.grid import Box, within
from overtrace.raster.lattice import Block
from overtrace.trace.job import Job
from overtrace.trace.scratch import Arrays, load, save

CHUNK = 128
"""Side of the pieces in which planes are kept, so that a halo can be read without the whole block."""


def chunks(core: Box) -> Iterator[tuple[str, Box]]:
    """Name and place of the pieces in which the planes of a block are kept."""
    for row in range(core.row, core.row + core.height, CHUNK):
        for col in range(core.col, core.col + core.width, CHUNK):
            height = min(CHUNK, core.row + core.height - row)
            width = min(CHUNK, core.col + core.width - col)
            yield f"{row}-{col}", Box(row, col, height, width)


def predict_block(job: Job, network: Network, block: Block) -> None:
    """Run the network on a block and keep what it says."""
    keep_planes(job, block, predict_planes(job.view, network, block))


def keep_planes(job: Job, block: Block, planes: NDArray[np.uint8]) -> None:
    """Keep the seeds of a block in its file, and what of its planes is needed to grow them.

    Args:
        planes: (planes, h, w) of the core of the block.
    """
    seeds = label_seeds(planes, job.parameters)
    cleared = clear_background(planes, job.parameters)
    labels = seeds.labels.astype(np.uint16 if len(seeds.area) < 2**16 else np.uint32)
    arrays: Arrays = {
        "area": seeds.area,
        "first": _first_in_image(seeds, block.core, job.view.grid.width),
        "top": labels[0],
        "bottom": labels[-1],
        "left": labels[:, 0],
        "right": labels[:, -1],
    }
    for name, box in chunks(block.core):
        place = within(box, block.core)
        arrays[f"planes-{name}"] = cleared[:, *place]
        arrays[f"seeds-{name}"] = labels[place]
    save(job.planes_file(block), arrays)


def _first_in_image(seeds: Components, core: Box, width: int) -> NDArray[np.int64]:
    row, col = np.divmod(seeds.first, core.width)
    return (row + core.row) * width + col + core.col


def settle_seeds(job: Job) -> None:
    """Join the seeds of all blocks and keep the id of each, by block."""
    across = job.blocks_across
    area, first, pairs = [], [], []
    offsets = np.zeros(len(job.blocks) + 1, np.int64)
    borders: dict[int, Arrays] = {}
    for block in job.blocks:
        i = block.index
        found = load(job.planes_file(block), ("area", "first", "top", "bottom", "left", "right"))
        area.append(found["area"])
        first.append(found["first"])
        offsets[i + 1] = offsets[i] + len(found["area"])
        borders[i] = found
        if i % across:
            pairs.append(touching_pairs(borders[i - 1]["right"], found["left"], offsets[i - 1], offsets[i]))
        if i >= across:
            above = borders.pop(i - across)
            pairs.append(touching_pairs(above["bottom"], found["top"], offsets[i - across], offsets[i]))
    ids = settle_ids(
        np.concatenate(area).astype(np.int64),
        np.concatenate(first).astype(np.int64),
        np.concatenate([np.zeros((2, 0), np.int64), *pairs], axis=1),
        job.parameters.min_seed_px,
    )
    save(job.ids_file, {str(i): ids[offsets[i] : offsets[i + 1]] for i in range(len(job.blocks))})
