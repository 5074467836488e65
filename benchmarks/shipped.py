"""How fast is each model file that is shipped, alone and in a whole trace? ``benchmarks.networks --shipped`` asks.

Alone: one window of the file's own size, one thread, each runtime. Whole: all cores, OpenVINO, from files to files:
*planes* and *detections* trace a GeoTIFF with bands and pixels as the model wants them (crowns, or roofs for models of
buildings) to a GeoPackage; *classes* answer a folder of photos with PNGs.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import Occasion
from benchmarks.scene import PIXEL_SIZE_M, draw_houses, draw_pictures, write_image
from overtrace.challenges.answer import answer
from overtrace.models.card import Card, read_card
from overtrace.models.metadata import digest_network
from overtrace.models.runtime import RUNTIMES, Network, load_network
from overtrace.trace.options import Options
from overtrace.trace.pipeline import trace

TURNS = 5
WARM_PX = 1024
PHOTO = (480, 360)
"""Width and height, those of CamVid."""

HEAD = [
    f"Megapixels a second. Alone: one window, one thread, best of {TURNS}. Whole: all cores, OpenVINO, from files to "
    "files: a trace of a drawn GeoTIFF, or an answer to photos for models of classes.",
    "",
    f"| model | MB | window | {' | '.join(RUNTIMES)} | whole | of |",
    "|---|---|---|" + "---|" * (len(RUNTIMES) + 2),
]


def measure_file(path: Path, size: int, occasion: Occasion) -> dict[str, Any]:
    """What is measured of a model file.

    Args:
        size: pixels along a side of the image that is traced; of photos there are as many as hold its pixels.
    """
    card = read_card(path)
    image = np.random.default_rng(0).random((len(card.bands), card.window, card.window), dtype=np.float32)
    alone = {runtime: time_window(load_network(path, runtime=runtime), image) for runtime in RUNTIMES}
    with TemporaryDirectory() as folder:
        measure = answer_photos if card.task == "classes" else trace_image
        whole, of = measure(path, card, size, Path(folder))
    return {
        "network": digest_network(path),
        "bytes": path.stat().st_size,
        "window": card.window,
        **{name: round(speed, 3) for name, speed in {**alone, "whole": whole}.items()},
        "of": of,
        **asdict(occasion),
    }


def show_row(name: str, found: dict[str, Any]) -> str:
    """A row of the table."""
    speeds = [f"{found[column]:.2f}" for column in (*RUNTIMES, "whole")]
    cells = [name, f"{found['bytes'] / 1e6:.1f}", str(found["window"]), *speeds, found["of"]]
    return f"| {' | '.join(cells)} |"


def time_window(network: Network, image: np.ndarray) -> float:
    """Megapixels a second."""
    network.ask(image)
    return image.shape[1] * image.shape[2] / 1e6 / min(_time(lambda: network.ask(image)) for _ in range(TURNS))


def trace_image(path: Path, card: Card, size: int, folder: Path) -> tuple[float, str]:
    """Megapixels a second, and what was traced."""
    houses = any("building" in name for name in card.classes)
    draw = _with_bands(draw_houses if houses else draw_pictures(min(size, 4096)), len(card.bands))
    finest, coarsest = card.pixel_size_m or (PIXEL_SIZE_M, PIXEL_SIZE_M)
    pixel_size_m = min(max(PIXEL_SIZE_M, finest), coarsest)
    options = Options(model=str(path), bands={role: number for number, role in enumerate(card.bands, start=1)})
    sides = {"warm": min(size, WARM_PX), "image": size}  # numba compiles once on each machine
    for name, side in sides.items():
        image = write_image(folder / f"{name}.tif", side, draw=draw, pixel_size_m=pixel_size_m, bands=len(card.bands))
        began = time.perf_counter()
        summary = trace([image], [folder / f"{name}.gpkg"], options)
        seconds = time.perf_counter() - began
    kind = "roofs" if houses else "crowns"
    return (
        size * size / 1e6 / seconds,
        f"{size} x {size} px of {kind} at {pixel_size_m:g} m, {summary['objects']:,} found",
    )


def answer_photos(path: Path, card: Card, size: int, folder: Path) -> tuple[float, str]:
    """Megapixels a second, and what was answered."""
    width, height = PHOTO
    draw = draw_pictures(512)
    (folder / "photos").mkdir()
    count = max(size * size // (width * height), 1)
    for number in range(count):
        picture = np.moveaxis(draw(17 * number, 31 * number, height, width), 0, -1)
        Image.fromarray(picture).save(folder / "photos" / f"{number:05d}.jpg")
    workers = os.cpu_count() or 1
    network = load_network(path, workers=workers)
    answer("camvid", network, [folder / "photos" / "00000.jpg"], folder / "warm", workers=workers)
    seconds = _time(lambda: answer("camvid", network, [folder / "photos"], folder / "out", workers=workers))
    return count * width * height / 1e6 / seconds, f"{count:,} photos of {width} x {height} px"


def _with_bands(draw: Callable[[int, int, int, int], np.ndarray], bands: int) -> Callable[..., np.ndarray]:
    """A drawing with more bands: each is the green one again, as leaves are bright in near infrared too."""

    def drawn(row: int, col: int, height: int, width: int) -> np.ndarray:
        picture = draw(row, col, height, width)
        return np.concatenate([picture, *[picture[1:2]] * (bands - len(picture))])

    return drawn


def _time(work: Callable[[], object]) -> float:
    """Seconds on the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
