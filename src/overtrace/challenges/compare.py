"""Several answers to one truth: which differences are more than chance?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overtrace import __version__
from overtrace.challenges.challenge import Question, Sample, Verdict
from overtrace.challenges.protocols import score_files
from overtrace.errors import BadOption
from overtrace.scoring.intervals import LEVEL, RESAMPLES, Standing, draw_images, percentiles, rank_answers
from overtrace.scoring.ranks import rank_by_ranks

SEED = 0
MOST_TIMES = 2**21
"""Numbers of draws and images that are settled at one time, so that large sets need no more memory."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Answers in the order in which they were given."""

    names: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    standings: tuple[Standing, ...]
    part_scores: NDArray[np.float64]
    """(answers, parts) of each data set or city."""
    part_low: NDArray[np.float64]
    """(answers, parts) lower ends of their intervals."""
    part_high: NDArray[np.float64]
    rank_by_ranks: tuple[int, ...]
    """Places by the mean of the places in each part."""
    resamples: int
    level: float
    seed: int

    def as_json(self) -> dict[str, Any]:
        """What is written to a file."""
        first = self.verdicts[0]
        return {
            "protocol": first.protocol,
            "profile": first.profile,
            "scorer": {"name": "overtrace", "version": __version__},
            "resamples": self.resamples,
            "level": self.level,
            "seed": self.seed,
            "answers": [self._describe(a) for a in range(len(self.names))],
        }

    def _describe(self, a: int) -> dict[str, Any]:
        standing = self.standings[a]
        parts = zip(
            self.verdicts[a].sample.parts,
            *(values[a].tolist() for values in (self.part_scores, self.part_low, self.part_high)),
            strict=True,
        )
        return {
            "name": self.names[a],
            "score": standing.score,
            "interval": [standing.low, standing.high],
            "rank": standing.rank,
            "tied_ranks": [standing.best_rank, standing.worst_rank],
            "rank_by_ranks": self.rank_by_ranks[a],
            "beats": dict(zip(self.names, standing.beats.tolist(), strict=True)),
            "parts": [{"name": name, "score": score, "interval": [low, high]} for name, score, low, high in parts],
        }


def compare_files(
    protocol: str,
    question: Question,
    answers: Sequence[Path],
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> Comparison:
    """Score several answers, and draw the images of the truth again and again, the same for all answers.

    Args:
        protocol: its name.
        question: truth and options; its ``answers`` are not looked at.
        answers: at least two.
        resamples: how many draws; images are drawn within each data set or city.
        level: of the intervals.
        seed: of the draws.
    Raises:
        BadOption: if there are fewer than two answers, or a number makes no sense.
        BadAnswer: if truth or answers are not in order.
    """
    if len(answers) < 2:
        raise BadOption("one answer cannot be compared: give two or more")
    if resamples < 100 or not 0.5 <= level < 1:
        raise BadOption(f"{resamples} resamples at level {level}: wanted 100 or more, and a level from 0.5 to below 1")
    verdicts = [score_files(protocol, replace(question, answers=path)) for path in answers]
    sample = verdicts[0].sample
    draws = np.stack([draw_scores(verdict.sample, resamples, seed) for verdict in verdicts])
    every = np.ones((1, len(sample.images)), np.int64)
    parts = np.concatenate([verdict.sample.settle(every) for verdict in verdicts])
    low, high = percentiles(draws.transpose(0, 2, 1), level)
    scores = np.array([verdict.score for verdict in verdicts])
    return Comparison(
        names=_name(answers),
        verdicts=tuple(verdicts),
        standings=tuple(rank_answers(scores, draws.mean(axis=2), level)),
        part_scores=parts,
        part_low=low,
        part_high=high,
        rank_by_ranks=tuple(rank_by_ranks(parts)),
        resamples=resamples,
        level=level,
        seed=seed,
    )


def draw_scores(sample: Sample, resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float64]:
    """The score of each part in each draw: (resamples, parts).

    Two answers to one truth are scored on the same draws, if number and seed are the same.
    """
    times = draw_images(sample.part, resamples, np.random.default_rng(seed))
    step = max(1, MOST_TIMES // max(times.shape[1], 1))
    return np.concatenate([sample.settle(times[i : i + step]) for i in range(0, resamples, step)])


def _name(paths: Sequence[Path]) -> tuple[str, ...]:
    """The shortest ends of the paths that tell them apart."""
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return tuple(names)
    raise BadOption(f"{paths[0]} is compared with itself: give answers that differ")
