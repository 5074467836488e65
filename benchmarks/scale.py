"""Does a cluster scale: what does a block cost the scheduler, does memory stay, and what do two workers do?

``python -m benchmarks.scale [--parts a b] [--blocks 10000 100000 1000000] [--size 4096] [--model trees] [--record]``

(a) null blocks: a pass over an image that is not there, in the groups that its size has, with a step that finds nothing
to do; scheduler, worker and client are processes of their own, and the kernel tells what each held at most.
(b) efficiency: an image traced by one worker process and by two, of one thread each, and on paper, at the rates of the
one, what California at 0.6 m would take.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rasterio.crs import CRS
from rasterio.transform import from_origin

from benchmarks.record import describe_machine, publish
from benchmarks.scene import draw_pictures, write_image
from overtrace.decode.parameters import Parameters
from overtrace.models.card import DetectParameters
from overtrace.raster.grid import Grid
from overtrace.raster.lattice import Lattice
from overtrace.raster.progress import Silent
from overtrace.raster.source import Raster
from overtrace.raster.store import Folder
from overtrace.raster.view import View
from overtrace.trace.bench import Step, keep_bench
from overtrace.trace.job import Job
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.support.dask_cluster import open_dask

BLOCK = 1024
LATTICE = Lattice(512, 64)
CALIFORNIA_PIXELS = 1.2e12
THREADS = (64, 512)
"""Of the clusters on paper."""


def main() -> None:
    """Run both, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=("a", "b"), default=["a", "b"])
    parser.add_argument("--blocks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--size", type=int, default=16384, help="pixels along a side of the traced image")
    parser.add_argument("--model", default="trees")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    parser.add_argument("--client", nargs=3, metavar=("BLOCKS", "ADDRESS", "FOLDER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.client:
        run_null(int(chosen.client[0]), chosen.client[1], Path(chosen.client[2]))
        return
    machine = describe_machine()
    lines: list[str] = []
    with TemporaryDirectory() as folder:
        if "a" in chosen.parts:
            lines += measure_null(Path(folder), chosen.blocks)
        if "b" in chosen.parts:
            lines += measure_efficiency(Path(folder), chosen.size, chosen.model)
    publish("benchmarks/scale.py", machine, lines, record=chosen.record)


def measure_null(folder: Path, counts: list[int]) -> list[str]:
    """(a)."""
    lines, peaks = ["- (a) null blocks, one worker process of one thread:"], []
    for count in counts:
        place = folder / str(count)
        place.mkdir()
        with open_dask(place, 1) as dask:
            command = [sys.executable, "-m", "benchmarks.scale", "--client", str(count), dask.address, str(place)]
            said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            said["scheduler_mb"] = read_peak(dask.scheduler_pid) / 1e6
        block_ms, task_ms = said["seconds"] / said["blocks"] * 1e3, said["seconds"] / said["tasks"] * 1e3
        lines.append(
            f"  - {said['blocks']:,} blocks in {said['tasks']:,} tasks: {said['seconds']:.1f} s, "
            f"**{block_ms:.3f} ms a block**, {task_ms:.1f} ms a task; peak of the client {said['client_mb']:.0f} MB, "
            f"of the scheduler {said['scheduler_mb']:.0f} MB"
        )
        peaks.append((said["client_mb"], said["scheduler_mb"]))
    growth = [last / first for first, last in zip(peaks[0], peaks[-1], strict=True)]
    lines.append(
        f"  - **last / first: client {growth[0]:.2f}, scheduler {growth[1]:.2f}** (wanted: flat; under 5 ms a block)"
    )
    return lines


def run_null(count: int, address: str, folder: Path) -> None:
    """The client of a pass over ``count`` blocks; prints what it took as JSON."""
    import distributed

    from overtrace.trace.cluster import Cluster
    from overtrace.trace.worker import Order

    job = describe_nothing(count, folder)
    bench = keep_bench(job)

    def connect() -> distributed.Client:
        client = distributed.Client(address, timeout=60, set_as_default=False)
        client.wait_for_workers(1, timeout=120)
        return client

    cluster = Cluster(connect, Order(Folder(folder), ""), Silent(), "cpu")
    # The first pass opens the job on the worker.
    for _ in cluster.run(bench, Step("tidy"), min(job.groups, 10)):
        pass
    began = time.perf_counter()
    done = sum(1 for _ in cluster.run(bench, Step("tidy"), job.groups))
    seconds = time.perf_counter() - began
    assert done == job.groups
    cluster.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"blocks": len(job.blocks), "tasks": job.groups, "seconds": seconds, "client_mb": peak}))


def describe_nothing(count: int, folder: Path) -> Job:
    """A job of about so many blocks of an image that is not there."""
    side = round(math.sqrt(count)) * (-(-BLOCK // LATTICE.stride) * LATTICE.stride)
    grid = Grid(side, side, from_origin(0, 0, 0.6, 0.6), CRS.from_epsg(32611), (0.6, 0.6))
    raster = Raster(
        name="nothing",
        path="/nothing.tif",
        grid=grid,
        band_count=3,
        dtype="uint8",
        roles={"red": 1, "green": 2, "blue": 3},
        nodata=(None, None, None),
        alpha=None,
        mask="none",
        palette=None,
        driver="GTiff",
        block_shape=(512, 512),
        compression=None,
        notes=(),
    )
    return Job(
        view=View(raster, grid, (1, 2, 3), (0.0,) * 3, (255.0,) * 3, (True,) * 3),
        model=Path(),
        sha256="",
        runtime="openvino",
        device="cpu",
        views=1,
        workers=1,
        task="planes",
        lattice=LATTICE,
        block=BLOCK,
        parameters=Parameters(),
        detect=DetectParameters(),
        simplify_px=0.75,
        keep_labels=False,
        store=Folder(folder / "scratch"),
    )


def read_peak(process: int) -> int:
    """Bytes that a process had resident at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


class Room:
    """Progress that looks how large the scratch folder is just before it goes."""

    def __init__(self, folder: Path, pixels: int) -> None:
        self._folder, self._left, self._pixels = folder, 0, pixels
        self.bytes, self.files = 0, 0

    def begin(self, task: str, pixels: int) -> None:
        """A pass begins."""
        self._left = pixels

    def advance(self, pixels: int) -> None:
        """At the end of each pass, look."""
        self._left -= pixels
        if self._left <= 0:
            files = [path for path in self._folder.glob("*/image-*/*/*-*") if path.is_file()]
            self.bytes, self.files = sum(path.stat().st_size for path in files), len(files)

    def say(self, text: str) -> None:
        """Nothing."""


def measure_efficiency(folder: Path, size: int, model: str) -> list[str]:
    """(b)."""
    image = write_image(folder / "image.tif", size, draw=draw_pictures())
    small = write_image(folder / "small.tif", 1024, draw=draw_pictures())
    trace([small], [folder / "small.gpkg"], Options(model=model, workers=1))  # numba compiles once on each machine
    seconds: dict[int, float] = {}
    rates: dict[str, float] = {}
    lines = [f"- (b) {size} x {size} pixels, model {model}, worker processes of one thread each:"]
    for workers in (1, 2):
        scratch = folder / f"scratch{workers}"
        room = Room(scratch, size * size)
        options = Options(model=model, cluster=f"local:{workers}", scratch=scratch)
        load = os.getloadavg()[0]
        summary = trace([image], [folder / f"{workers}.gpkg"], options, progress=room)
        spent = summary["seconds"]
        assert isinstance(spent, dict)
        assert isinstance(summary["objects"], int)
        seconds[workers] = sum(spent[stage] for stage in ("network", "objects", "polygons"))
        lines.append(f"  - {workers}: {seconds[workers]:.1f} s {spent}, load before {load:.1f}")
        if workers == 1:
            rates = {
                "network": size * size / spent["network"],
                "polygons": size * size / (spent["polygons"] - spent["writing"]),
                "writing": summary["objects"] / spent["writing"],
                "objects": summary["objects"] / size**2,
                "scratch": room.bytes / size**2,
            }
    lines.append(f"  - **efficiency of 1 to 2 workers: {seconds[1] / seconds[2] / 2:.2f}** (wanted: 0.9)")
    return [*lines, *estimate(rates)]


def estimate(rates: dict[str, float]) -> list[str]:
    """California, from the rates of one thread."""
    blocks = CALIFORNIA_PIXELS / (-(-BLOCK // LATTICE.stride) * LATTICE.stride) ** 2
    objects = rates["objects"] * CALIFORNIA_PIXELS
    lines = [
        f"  - on paper, {CALIFORNIA_PIXELS:.1e} pixels, all of them canopy as here, at the rates of one worker "
        f"({rates['network'] / 1e6:.2f} megapixels/s network, {rates['polygons'] / 1e6:.2f} polygons):",
        f"  - {blocks:,.0f} blocks, {2 * blocks / 64:,.0f} tasks; {3 * CALIFORNIA_PIXELS / 1e12:.1f} TB of pixels in "
        f"three bands; {rates['scratch'] * CALIFORNIA_PIXELS / 1e12:.2f} TB of scratch; {objects / 1e9:.2f} billion "
        f"objects, whose writing takes one process {objects / rates['writing'] / 3600:.0f} hours as GeoPackage",
    ]
    for threads in THREADS:
        network, polygons = (CALIFORNIA_PIXELS / rates[stage] / threads / 3600 for stage in ("network", "polygons"))
        lines.append(f"  - {threads} threads: {network:.1f} hours network, {polygons:.2f} hours polygons")
    return lines


if __name__ == "__main__":
    main()
