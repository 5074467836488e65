"""How long does a small set take from the command line to the score, kernels compiled before?

``python -m benchmarks.startup [--repeats 7] [--record]``.

One image or two for each protocol; each run is a process of its own, as a user starts it. The command without work
(``--version``) and Python with numba alone tell what no scorer of this kind can go below.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.record import describe_machine, publish

OVERTRACE = str(Path(sys.executable).with_name("overtrace"))


def main() -> None:
    """Write the sets, run all in turns, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    with TemporaryDirectory() as folder:
        commands = {
            "python -c 'import numba'": [sys.executable, "-c", "import numba"],
            "overtrace --version": [OVERTRACE, "--version"],
            **{f"overtrace score {name}": command for name, command in write_sets(Path(folder)).items()},
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(chosen.repeats + 1):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                if turn:  # The first one compiles.
                    times[name].append(time.perf_counter() - begin)
    lines = [
        f"- {name}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        for name, seconds in times.items()
    ]
    publish("benchmarks/startup.py", machine, lines, record=chosen.record)


def write_sets(folder: Path) -> dict[str, list[str]]:
    """A command for each protocol."""
    result = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": {"size": [2, 3], "counts": [3, 3]}}
    data = {
        "images": [{"id": 1, "height": 2, "width": 3}],
        "categories": [{"id": 1, "name": "crown"}],
        "annotations": [{**result, "id": 1, "area": 3, "iscrowd": 0}],
    }
    (folder / "truth.json").write_text(json.dumps(data))
    (folder / "answer.json").write_text(json.dumps([result]))
    (folder / "maps").mkdir()
    Image.fromarray(np.full((40, 40), 3, np.uint8)).save(folder / "maps" / "a.png")
    house = '"POLYGON ((0 0,10 0,10 10,0 10,0 0))"'
    (folder / "truth.csv").write_text(f"AOI_2_Vegas_img1,1,{house},{house}\n")
    (folder / "answer.csv").write_text(f"AOI_2_Vegas_img1,1,{house},0.9\n")
    (folder / "points").mkdir()
    (folder / "points" / "a.csv").write_text("x,y\n0,0\n")
    paths = {
        "itc": ("truth.json", "answer.json"),
        "sceneparsing": ("maps", "maps"),
        "deepglobe": ("truth.csv", "answer.csv"),
        "trees": ("points", "points"),
    }
    return {
        protocol: [OVERTRACE, "score", protocol, "--truth", str(folder / truth), "--answers", str(folder / answer)]
        for protocol, (truth, answer) in paths.items()
    }


if __name__ == "__main__":
    main()
