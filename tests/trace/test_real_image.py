"""The shipped model on a real image of several blocks: the one that the demo downloads."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from overtrace.cli.demo import _cache_folder
from overtrace.trace.options import Length, Options
from overtrace.trace.pipeline import trace
from overtrace.trace.samples import fetch_samples

PIXEL_SIZE_M = 0.3
"""Three times what it is: the model then sees the image pixel by pixel, where it would be reduced otherwise."""


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """Yellowstone, 2472 x 2299 pixels."""
    folder = tmp_path_factory.mktemp("real")
    return fetch_samples(_cache_folder(), folder)[1].image


def read_sorted(path: Path) -> list[tuple[bytes, bytes]]:
    """Every polygon and its attributes, as bytes, in the order of the ids."""
    _, _, geometry, columns = pyogrio.raw.read(path)
    return sorted(zip(geometry, (repr(row).encode() for row in zip(*columns, strict=True)), strict=True))


def run(image: Path, out: Path, **options) -> list[tuple[bytes, bytes]]:
    trace([image], [out], Options(pixel_size_m=PIXEL_SIZE_M, **options))
    return read_sorted(out)


@pytest.fixture(scope="module")
def expected(image, tmp_path_factory) -> list[tuple[bytes, bytes]]:
    return run(image, tmp_path_factory.mktemp("expected") / "out.gpkg", workers=1)


@pytest.mark.parametrize(
    ("block", "workers", "executor"),
    [(256, 2, "threads"), (512, 2, "processes"), (777, 1, "threads"), (2048, 2, "threads")],
)
def test_the_same_bytes_however_it_is_cut(image, expected, tmp_path, block, workers, executor):
    assert len(expected) > 100
    assert run(image, tmp_path / "out.gpkg", block=block, workers=workers, executor=executor) == expected


def test_the_same_bytes_of_a_reduced_image(image, tmp_path):
    cut = {}
    for block in (256, 2048):
        trace([image], [tmp_path / f"{block}.gpkg"], Options(pixel_size_m=0.1, block=block, workers=2))
        cut[block] = read_sorted(tmp_path / f"{block}.gpkg")
    assert len(cut[256]) > 100
    assert cut[256] == cut[2048]


def test_the_same_bytes_after_kills(image, expected, tmp_path):
    out, chance = tmp_path / "out.gpkg", random.Random(7)
    code = "from overtrace.cli.main import main; main()"
    arguments = ["trace", image, "--pixel-size", PIXEL_SIZE_M, "--out", out, "--block", 256, "--resume"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    for _ in range(3):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        begun = time.monotonic() + 60
        while not any(tmp_path.glob(".*/image-*/*/answer-*")) and time.monotonic() < begun:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not out.exists()
    subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)
    assert read_sorted(out) == expected


@pytest.mark.parametrize("simplify", [Length(0, "px"), Length(0.75, "px"), Length(0.5, "m")])
def test_real_polygons_are_a_valid_coverage(image, tmp_path, simplify):
    trace([image], [tmp_path / "out.gpkg"], Options(pixel_size_m=PIXEL_SIZE_M, simplify=simplify))
    meta, _, geometry, columns = pyogrio.raw.read(tmp_path / "out.gpkg")
    polygons = shapely.from_wkb(geometry)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    if simplify.value == 0:
        areas = columns[list(meta["fields"]).index("area_m2")] / PIXEL_SIZE_M**2
        np.testing.assert_allclose(areas, np.round(areas), rtol=1e-9)
