"""``overtrace trace`` needs the core packages alone."""

import subprocess
import sys

from benchmarks.scene import write_image
from tests.support.identity_model import write_identity_model

CODE = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {extras}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from overtrace.cli.main import main
main()
"""
EXTRAS = {"torch", "onnx", "nncf", "skimage", "pandas", "geopandas", "pyarrow", "psutil"}


def run_without(extras, *arguments):
    command = [sys.executable, "-c", CODE.format(extras=extras), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_trace_runs_without_the_packages_of_the_extras(tmp_path):
    image = write_image(tmp_path / "scene.tif", 300)
    model = write_identity_model(tmp_path / "identity.onnx", window=128, margin=16)
    outs = [tmp_path / f"crowns.{extension}" for extension in ("gpkg", "geojson", "geojsonl", "fgb", "json", "tif")]
    named = [part for out in outs for part in ("--out", out)]
    done = run_without(EXTRAS, "trace", image, "--model", model, *named, "--report", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    assert all(out.stat().st_size for out in [*outs, tmp_path / "report.html"])


def test_an_output_that_needs_an_extra_names_it(tmp_path):
    image = write_image(tmp_path / "scene.tif", 64)
    model = write_identity_model(tmp_path / "identity.onnx", window=64, margin=8)
    done = run_without(EXTRAS, "trace", image, "--model", model, "--out", tmp_path / "crowns.parquet")
    assert done.returncode == 1
    assert "overtrace[parquet]" in done.stderr
    assert done.stderr.count("\n") == 1
