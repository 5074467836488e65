"""From images to files of polygons: open everything, work group by group, write what is complete, rename at the end."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadOutput
from overtrace.raster.progress import Progress, Silent
from overtrace.raster.store import Store
from overtrace.trace.assemble import Assembler
from overtrace.trace.batches import Choice, make_batch
from overtrace.trace.bench import Bench, Step, keep_bench
from overtrace.trace.engine import open_engine
from overtrace.trace.executor import Engine, in_order
from overtrace.trace.manifest import DEVICE, check_device, check_manifest, claim, has_manifest, write_manifest
from overtrace.trace.options import Options
from overtrace.trace.outputs import Outputs, open_outputs
from overtrace.trace.plan import Plan, make_plan
from overtrace.trace.scenes import trace_scenes
from overtrace.trace.tally import Tally, tell_run


def trace(
    images: Sequence[str | Path],
    outs: Sequence[str | Path],
    options: Options | None = None,
    *,
    report: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Trace the objects in images, or the class of each pixel, and write them to files.

    Args:
        images: files, folders of images, or any path that GDAL opens.
        outs: what to write; the extension says the format: gpkg, geojson, geojsonl, fgb, parquet, json (COCO) and
            tif (labels); of *classes* models tif and png are class maps, and an object is a region of one class.
        options: how to trace.
        report: an HTML page with the image, the polygons and the card of the model.
        progress: told what is done.
    Returns:
        The summary: images, objects, area_m2 (None where the scale is not known), cover (part of the pixels with data
        that lie in objects), megapixels, seconds by stage, outputs.
    Raises:
        OvertraceError: for anything that the user can put right; no output is then written or changed, and what was
            done is kept for ``resume``.
    """
    options = options or Options()
    plan = make_plan(images, [*outs, *([] if report is None else [report])], options)
    outputs = open_outputs(outs, report, plan)
    try:
        if plan.card.task == "classes":
            return trace_scenes(plan, outputs, progress or Silent())
        with _disk_watched(plan.scratch):
            _open_scratch(plan)
        summary = _work(plan, outputs, progress or Silent())
    except BaseException:
        outputs.abort()
        raise
    with suppress(OSError):
        plan.scratch.clear()
    return summary


def _work(plan: Plan, outputs: Outputs, progress: Progress) -> dict[str, object]:
    """Trace every image and complete the outputs; a scratch store without anything to resume from is removed."""
    tally = Tally()
    try:
        with _disk_watched(plan.scratch), tally.timed("total"), open_engine(plan, progress) as engine:
            check_device(plan.scratch, engine.device)
            for index in range(len(plan.rasters)):
                _trace_image(plan, index, outputs, engine, tally, progress)
        summary = _summarise(plan, tally, outputs) | engine.tell()
        outputs.finish(summary)
        outputs.commit()
    except BaseException:
        with suppress(OSError):
            if not (plan.scratch.holds("answer-") or plan.scratch.holds("outlines-")):
                plan.scratch.clear()
        raise
    return summary


def _open_scratch(plan: Plan) -> None:
    if plan.options.resume and has_manifest(plan.scratch):
        check_manifest(plan.scratch, plan.facts)
        claim(plan.scratch)
        return
    claim(plan.scratch)
    plan.scratch.remove(DEVICE)
    for index in range(len(plan.rasters)):
        plan.store(index).clear()
    write_manifest(plan.scratch, plan.facts)


@contextmanager
def _disk_watched(store: Store) -> Iterator[None]:
    """Failures of the disk, as one line."""
    try:
        yield
    except OSError as error:
        raise BadOutput(
            f"cannot work in {store.address} ({error.strerror or error}): make room and run again with --resume, "
            "or choose another place with --scratch"
        ) from error


def _trace_image(plan: Plan, index: int, outputs: Outputs, engine: Engine, tally: Tally, progress: Progress) -> None:
    job = plan.open_job(index, keep_labels=outputs.wants_labels, device=engine.device)
    bench = keep_bench(job)
    pixels = job.view.grid.height * job.view.grid.width
    tally.pixels += pixels
    if not (plan.options.resume and all(drawn for _, drawn in engine.run(bench, Step("check"), job.groups))):
        with tally.timed("network"):
            progress.begin(f"{plan.name(index)}: network", pixels)
            if plan.options.executor == "threads" and plan.options.cluster is None:
                bench.prepare()
            for group, _ in engine.run(bench, Step("predict"), job.groups):
                _advance(progress, bench, group)
        with tally.timed("objects"):
            for layer in range(2, len(job.layers)):
                for _ in engine.run(bench, Step("settle", layer), len(job.layers[layer])):
                    pass
    with tally.timed("polygons"):
        progress.begin(f"{plan.name(index)}: polygons", pixels)
        kept = _draw_all(plan, index, bench, engine, outputs, tally, progress)
    if outputs.wants_labels:
        with tally.timed("labels"):
            outputs.write_labels(job, kept)
    if len(plan.rasters) > 1:
        # A run that resumes writes the outputs of this image again, from its outlines; the answers are done with.
        for _ in engine.run(bench, Step("tidy"), job.groups):
            pass


def _draw_all(
    plan: Plan, index: int, bench: Bench, engine: Engine, outputs: Outputs, tally: Tally, progress: Progress
) -> NDArray[np.int64]:
    """Draw every group and write what is complete; the ids of what was kept, where labels are wanted."""
    job = bench.job
    size = job.view.grid.pixel_size_m
    choice = Choice(plan.parameters.min_area_px, plan.parameters.min_area_m2, plan.options.min_score)
    assembler = Assembler(bench.method.measures, plan.parameters)
    kept = [np.zeros(0, np.int64)]
    for group in in_order(engine.run(bench, Step("draw"), job.groups)):
        outlines = job.store.load(job.outlines(group))
        tally.valid_px += int(outlines["valid_px"][0])
        for instances in assembler.add(group, outlines):
            batch = make_batch(index, job.view, instances, choice)
            tally.count(batch, math.nan if size is None else size[0] * size[1])
            if outputs.wants_labels:
                kept.append(batch.ids)
            with tally.timed("writing"):
                outputs.write(batch)
        _advance(progress, bench, group)
    return np.concatenate(kept)


def _advance(progress: Progress, bench: Bench, group: int) -> None:
    box = bench.job.box_of(1, group)
    progress.advance(box.height * box.width)


def _summarise(plan: Plan, tally: Tally, outputs: Outputs) -> dict[str, object]:
    return {
        "images": len(plan.rasters),
        "objects": tally.objects,
        "area_m2": None if math.isnan(tally.area_m2) else round(tally.area_m2, 3),
        "cover": tally.object_px / tally.valid_px if tally.valid_px else 0.0,
        **tell_run(plan, tally, outputs.paths),
    }
