"""How long do intervals and tied ranks take: 2,000 draws of 500 images a team, then all pairs of teams of a board?

``python -m benchmarks.intervals [--images 500] [--repeats 3] [--record]``.

The sets are those of the other benchmarks, read and scored once; times are the least of some turns, of one thread,
kernels compiled before. A worker spends the first after each score, a host the second when the scores that count have
changed, and of the pairs only on those that are new.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import footprints, itc_set, scenes
from benchmarks.record import describe_machine, publish
from overtrace.challenges.challenge import Question, Verdict
from overtrace.challenges.compare import draw_scores
from overtrace.challenges.protocols import score_files
from overtrace.scoring.intervals import RESAMPLES, rank_answers

HOUSES = 30
TEAMS = (20, 100)


def main() -> None:
    """Draw sets, score, draw images again, compare teams, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    lines = [f"- {RESAMPLES:,} draws of {chosen.images:,} images"]
    for protocol, write in (("itc", write_crowns), ("sceneparsing", write_scenes), ("deepglobe", write_buildings)):
        with TemporaryDirectory() as folder:
            verdict = score(protocol, write, Path(folder), chosen.images)
        draw_scores(verdict.sample, 2)
        taken = measure(lambda: draw_scores(verdict.sample), chosen.repeats)  # noqa: B023
        kept = draw_scores(verdict.sample).nbytes / 2**10
        lines.append(f"- {protocol}: **{taken:.2f} s a team**, of which {kept:,.0f} KiB are kept")
    rng = np.random.default_rng(0)
    for teams in TEAMS:
        draws = rng.normal(np.linspace(0.4, 0.8, teams)[:, None], 0.02, (teams, RESAMPLES))
        taken = measure(lambda: rank_answers(draws.mean(axis=1), draws), chosen.repeats)  # noqa: B023
        lines.append(f"- all pairs of {teams} teams: {taken:.2f} s")
    publish("benchmarks/intervals.py", machine, lines, record=chosen.record)


def score(protocol: str, write: Callable[[Path, int], tuple[Path, Path]], folder: Path, images: int) -> Verdict:
    """Write a set, and score it once."""
    truth, answer = write(folder, images)
    return score_files(protocol, Question(truth, answer, workers=os.cpu_count() or 1))


def measure(run: Callable[[], object], repeats: int) -> float:
    """Seconds, the least of some turns."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def write_crowns(folder: Path, images: int) -> tuple[Path, Path]:
    """With up to 100 detections an image that count."""
    itc_set.write_set(folder, images)
    return folder / "truth_rle.json", folder / "answer.json"


def write_scenes(folder: Path, images: int) -> tuple[Path, Path]:
    """Of 150 classes."""
    scenes.write_maps(folder, images)
    return folder / "truth", folder / "answer"


def write_buildings(folder: Path, images: int) -> tuple[Path, Path]:
    """Of four cities."""
    footprints.write_set(folder, images, HOUSES)
    return folder / "truth.csv", folder / "answer.csv"


if __name__ == "__main__":
    main()
