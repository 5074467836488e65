"""How long a trace would take, and how much room: counted from the image, with rates measured on samples of it."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
from rasterio.transform import Affine

from overtrace.errors import BadOption
from overtrace.raster.grid import Box
from overtrace.raster.handles import quiet
from overtrace.raster.source import Raster, clip
from overtrace.raster.view import View
from overtrace.trace.assemble import Assembler
from overtrace.trace.batches import Choice, make_batch
from overtrace.trace.bench import Step, keep_bench
from overtrace.trace.outputs import open_outputs
from overtrace.trace.plan import Plan, make_plan


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do, whoever does it."""

    pixels: int
    """As the model sees them."""
    blocks: int
    tasks: int
    """Of each of the two passes."""
    side: int
    """Blocks along a side of what a task is."""
    pixel_bytes: int
    """Of the pixels that are read, unpacked, without margins."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast one thread is, and what a pixel leaves behind."""

    network: float
    """Pixels a second, reading included."""
    polygons: float
    scratch: float
    """Bytes a pixel."""
    objects: float
    """A pixel."""
    writing: float
    """Objects a second, in the one process that writes the outputs; 0 where not measured."""
    files: float
    """Of the scratch store, a block."""
    samples: int
    """Blocks that were measured; 0 where the user told the rate of the network, and only that is known."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a trace would take."""

    network_hours: float
    polygons_hours: float
    writing_hours: float
    scratch_bytes: float
    objects: float
    files: float

    @property
    def hours(self) -> float:
        """The outputs are written while polygons are drawn."""
        return self.network_hours + max(self.polygons_hours, self.writing_hours)


def check_task(plan: Plan, samples: int) -> None:
    """Make sure that there is something to measure.

    Raises:
        BadOption: if not.
    """
    if plan.card.task == "classes":
        raise BadOption(
            f"{plan.card.name} gives each pixel a class and sees an image at once: there is nothing to plan"
        )
    if samples < 1:
        raise BadOption(f"--samples {samples}: wanted how many blocks to measure, such as 2")


def count_threads(cluster: str | None) -> tuple[int, str]:
    """How many threads a cluster has, or this machine, and in words which; no cluster is started.

    Raises:
        BadCluster: if the scheduler does not answer.
        BadOption: if the address is none.
    """
    if cluster is None:
        return os.cpu_count() or 1, "one a core here"
    from overtrace.trace.connect import ask_threads, parse_cluster

    address = parse_cluster(cluster)
    if address.kind == "scheduler":
        return ask_threads(address), "as the scheduler says"
    if address.kind == "local":
        return address.workers, "one a worker"
    return address.workers * int((address.settings or {}).get("cores", 1)), "jobs times cores"


def count_work(plan: Plan) -> Work:
    """What there is to do for all images of a plan."""
    pixels = blocks = tasks = pixel_bytes = side = 0
    for index, raster in enumerate(plan.rasters):
        job = plan.describe_job(index)
        grid = job.view.grid
        pixels += grid.height * grid.width
        blocks += len(job.blocks)
        tasks += job.groups
        side = max(side, job.layers[1].side)
        item = np.dtype(raster.dtype).itemsize * len(job.view.bands)
        pixel_bytes += raster.grid.height * raster.grid.width * item
    return Work(pixels, blocks, tasks, side, pixel_bytes)


@dataclass(slots=True)
class Measured:
    """What samples took."""

    pixels: int = 0
    network_s: float = 0.0
    polygons_s: float = 0.0
    writing_s: float = 0.0
    objects: int = 0
    bytes: int = 0
    files: int = 0
    blocks: int = 0


def measure_rates(plan: Plan, samples: int) -> Rates:
    """Trace some blocks, spread evenly over the first image, in this process and by one thread."""
    job = plan.describe_job(0)
    count = min(samples, len(job.blocks))
    total = Measured()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(-1, count):
            # The first is traced twice: kernels are loaded once a process.
            block = job.blocks[(2 * max(i, 0) + 1) * len(job.blocks) // (2 * count)]
            began = time.perf_counter()
            crop = _cut_out(plan.rasters[0], _in_file(block.core, job.view), folder / f"sample{i}.tif")
            reading_s = time.perf_counter() - began
            _trace_sample(plan, crop, folder / f"sample{i}", total if i >= 0 else Measured(), reading_s)
    return Rates(
        network=total.pixels / total.network_s,
        polygons=total.pixels / total.polygons_s,
        scratch=total.bytes / total.pixels,
        objects=total.objects / total.pixels,
        writing=total.objects / total.writing_s if total.objects else 0.0,
        files=total.files / total.blocks,
        samples=count,
    )


def _in_file(box: Box, view: View) -> Box:
    """A box of the view in pixels of the file."""
    across, down = view.scale
    wide = Box(
        int(box.row * down), int(box.col * across), max(1, round(box.height * down)), max(1, round(box.width * across))
    )
    return clip(wide, view.raster.grid)


def _cut_out(raster: Raster, box: Box, path: Path) -> Path:
    """A part of an image as a file of its own."""
    values, valid = raster.read(range(1, raster.band_count + 1), box)
    grid = raster.grid
    profile = {"driver": "GTiff", "count": len(values), "height": box.height, "width": box.width}
    place = {"crs": grid.crs, "transform": grid.transform @ Affine.translation(box.col, box.row)}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), quiet():
        file = rasterio.open(path, "w", dtype=raster.dtype, **profile, **(place if grid.crs else {}), **tiles)
    with file:
        file.write(values)
        if not valid.all():
            file.write_mask(valid)
    return path


def _trace_sample(plan: Plan, crop: Path, folder: Path, total: Measured, reading_s: float) -> None:
    """Trace a sample and add what it took."""
    folder.mkdir()
    bands = plan.rasters[0].roles
    local = {"cluster": None, "scratch": None, "mosaic": None, "workers": 1, "executor": "threads", "resume": False}
    sample = make_plan([crop], [folder / "objects.gpkg"], replace(plan.options, bands=bands, **local))  # type: ignore[arg-type]
    job = sample.open_job(0, keep_labels=False)
    bench = keep_bench(job)
    bench.prepare()
    total.network_s += reading_s + _time(lambda: [bench.work(Step("predict"), group) for group in range(job.groups)])
    settling = [(layer, node) for layer in range(2, len(job.layers)) for node in range(len(job.layers[layer]))]
    total.polygons_s += _time(lambda: [bench.work(Step("settle", layer), node) for layer, node in settling])
    total.polygons_s += _time(lambda: [bench.work(Step("draw"), group) for group in range(job.groups)])
    assembler = Assembler(bench.method.measures, sample.parameters)
    choice = Choice(sample.parameters.min_area_px, sample.parameters.min_area_m2, plan.options.min_score)
    outputs = open_outputs([folder / "objects.gpkg"], None, sample)

    def write() -> None:
        for group in range(job.groups):
            for instances in assembler.add(group, job.store.load(job.outlines(group))):
                batch = make_batch(0, job.view, instances, choice)
                total.objects += len(batch)
                outputs.write(batch)

    total.writing_s += _time(write)
    outputs.abort()
    assert job.store.folder is not None
    files = [path for path in job.store.folder.rglob("*-*") if path.is_file()]
    total.bytes += sum(path.stat().st_size for path in files)
    total.files += len(files)
    total.blocks += len(job.blocks)
    total.pixels += job.view.grid.height * job.view.grid.width


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def forecast(work: Work, rates: Rates, threads: int) -> Forecast:
    """What the work takes so many threads."""
    objects = rates.objects * work.pixels
    return Forecast(
        network_hours=work.pixels / rates.network / threads / 3600,
        polygons_hours=work.pixels / rates.polygons / threads / 3600,
        writing_hours=objects / rates.writing / 3600 if rates.writing else 0.0,
        scratch_bytes=rates.scratch * work.pixels,
        objects=objects,
        files=rates.files * work.blocks,
    )
