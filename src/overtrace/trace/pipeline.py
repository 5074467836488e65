"""From images to files of polygons: open everything, work block by block, write what is complete, rename at the end."""

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from overtrace.errors import BadOutput
from overtrace.raster.arrays import is_whole, load
from overtrace.raster.lattice import Block
from overtrace.raster.progress import Progress, Silent
from overtrace.trace.assemble import Assembler
from overtrace.trace.batches import Choice, make_batch
from overtrace.trace.bench import Bench, keep_bench
from overtrace.trace.executor import map_ordered, open_executor
from overtrace.trace.job import Job
from overtrace.trace.manifest import check_manifest, claim, write_manifest
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
    shutil.rmtree(plan.scratch, ignore_errors=True)
    return summary


def _work(plan: Plan, outputs: Outputs, progress: Progress) -> dict[str, object]:
    """Trace every image and complete the outputs; a scratch folder without anything to resume from is removed."""
    tally = Tally()
    try:
        with _disk_watched(plan.scratch), tally.timed("total"):
            for index in range(len(plan.rasters)):
                _trace_image(plan, index, outputs, tally, progress)
        summary = _summarise(plan, tally, outputs)
        outputs.finish(summary)
        outputs.commit()
    except BaseException:
        if not any(plan.scratch.glob("image-*/answer-*")):
            shutil.rmtree(plan.scratch, ignore_errors=True)
        raise
    return summary


def _open_scratch(plan: Plan) -> None:
    if plan.options.resume and plan.scratch.exists():
        check_manifest(plan.scratch, plan.facts)
        claim(plan.scratch)
        return
    claim(plan.scratch)
    for image in plan.scratch.glob("image-*"):
        shutil.rmtree(image)
    write_manifest(plan.scratch, plan.facts)


@contextmanager
def _disk_watched(folder: Path) -> Iterator[None]:
    """Failures of the disk, as one line."""
    try:
        yield
    except OSError as error:
        raise BadOutput(
            f"cannot work in {folder} ({error.strerror or error}): make room and run again with --resume, "
            "or choose another folder with --scratch"
        ) from error


def _trace_image(plan: Plan, index: int, outputs: Outputs, tally: Tally, progress: Progress) -> None:
    job = plan.open_job(index, keep_labels=outputs.wants_labels)
    job.folder.mkdir(exist_ok=True)
    bench = keep_bench(job)
    pixels = job.view.grid.height * job.view.grid.width
    tally.pixels += pixels
    drawn = {block.index for block in job.blocks if plan.options.resume and _is_drawn(job, block)}
    with open_executor(plan.options.executor, plan.workers) as executor:
        if len(drawn) < len(job.blocks):
            with tally.timed("network"):
                progress.begin(f"{plan.name(index)}: network", pixels)
                _predict_all(plan, bench, executor, progress)
            with tally.timed("objects"):
                bench.settle()
        with tally.timed("polygons"):
            progress.begin(f"{plan.name(index)}: polygons", pixels)
            kept = _draw_all(plan, index, bench, executor, drawn, outputs, tally, progress)
    if outputs.wants_labels:
        with tally.timed("labels"):
            outputs.write_labels(job, kept)
    # A run that resumes writes the outputs of this image again, from its outlines; the answers are done with.
    for block in job.blocks:
        job.answer_file(block).unlink(missing_ok=True)


def _is_drawn(job: Job, block: Block) -> bool:
    return is_whole(job.outlines_file(block)) and (not job.keep_labels or is_whole(job.labels_file(block)))


def _predict_all(plan: Plan, bench: Bench, executor: Executor, progress: Progress) -> None:
    job = bench.job
    if plan.options.executor == "threads":
        bench.prepare()
    done = {block.index for block in job.blocks if plan.options.resume and is_whole(job.answer_file(block))}
    for block in _map_missing(executor, bench.predict, job, done, plan.workers):
        progress.advance(block.core.height * block.core.width)


def _draw_all(
    plan: Plan,
    index: int,
    bench: Bench,
    executor: Executor,
    drawn: set[int],
    outputs: Outputs,
    tally: Tally,
    progress: Progress,
) -> NDArray[np.int64]:
    """Draw every block and write what is complete; the ids of what was kept."""
    job, options = bench.job, plan.options
    size = job.view.grid.pixel_size_m
    choice = Choice(plan.parameters.min_area_px, plan.parameters.min_area_m2, options.min_score)
    assembler = Assembler(bench.method.measures, plan.parameters)
    kept = [np.zeros(0, np.int64)]
    for block in _map_missing(executor, bench.draw, job, drawn, plan.workers):
        outlines = load(job.outlines_file(block))
        tally.valid_px += int(outlines["valid_px"][0])
        for instances in assembler.add(block.index, outlines):
            batch = make_batch(index, job.view, instances, choice)
            tally.count(batch, math.nan if size is None else size[0] * size[1])
            if outputs.wants_labels:
                kept.append(batch.ids)
            with tally.timed("writing"):
                outputs.write(batch)
        progress.advance(block.core.height * block.core.width)
    return np.concatenate(kept)


def _map_missing(
    executor: Executor, work: Callable[[int], None], job: Job, done: set[int], workers: int
) -> Iterator[Block]:
    """Every block in order, once it is done; those that are done already are not worked on."""
    missing = (block.index for block in job.blocks if block.index not in done)
    finished = map_ordered(executor, work, missing, workers)
    for block in job.blocks:
        if block.index not in done:
            next(finished)
        yield block


def _summarise(plan: Plan, tally: Tally, outputs: Outputs) -> dict[str, object]:
    return {
        "images": len(plan.rasters),
        "objects": tally.objects,
        "area_m2": None if math.isnan(tally.area_m2) else round(tally.area_m2, 3),
        "cover": tally.object_px / tally.valid_px if tally.valid_px else 0.0,
        **tell_run(plan, tally, outputs.paths),
    }
