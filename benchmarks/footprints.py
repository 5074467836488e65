"""How fast are footprints scored beside the loop of solaris, on the same files?

``python -m benchmarks.footprints --peer-python PATH [--images 400] [--repeats 5] [--peer-repeats 1] [--record]``.

Each reads two CSV files and counts what is found in every image, in a process of its own; they take turns, and the
machine's noise meets both. PATH is a python that has solaris 0.4.0 and what it needs (tests/golden/README.md); its code
is run as it is there. The time within the process leaves out start-up, imports and, for ours, the compilation of
kernels.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.record import describe_machine, publish

SIDE_PX = 650
CITIES = ("AOI_2_Vegas", "AOI_3_Paris", "AOI_4_Shanghai", "AOI_5_Khartoum")
PEER = Path(__file__).resolve().parent.parent / "tests" / "golden" / "run_peer.py"


def main() -> None:
    """Draw a set, let both take turns, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--houses", type=int, default=30, help="houses in an image, on average")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-repeats", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    parser.add_argument("--one", nargs=2, metavar=("TRUTH", "ANSWER"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(run_ours(*map(Path, chosen.one))))
        return
    if chosen.peer_python is None:
        parser.error("name a python that has solaris: --peer-python PATH")
    machine = describe_machine()
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_set(folder, chosen.images, chosen.houses)
        ours: list[dict] = []
        theirs: list[dict] = []
        for turn in range(max(chosen.repeats, chosen.peer_repeats)):
            if turn < chosen.peer_repeats:
                theirs.append(measure([str(chosen.peer_python), "-W", "ignore", str(PEER), "solaris"], folder))
            if turn < chosen.repeats:
                ours.append(measure([sys.executable, "-m", "benchmarks.footprints", "--one"], folder))
    if any(run["images"] != ours[0]["images"] for run in (*ours, *theirs)):
        raise SystemExit("the counts of the images differ: no figures")
    lines = [f"- {chosen.images} images, {rows[0]:,} buildings, {rows[1]:,} footprints of the answer; counts are equal"]
    lines += [describe(f"overtrace {version('overtrace')}", ours), describe("solaris 0.4.0, its own loop", theirs)]
    ratios = [middle(theirs, key) / middle(ours, key) for key in ("inside_s", "process_s")]
    lines.append(f"- **{ratios[0]:.0f} times ours, {ratios[1]:.1f} as a process** (wanted: at least 50)")
    publish("benchmarks/footprints.py", machine, lines, record=chosen.record)


def middle(runs: list[dict], key: str) -> float:
    """Median of the turns."""
    return statistics.median(run[key] for run in runs)


def describe(name: str, runs: list[dict]) -> str:
    """One line of figures."""
    inside = [run["inside_s"] for run in runs]
    spread = f"{min(inside):.3f} to {max(inside):.3f} s in {len(runs)} runs"
    return f"- {name}: {middle(runs, 'inside_s'):.3f} s ({spread}), as a process {middle(runs, 'process_s'):.2f} s"


def measure(command: list[str], folder: Path) -> dict:
    """One turn in a fresh process."""
    begin = time.perf_counter()
    command = [*command, str(folder / "truth.csv"), str(folder / "answer.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "process_s": time.perf_counter() - begin}


def run_ours(truth: Path, answer: Path) -> dict:
    """Import, compile, then read and score once."""
    from overtrace.challenges.deepglobe import read_footprints, score_footprints
    from overtrace.scoring.footprints import SOLARIS

    warm = truth.parent / "warm"
    warm.mkdir(exist_ok=True)
    write_set(warm, 2, 3)
    score_footprints(
        read_footprints(warm / "truth.csv", answer=False), read_footprints(warm / "answer.csv", answer=True), SOLARIS
    )
    begin = time.perf_counter()
    score = score_footprints(read_footprints(truth, answer=False), read_footprints(answer, answer=True), SOLARIS)
    inside = time.perf_counter() - begin
    counts = score.counts
    rows = np.stack([counts.hits, counts.found - counts.hits, counts.true - counts.hits], axis=1).tolist()
    return {"inside_s": inside, "images": dict(zip(score.images, rows, strict=True))}


def write_set(folder: Path, images: int, houses: int, seed: int = 0) -> tuple[int, int]:
    """Write ``truth.csv`` and ``answer.csv``; how many rows each has. No two confidences are equal."""
    rng = np.random.default_rng(seed)
    truth, answer = [], []
    for number in range(images):
        image = f"{CITIES[number % len(CITIES)]}_img{number + 1}"
        true = [draw_house(rng) for _ in range(rng.integers(1, 2 * houses))]
        seen = [house + rng.normal(0, rng.choice([0.5, 1.5, 4]), 2) for house in true if rng.random() < 0.8]
        seen += [draw_house(rng) for _ in range(rng.poisson(houses / 4))]
        truth += [f'{image},{i + 1},"{wkt(house)}","{wkt(house)}"' for i, house in enumerate(true)]
        answer += [f'{image},{i + 1},"{wkt(house)}"' for i, house in enumerate(seen)] or [f"{image},-1,POLYGON EMPTY"]
    sure = rng.permutation(len(answer)) / len(answer)
    rows = {"truth": truth, "answer": [f"{row},{value!r}" for row, value in zip(answer, sure.tolist(), strict=True)]}
    for name, last in (("truth", "PolygonWKT_Geo"), ("answer", "Confidence")):
        head = f"ImageId,BuildingId,PolygonWKT_Pix,{last}"
        (folder / f"{name}.csv").write_text("\n".join([head, *rows[name]]) + "\n")
    return len(truth), len(answer)


def draw_house(rng: np.random.Generator) -> np.ndarray:
    """(7, 2) corners of a turned, L-shaped house, closed."""
    wide, tall = rng.uniform(10, 40, 2)
    x, y = rng.uniform(0.3, 0.8, 2) * (wide, tall)
    corners = np.array([(0, 0), (wide, 0), (wide, y), (x, y), (x, tall), (0, tall), (0, 0)])
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    return corners @ np.array([[cos, sin], [-sin, cos]]) + rng.uniform(20, SIDE_PX - 20, 2)


def wkt(corners: np.ndarray) -> str:
    """Well-known text with hundredths of a pixel and a third coordinate."""
    return "POLYGON ((" + ",".join(f"{x:.2f} {y:.2f} 0" for x, y in corners.tolist()) + "))"


if __name__ == "__main__":
    main()
