"""What the user can put right: one line that names it, exit 1, and nothing left behind."""

import os
import subprocess
import sys

import numpy as np
import onnx
import pyogrio
import pytest
import rasterio
from onnx import TensorProto, helper
from pyproj import Geod
from rasterio.transform import from_origin

from benchmarks.scene import write_image
from tests.support.identity_model import write_identity_model


def trace(*arguments, cwd=None):
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "trace", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A good image and model, and what can be wrong with either."""
    folder = tmp_path_factory.mktemp("files")
    good = write_image(folder / "good.tif", 600)
    write_identity_model(folder / "identity.onnx")
    (folder / "short.tif").write_bytes(good.read_bytes()[: good.stat().st_size * 2 // 3])
    (folder / "text.tif").write_text("these are words\n")
    profile = {"driver": "GTiff", "dtype": "uint8", "crs": "EPSG:32633", "transform": from_origin(5e5, 5e6, 0.5, 0.5)}
    with rasterio.open(folder / "grey.tif", "w", count=1, height=64, width=64, **profile) as image:
        image.write(np.full((1, 64, 64), 99, np.uint8))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), folder / "other.onnx")
    return folder


@pytest.mark.parametrize(
    ("image", "model", "out", "said"),
    [
        ("missing.tif", "identity.onnx", "out.gpkg", "missing.tif does not exist: check the path"),
        ("short.tif", "identity.onnx", "out.gpkg", "short.tif is damaged"),
        ("text.tif", "identity.onnx", "out.gpkg", "text.tif cannot be opened as an image"),
        ("grey.tif", "identity.onnx", "out.gpkg", "grey.tif has 1 band (none known by its role), the model wants red"),
        ("good.tif", "other.onnx", "out.gpkg", "other.onnx is an ONNX file without an overtrace card"),
        ("good.tif", "text.tif", "out.gpkg", "text.tif is no ONNX file"),
        ("good.tif", "nonsense", "out.gpkg", "no model is called nonsense"),
        ("good.tif", "identity.onnx", "nowhere/out.gpkg", "folder nowhere does not exist"),
        ("good.tif", "identity.onnx", "out.xyz", "unknown extension '.xyz': use one of .gpkg"),
        ("good.tif", "identity.onnx", ".", "unknown extension"),
    ],
)
def test_one_line_exit_1_and_nothing_left(files, tmp_path, image, model, out, said):
    for name in files.iterdir():
        os.symlink(name, tmp_path / name.name)
    before = sorted(path.name for path in tmp_path.iterdir())
    done = trace(image, "--model", model, "--out", out, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("overtrace: error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_full_disk_is_one_line(files, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        arguments = ("--model", files / "identity.onnx", "--out", disk / "out.gpkg", "--scratch", tmp_path / "scratch")
        done = trace(files / "good.tif", *arguments)
        assert done.returncode == 1
        assert "no space left" in done.stderr
        assert done.stderr.count("\n") == 1
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_areas_in_a_geographic_crs_are_geodesic(files, tmp_path):
    with rasterio.open(files / "good.tif") as image:
        pixels, profile = image.read(), image.profile
    degrees = 0.25 / 111_320
    placed = {"crs": "EPSG:4326", "transform": from_origin(15, 60, 2 * degrees, degrees)}
    with rasterio.open(tmp_path / "degrees.tif", "w", **profile | placed) as image:
        image.write(pixels)
    out = tmp_path / "out.gpkg"
    done = trace(tmp_path / "degrees.tif", "--model", files / "identity.onnx", "--out", out, "--simplify", 0)
    assert done.returncode == 0, done.stderr
    meta, _, _, columns = pyogrio.raw.read(out)
    table = dict(zip(meta["fields"], columns, strict=True))
    corner = [15, 15 + 2 * degrees, 15 + 2 * degrees, 15]
    pixel_m2, _ = Geod(ellps="WGS84").polygon_area_perimeter(corner, [60, 60, 60 - degrees, 60 - degrees])
    counts = table["area_m2"] / abs(pixel_m2)
    np.testing.assert_allclose(counts, np.round(counts), rtol=1e-4)
    assert len(counts) > 50


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--block", -3, "--block -3: wanted the side of a block in pixels"),
        ("--workers", -1, "--workers -1: wanted how many work at a time"),
        ("--simplify", "3x", "'3x' is no length"),
        ("--bands", "red=9,green=2,blue=3", "--bands red=9: the image has bands 1 to 3"),
        ("--decode", "interior=0", "interior"),
    ],
)
def test_an_option_that_cannot_be_is_named(files, tmp_path, option, value, said):
    run = trace(files / "good.tif", "--model", files / "identity.onnx", "--out", tmp_path / "a.gpkg", option, value)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("overtrace: error: ")
    assert said in line
    assert not list(tmp_path.iterdir())
