"""Does memory grow with the image?

``python -m benchmarks.memory [--sizes 8192 32768] [--model trees] [--workers 2] [--record]`` traces square images to a
GeoPackage, each in a process of its own, and asks the kernel for the most memory that the process had resident.

Without ``--model`` the network is the identity and the image holds planes of touching crowns: every object is then
known to be there. With it, the image is a picture of a canopy.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import describe_machine, publish
from benchmarks.scene import draw_pictures, draw_planes, write_image
from tests.support.identity_model import write_identity_model

COMMAND = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "trace"]


def main() -> None:
    """Trace every size, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8192, 32768], help="pixels along a side")
    parser.add_argument("--model", help="a shipped model or a model file")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the images, the scratch and the outputs go for a while")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    lines, peaks = [f"- model: {chosen.model or 'identity over planes'}, {chosen.workers} workers"], []
    with TemporaryDirectory(dir=chosen.folder) as folder:
        model = chosen.model or str(write_identity_model(Path(folder) / "identity.onnx"))
        for size in chosen.sizes:
            draw = draw_pictures() if chosen.model else draw_planes
            image = write_image(Path(folder) / f"{size}.tif", size, draw=draw)
            line, peak_mb = measure(image, ["--model", model, "--workers", str(chosen.workers)])
            image.unlink()
            lines.append(f"- {size} x {size}: {line}")
            peaks.append(peak_mb)
    lines.append(f"- **last / first: {peaks[-1] / peaks[0]:.2f}** (wanted: at most 1.2, and under 1,500 MB)")
    publish("benchmarks/memory.py", machine, lines, record=chosen.record)


def measure(image: Path, options: list[str]) -> tuple[str, float]:
    """Trace an image in a new process: a line to print, and its peak resident memory in MB (10^6 bytes)."""
    out = image.with_suffix(".gpkg")
    began = time.perf_counter()
    command = [*COMMAND, str(image), "--out", str(out), "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"tracing {image} failed with {process.returncode}")
    seconds = time.perf_counter() - began
    peak_mb = usage.ru_maxrss * 1024 / 1e6
    written_mb = out.stat().st_size / 1e6
    out.unlink()
    objects = json.loads(said)["objects"]
    line = f"peak {peak_mb:,.0f} MB, {objects:,} objects, {seconds:.0f} s, GeoPackage of {written_mb:,.0f} MB"
    return line, peak_mb


if __name__ == "__main__":
    main()
