"""Run the official codes of SpaceNet-2 again and write down what they say: spacenet/CODE.json.

``PYTHONPATH=src:. python tests/golden/record_spacenet.py SCRATCH [--only CODE ...]``. What must lie in the folder
SCRATCH is told in README.md beside this file; none of it belongs into this repository.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.golden.sets import DRAWN, REAL, write_set

FOLDER = Path(__file__).with_name("spacenet")
PEER = Path(__file__).with_name("run_peer.py")


@dataclass(frozen=True)
class Code:
    """An official code: where it comes from, how it is run, and what it needs to run today."""

    source: str
    command: str
    """With {truth}, {answer} and {answers}, a folder with nothing but the answer."""
    folder: str
    """Where in SCRATCH it is run."""
    read: Callable[[str], dict[str, Any]]
    helped: tuple[str, ...]
    versions: str


def read_json(printed: str) -> dict[str, Any]:
    """What run_peer.py prints."""
    said = json.loads(printed.splitlines()[-1])
    return {"cities": dict(sorted(said["cities"].items())), "images": dict(sorted(said["images"].items()))}


def read_tester(printed: str) -> dict[str, Any]:
    """What the tester in Java prints."""
    details, _, summary = printed.partition("Details:")[2].partition("\nOverall F-score : ")
    numbers = r"\s+TP:\s+(\d+)\s+FP:\s+(\d+)\s+FN:\s+(\d+)"
    images = {name: [int(count) for count in counts] for name, *counts in re.findall(rf"(\S+){numbers}", details)}
    images |= {name: [0, 0, 0] for name in re.findall(r"(\S+)\n  - not scored", details)}
    cities = {
        name: [*(int(count) for count in counts), float(score.replace(",", "."))]
        for name, *counts, score in re.findall(rf"(\S+):\n{numbers}[^F]+F-score:\s+(\S+)", summary)
    }
    overall = float(summary.split()[0].replace(",", "."))
    return {"overall": overall, "cities": cities, "images": dict(sorted(images.items()))}


VERSIONS = "venv/bin/python -m pip list --format freeze --disable-pip-version-check"
CODES = {
    "topcoder": Code(
        "SpaceNetChallenge/BuildingDetectors_Round2 d2c155b97d88f3eed48b8406f54c484571b85547, "
        "2-wleite/src/visualizer/BuildingVisualizer.java 2.0 (2017.03.10) and Utils.java",
        "java -Djava.awt.headless=true -cp java/classes visualizer.BuildingVisualizer"
        " -no-gui -image-dir none -truth {truth} -solution {answers}",
        ".",
        read_tester,
        ("typed over from the repository without the window, the drawing and the file of parameters",),
        "java -version",
    ),
    "utilities": Code(
        "SpaceNetChallenge/utilities: python/spaceNetUtilities/evalTools.py 3a42c831b1372ef7ac96dc0e88ea7d4c5f552cf3, "
        "geoTools.py 95fe45da2cc66e2aa97a76fe98571b0b71e6ba93, "
        "spacenetutilities/scripts/evaluateScene.py 1c2fb0fcc7cf79d16b081e5d0279435f6606cc57",
        f"/usr/bin/python3 {PEER} utilities {{truth}} {{answer}}",
        "utilities",
        read_json,
        (
            "typed over from the repository: of geoTools three functions, of the others no writing of files",
            "two functions that unpack a tuple in their head, as Python 2 had it, do so in their first line",
            "the CSV is opened as text; names of images are larger than numbers, as in Python 2",
            "Rtree's index is true even when it is empty, as it was until Rtree 0.8.3",
        ),
        '/usr/bin/python3 -c \'import numpy, rtree; from osgeo import gdal; print(gdal.VersionInfo(""));'
        ' print("numpy", numpy.__version__, "rtree", rtree.__version__)\'; dpkg-query -W libgeos-c1v5',
    ),
    "solaris": Code(
        "solaris 0.4.0 of PyPI, eval/challenges.py: spacenet_buildings_2",
        f"venv/bin/python -W ignore {PEER} solaris {{truth}} {{answer}}",
        ".",
        read_json,
        ("imported without solaris/__init__.py, which brings networks",),
        VERSIONS,
    ),
    "solaris-stable": Code(
        "solaris 0.4.0 of PyPI, eval/challenges.py: spacenet_buildings_2",
        f"venv/bin/python -W ignore {PEER} solaris {{truth}} {{answer}} --stable",
        ".",
        read_json,
        (
            "imported without solaris/__init__.py, which brings networks",
            "its sort by confidence is made stable: pandas' own choice leaves equal ones in any order",
        ),
        VERSIONS,
    ),
    "cw-eval-stable": Code(
        "cw-eval 1.0.0 of PyPI, baseeval.py: EvalBase.eval_iou_spacenet_csv",
        f"venv/bin/python -W ignore {PEER} cw-eval {{truth}} {{answer}} --stable",
        ".",
        read_json,
        ("its sort by confidence is made stable: pandas' own choice leaves equal ones in any order",),
        VERSIONS,
    ),
}


def main() -> None:
    """Run all codes on all sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(CODES), default=list(CODES))
    chosen = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for name in chosen.only:
        golden = record(CODES[name], chosen.scratch.resolve())
        (FOLDER / f"{name}.json").write_text(lay_out(golden))


def record(code: Code, scratch: Path) -> dict[str, Any]:
    """What one code says of every set."""
    versions = subprocess.run(code.versions, shell=True, cwd=scratch, capture_output=True, text=True, check=True)
    sets = {}
    for name in (*DRAWN, *REAL):
        with TemporaryDirectory() as folder:
            sets[name] = run(code, scratch, Path(folder), *write_set(name, Path(folder)))
    return {
        "source": code.source,
        "command": code.command.replace(str(PEER), PEER.name),
        "helped": code.helped,
        "versions": (versions.stdout + versions.stderr).split("\n")[:-1],
        "recorded": f"{datetime.now(UTC):%Y-%m-%d}",
        "sets": sets,
    }


def run(code: Code, scratch: Path, folder: Path, truth: Path, answer: Path) -> dict[str, Any]:
    """What one code says of one set."""
    answers = folder / "answers"
    answers.mkdir()
    shutil.copy(answer, answers)
    command = code.command.format(truth=truth, answer=answer, answers=answers)
    done = subprocess.run(command.split(), cwd=scratch / code.folder, capture_output=True, text=True, check=False)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (truth, answer)}
    if done.returncode:
        return {"sha256": files, "error": done.stderr.strip().splitlines()[-1]}
    return {"sha256": files, **code.read(done.stdout)}


def lay_out(golden: dict[str, Any]) -> str:
    """JSON with a line for each image."""
    text = json.dumps(golden, indent=1)
    return re.sub(r"\[[\d\s.,e+-]+\]", lambda numbers: " ".join(numbers[0].split()), text) + "\n"


if __name__ == "__main__":
    main()
