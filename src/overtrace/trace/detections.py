"""Objects that a network finds one by one: found in each block, double finds dropped, and laid over each other.

The id of an object is its rank in its image, so that where two overlap the smaller id wins. What is left of an object
is its largest connected piece: what better ones cut off, and specks of its mask, become background.
"""

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.detections import find_survivors, keep_largest, paint
from overtrace.decode.parameters import Parameters
from overtrace.models.detections import find_in_block
from overtrace.models.runtime import Network
from overtrace.raster.arrays import Arrays
from overtrace.raster.detections import Detections, concatenate
from overtrace.raster.grid import Box, overlap, within
from overtrace.raster.lattice import Block
from overtrace.raster.source import clip
from overtrace.raster.store import save
from overtrace.trace.assemble import Rated
from overtrace.trace.draw import Labelled
from overtrace.trace.job import Job

LEVELS = np.float32(255)
"""Masks are kept as uint8, in a quarter of the room: half a level is far less than what a network is sure of."""


def predict_block(job: Job, network: Network, block: Block) -> None:
    """Run the network on a block and keep what it finds, and which pixels hold data."""
    found, valid = find_in_block(job.view, network, block, job.detect.min_score)
    arrays: Arrays = {
        "boxes": found.boxes,
        "scores": found.scores,
        "classes": found.classes,
        "masks": np.rint(found.masks * LEVELS).astype(np.uint8),
        "valid": valid,
    }
    save(job.store, job.answer(block), arrays)


def settle_detections(job: Job, layer: int, index: int) -> None:
    """At the uppermost node: drop double finds and keep the id of each detection, by block; 0 for those dropped.

    A rank is known only when all are: this holds the boxes of the whole image in memory, some 50 bytes each.
    """
    if layer < len(job.layers) - 1:
        return
    found = [job.store.load(job.answer(block), ["boxes", "scores", "classes"]) for block in job.blocks]
    boxes, scores, classes = (np.concatenate([part[name] for part in found]) for name in ("boxes", "scores", "classes"))
    kept = find_survivors(boxes, scores, classes, job.detect.overlap)
    ids = np.zeros(len(scores), np.int64)
    ids[kept] = np.arange(1, len(kept) + 1)
    ends = np.cumsum([len(part["scores"]) for part in found])
    by_block = np.split(ids, ends[:-1])
    for group in range(job.groups):
        numbers = [block.index for block in job.blocks_of(group)]
        save(job.store, job.node(1, group), {f"ids-{number}": by_block[number] for number in numbers})


def label_block(job: Job, block: Block) -> Labelled:
    """Lay the objects that reach into a block, each as a whole, and all that they share pixels with."""
    core = block.core
    frame = Box(core.row - 1, core.col - 1, core.height + 2, core.width + 2)
    seen = clip(frame, job.view.grid)
    region = _cover(job, seen)
    found, ids = _read_objects(job, region)
    valid = _read_valid(job, region)
    labels = paint(found, region, valid, job.detect.mask)
    keep_largest(labels, len(ids))
    framed = np.zeros((frame.height, frame.width), np.int32)
    framed[within(seen, frame)] = labels[within(seen, region)]
    columns: Arrays = {
        "area": np.bincount(framed[1:-1, 1:-1].ravel(), minlength=len(ids) + 1)[1:],
        "score": found.scores,
        "class": found.classes.astype(np.int16),
    }
    return Labelled(framed, ids, columns, int(np.count_nonzero(valid[within(core, region)])))


def rate_instances(columns: Arrays, parameters: Parameters) -> Rated:
    """The network has said both."""
    return columns["score"], columns["class"]


def _cover(job: Job, box: Box) -> Box:
    """The part of the image that holds a box and all objects that reach into it; they lie in windows, so it ends."""
    boxes = np.concatenate([boxes for _, _, boxes, _ in _find_objects(job, box)])
    low = np.floor(boxes[:, :2]).min(axis=0, initial=np.inf)
    high = np.ceil(boxes[:, 2:]).max(axis=0, initial=-np.inf)
    left, top = int(min(low[0], box.col)), int(min(low[1], box.row))
    right, bottom = int(max(high[0], box.col + box.width)), int(max(high[1], box.row + box.height))
    return clip(Box(top, left, bottom - top, right - left), job.view.grid)


def _find_objects(job: Job, box: Box) -> list[tuple[Block, NDArray[np.intp], NDArray[np.float64], NDArray[np.int64]]]:
    """The blocks near a box, which of the detections of each reach into it, and the boxes and ids of those."""
    # The centre of an object lies in the core of its window, and the object in the window.
    near = job.blocks_in(job.widen(box, job.lattice.margin))
    found = []
    for other in near:
        boxes = job.store.load(job.answer(other), ["boxes"])["boxes"]
        here = job.store.load(job.node(1, job.group_of(other.index)), [f"ids-{other.index}"])[f"ids-{other.index}"]
        reaches = (boxes[:, 0] < box.col + box.width) & (box.col < boxes[:, 2])
        reaches &= (boxes[:, 1] < box.row + box.height) & (box.row < boxes[:, 3])
        chosen = np.flatnonzero(reaches & (here > 0))
        found.append((other, chosen, boxes[chosen], here[chosen]))
    return found


def _read_objects(job: Job, box: Box) -> tuple[Detections, NDArray[np.int64]]:
    """The objects that reach into a box, by id, and their ids."""
    parts, ids = [], []
    for other, chosen, boxes, here in _find_objects(job, box):
        stored = job.store.load(job.answer(other), ["scores", "classes", "masks"])
        masks = stored["masks"][chosen].astype(np.float32) / LEVELS
        parts.append(Detections(boxes, stored["scores"][chosen], stored["classes"][chosen], masks))
        ids.append(here)
    together = np.concatenate(ids)
    order = np.argsort(together)
    return concatenate(parts).take(order), together[order]


def _read_valid(job: Job, box: Box) -> NDArray[np.bool_]:
    """(h, w) which pixels of a part of the image hold data."""
    valid = np.empty((box.height, box.width), np.bool_)
    for other in job.blocks_in(box):
        shared = overlap(other.core, box)
        assert shared is not None
        valid[within(shared, box)] = job.store.load(job.answer(other), ["valid"])["valid"][within(shared, other.core)]
    return valid
