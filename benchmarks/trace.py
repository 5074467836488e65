"""How fast is a whole trace beside the network alone, and decoding beside the usual libraries?

``python -m benchmarks.trace [--size 8192] [--workers 2] [--model trees] [--record]``, all in one run:

(a) a whole trace of a GeoTIFF to a GeoPackage; (b) the network alone over the same windows, held in memory;
(c) decoding and vectorising given planes in one thread; (d) scikit-image, rasterio and shapely on the same planes.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from rasterio.features import shapes
from scipy.ndimage import label
from shapely.geometry import shape
from skimage.segmentation import watershed

from benchmarks.record import describe_machine, publish
from benchmarks.scene import draw_pictures, draw_planes, write_image
from overtrace.decode.parameters import Parameters
from overtrace.models.card import DetectParameters, read_card
from overtrace.models.runtime import load_network
from overtrace.models.shipped import find_model
from overtrace.raster.grid import Box, within
from overtrace.raster.lattice import Lattice
from overtrace.raster.source import open_raster
from overtrace.raster.store import Folder, save
from overtrace.raster.view import View, open_view
from overtrace.trace.assemble import Assembler, combine
from overtrace.trace.draw import draw_block
from overtrace.trace.job import Job
from overtrace.trace.methods import METHODS
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace
from overtrace.trace.planes import keep_planes, label_block, settle_seeds
from overtrace.vector.rings import to_shapely

SIMPLIFY_PX = 0.75
Answer = TypeVar("Answer")


def main() -> None:
    """Run all four, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=8192, help="pixels along a side of the traced image")
    parser.add_argument("--planes-size", type=int, default=8192, help="pixels along a side of the given planes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="trees")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    with TemporaryDirectory() as folder:
        lines = compare_with_network(Path(folder), chosen.size, chosen.workers, chosen.model)
        lines += compare_with_libraries(Path(folder), chosen.planes_size)
    publish("benchmarks/trace.py", machine, lines, record=chosen.record)


def compare_with_network(folder: Path, size: int, workers: int, model: str) -> list[str]:
    """(a) and (b)."""
    options = Options(model=model, workers=workers)
    small = write_image(folder / "small.tif", 1024, draw=draw_pictures())
    trace([small], [folder / "small.gpkg"], options)  # numba compiles once on each machine
    image = write_image(folder / "image.tif", size, draw=draw_pictures())
    summary, whole_s = _timed(lambda: trace([image], [folder / "crowns.gpkg"], options))
    network_s, windows = run_network(image, model, workers)
    megapixels = size * size / 1e6
    return [
        f"- image: {size} x {size} pixels, {summary['objects']:,} objects, model {summary['model']}, {workers} workers",
        f"- (a) whole trace: {whole_s:.1f} s, {megapixels / whole_s:.1f} megapixels/s; stages {summary['seconds']}",
        f"- (b) network alone, {windows} windows: {network_s:.1f} s, {megapixels / network_s:.1f} megapixels/s",
        f"- **(a) / (b): {whole_s / network_s:.2f}** (wanted: at most 1.8)",
    ]


def run_network(image: Path, model: str, workers: int) -> tuple[float, int]:
    """Seconds for all windows of an image, which are read before, and how many they are."""
    path = find_model(model)
    card = read_card(path)
    view = open_view(open_raster(image), card.bands, card.pixel_size_m, card.scaling)
    blocks = Lattice(card.window, card.margin).blocks(view.grid, 1024)
    pixels = Box(-card.margin, -card.margin, view.grid.height + 2 * card.window, view.grid.width + 2 * card.window)
    everything, _ = view.read(pixels)
    windows = [everything[None, :, *within(window.read, pixels)] for block in blocks for window in block.windows]
    network = load_network(path, workers=workers)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(network.run, windows[: 2 * workers]))
        _, seconds = _timed(lambda: [None for _ in pool.map(network.run, windows)])
    return seconds, len(windows)


def compare_with_libraries(folder: Path, size: int) -> list[str]:
    """(c) and (d)."""
    planes = draw_planes(0, 0, size, size)
    view = open_planes(folder, size)
    trace_planes(open_planes(folder, 1024), planes[:, :1024, :1024], folder / "warm")
    runs = [_timed(lambda run=run: trace_planes(view, planes, folder / f"job{run}")) for run in range(3)]
    ours, ours_s = min(runs, key=lambda run: run[1])
    theirs, theirs_s = _timed(lambda: trace_with_libraries(planes))
    megapixels = size * size / 1e6
    return [
        f"- planes: {size} x {size} pixels of touching crowns, one thread, simplified by {SIMPLIFY_PX} px; "
        "(c) is the best of three",
        f"- **(c) decode and vectorise: {ours_s:.2f} s, {megapixels / ours_s:.1f} megapixels/s** (wanted: at least 15),"
        f" {ours:,} polygons",
        f"- (d) skimage watershed + rasterio shapes + shapely simplify: {theirs_s:.1f} s, "
        f"{megapixels / theirs_s:.2f} megapixels/s, {theirs:,} polygons",
        f"- **(d) / (c): {theirs_s / ours_s:.1f}** (wanted: at least 10)",
    ]


def trace_planes(view: View, planes: np.ndarray, folder: Path) -> int:
    """From planes to shapely polygons as a trace does it, its scratch files included; the number of polygons."""
    store = Folder(folder)
    job = Job(
        view=view,
        model=Path(),
        sha256="",
        runtime="openvino",
        device="cpu",
        views=1,
        workers=1,
        task="planes",
        lattice=Lattice(512, 64),
        block=1024,
        parameters=Parameters(),
        detect=DetectParameters(),
        simplify_px=SIMPLIFY_PX,
        keep_labels=False,
        store=store,
    )
    for block in job.blocks:
        core = block.core
        keep_planes(job, block, planes[:, core.row : core.row + core.height, core.col : core.col + core.width])
    for layer in range(1, len(job.layers)):
        for node in range(len(job.layers[layer])):
            settle_seeds(job, layer, node)
    assembler = Assembler(METHODS["planes"].measures, job.parameters)
    count = 0
    measures = METHODS["planes"].measures
    for group in range(job.groups):
        drawn = [draw_block(job, block, label_block(job, block)) for block in job.blocks_of(group)]
        save(store, job.outlines(group), combine(drawn, measures))
        for instances in assembler.add(group, store.load(job.outlines(group))):
            count += len(to_shapely(instances.polygons, np.eye(2, 3)))
    return count


def trace_with_libraries(planes: np.ndarray) -> int:
    """The same with what most projects use; the number of polygons."""
    rule = Parameters()
    mask = planes[0] >= rule.interior
    seeds, _ = label(mask & (planes[1] < rule.touch) & (planes[2] >= rule.distance))
    labels = watershed(planes[1], seeds, mask=mask)
    polygons = [shape(geometry) for geometry, _ in shapes(labels.astype(np.int32), mask=labels > 0, connectivity=4)]
    return len([polygon.simplify(SIMPLIFY_PX) for polygon in polygons])


def open_planes(folder: Path, size: int) -> View:
    """An image that holds the planes of ``draw_planes``."""
    return open_view(open_raster(write_image(folder / f"planes{size}.tif", size)))


def _timed(work: Callable[[], Answer]) -> tuple[Answer, float]:
    """What work answers, and seconds on the clock."""
    began = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - began


if __name__ == "__main__":
    main()
