"""Does a cluster whose workers die, and whose scheduler is replaced, give the polygons of one process, to the last bit?

``python -m benchmarks.same_bytes [--size 16384] [--record]`` traces the planes of a canopy, which repeat after 4096
pixels, in threads of one process, on a cluster of four processes, and on one of which a worker is killed after every
tenth of the blocks, by chance, and the scheduler once in the middle. The files are compared row by row, by id.
"""

import argparse
import hashlib
import random
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyogrio

from benchmarks.record import describe_machine, publish
from benchmarks.scene import draw_planes, write_image
from overtrace.raster.progress import Progress
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from tests.support.dask_cluster import Watch, open_dask
from tests.support.identity_model import write_identity_model

PERIOD = 4096
WORKERS = 4
CELL = 1152
"""Pixels along a side of a block, in windows of the identity model."""


def main() -> None:
    """Trace three times, compare, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=16384, help="pixels along a side")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    with TemporaryDirectory() as name:
        lines = compare(Path(name), chosen.size)
    publish("benchmarks/same_bytes.py", machine, lines, record=chosen.record)


def compare(folder: Path, size: int) -> list[str]:
    """What was seen."""
    tile = draw_planes(0, 0, min(size, PERIOD), min(size, PERIOD))

    def draw(row: int, col: int, height: int, width: int) -> np.ndarray:
        rows, cols = np.arange(row, row + height) % PERIOD, np.arange(col, col + width) % PERIOD
        return tile[:, rows[:, None], cols]

    image = write_image(folder / "image.tif", size, draw=draw)
    model = write_identity_model(folder / "identity.onnx")
    run = partial(run_once, image, model, folder)
    _, one_s, one = run("one", Options(workers=1))
    _, four_s, four = run("four", Options(cluster=f"local:{WORKERS}"))
    blocks = (-(-size // CELL)) ** 2
    chance, watch = random.Random(16384), Watch()
    with open_dask(folder, WORKERS) as dask:
        for k in range(1, 20, 2):
            watch.after(max(1, k * blocks // 10), lambda: dask.kill_worker(chance.randrange(WORKERS)))
        watch.after(max(1, blocks // 2), dask.restart_scheduler)
        summary, killed_s, killed = run("killed", Options(cluster=dask.address), watch)
    facts = summary["cluster"]
    verdict = "identical" if one == four == killed else "NOT THE SAME"
    return [
        f"- {size} x {size} planes of touching crowns, {blocks} blocks, {summary['objects']:,} objects",
        f"- one process, one thread: {one_s:.0f} s; a cluster of {WORKERS} processes: {four_s:.0f} s; one whose "
        f"workers are killed and whose scheduler is replaced: {killed_s:.0f} s",
        f"- there {facts}; workers started: {dask.started}",
        f"- **all columns and polygons, by id: {verdict}** (sha256 {one[:16]}, {four[:16]}, {killed[:16]})",
    ]


def run_once(
    image: Path, model: Path, folder: Path, name: str, options: Options, progress: Progress | None = None
) -> tuple[dict[str, object], float, str]:
    """Trace once: the summary, seconds, and the digest of the rows by id."""
    out = folder / f"{name}.gpkg"
    began = time.perf_counter()
    summary = trace([image], [out], replace(options, model=str(model)), progress=progress)
    seconds = time.perf_counter() - began
    meta, _, geometry, columns = pyogrio.raw.read(out)
    table = dict(zip(meta["fields"], columns, strict=True))
    order = np.argsort(table["id"])
    digest = hashlib.sha256()
    for column in (geometry, *(table[field] for field in sorted(table))):
        for value in column[order]:
            digest.update(value if isinstance(value, bytes) else str(value).encode())
    out.unlink()
    return summary, seconds, digest.hexdigest()


if __name__ == "__main__":
    main()
