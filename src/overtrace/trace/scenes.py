"""Images whose every pixel gets a class: maps of them, and the regions of one class as polygons.

An image is held in memory whole, at some bytes a pixel. Borders stay where the pixels are: nothing is thinned, and no
region is too small.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from overtrace.decode.components import label_components
from overtrace.models.classes import predict_classes
from overtrace.models.runtime import Network, load_network
from overtrace.models.view import view_image
from overtrace.models.views import add_views
from overtrace.raster.grid import Box
from overtrace.raster.progress import Progress
from overtrace.raster.view import View
from overtrace.trace.assemble import Instances
from overtrace.trace.batches import Choice, make_batch
from overtrace.trace.class_maps import number_classes
from overtrace.trace.outputs import Outputs
from overtrace.trace.plan import Plan
from overtrace.trace.tally import Tally, tell_run
from overtrace.vector.arcs import concatenate, walk_outlines
from overtrace.vector.rings import build_polygons, join_chains

NUMBERS = 256
STRIP = 1024
"""Rows that are worked on at a time, where the whole image would take many bytes a pixel."""
EVERY = Choice(min_area_px=1, min_area_m2=0, min_score=0)

Map = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def trace_scenes(plan: Plan, outputs: Outputs, progress: Progress) -> dict[str, object]:
    """Write the classes of every image and put the outputs in their place; the summary.

    Raises:
        OvertraceError: for anything that the user can put right.
    """
    tally, numbers = Tally(), number_classes(plan.card.classes)
    counts = np.zeros(NUMBERS, np.int64)
    with tally.timed("total"):
        network = add_views(load_network(plan.model, runtime=plan.options.runtime), plan.options.views)
        for index in range(len(plan.rasters)):
            counts += _trace_scene(plan, index, network, numbers, outputs, tally, progress)
    shares = counts / max(counts[1:].sum(), 1)
    named = [pair for pair in zip(numbers.tolist(), plan.card.classes, strict=True) if counts[pair[0]]]
    named.sort(key=lambda pair: (-counts[pair[0]], pair[0]))
    found = [{"name": name, "index": number, "share": float(shares[number])} for number, name in named]
    summary = {"images": len(plan.rasters), "classes": found, **tell_run(plan, tally, outputs.paths)}
    outputs.finish(summary)
    outputs.commit()
    return summary


def _trace_scene(
    plan: Plan, index: int, network: Network, numbers: Map, outputs: Outputs, tally: Tally, progress: Progress
) -> NDArray[np.int64]:
    """Write the classes of an image; (256,) its pixels of each number."""
    view = view_image(plan.rasters[index], plan.card)
    pixels = view.raster.grid.height * view.raster.grid.width
    progress.begin(plan.name(index), pixels)
    tally.pixels += pixels
    with tally.timed("network"):
        classes = predict_classes(view, network)
        valid = _find_data(view)
    numbered = np.where(valid, numbers[classes], 0).astype(np.uint8)
    outputs.write_map(numbered)
    if outputs.wants_polygons:
        with tally.timed("polygons"):
            outputs.write(
                make_batch(index, replace(view, grid=view.raster.grid), outline_regions(classes, valid), EVERY)
            )
    progress.advance(pixels)
    return np.bincount(numbered.ravel(), minlength=NUMBERS)


def _find_data(view: View) -> Mask:
    """(H, W) which pixels of the file hold data."""
    grid = view.raster.grid
    strips = [Box(row, 0, min(STRIP, grid.height - row), grid.width) for row in range(0, grid.height, STRIP)]
    return np.concatenate([view.raster.read(view.bands, strip)[1] for strip in strips])


def outline_regions(classes: Map, valid: Mask) -> Instances:
    """The 4-connected regions of one class, as instances whose id is the index of their first pixel, from 1.

    Args:
        classes: (H, W) from 0.
        valid: (H, W) pixels that are in a region.
    """
    height, width = classes.shape
    present = np.unique(classes[valid])
    parts = [label_components((valid & (classes == k)).view(np.uint8)) for k in present]
    ends = np.cumsum([0, *(len(part.area) for part in parts)])
    kind, first, area = np.zeros(ends[-1], np.int16), np.zeros(ends[-1], np.int64), np.zeros(ends[-1], np.int64)
    spans = [slice(*ends) for ends in pairwise(ends.tolist())]
    for k, part, span in zip(present, parts, spans, strict=True):
        kind[span], first[span], area[span] = k, part.first, part.area
    order = np.argsort(first)
    labels = np.empty(len(order), np.int32)
    labels[order] = np.arange(1, len(order) + 1)
    framed = np.zeros((height + 2, width + 2), np.int32)
    for part, span in zip(parts, spans, strict=True):
        part.paint(framed, -1, -1, labels[span])
    strips = [walk_outlines(framed[row : row + STRIP + 2], row, 0, width) for row in range(0, height, STRIP)]
    polygons = build_polygons(join_chains(concatenate(strips)))
    scores = np.ones(len(order), np.float32)
    return Instances(replace(polygons, ids=first[order] + 1), area[order], scores, kind[order])
