"""How far a score can be trusted: the images are drawn again and again, and the score is settled for each draw."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overtrace.scoring.ranks import rank

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Standing:
    """One answer among several to the same truth."""

    score: float
    low: float
    """Lower end of the interval of the score."""
    high: float
    rank: int
    """From 1, by the score; equal scores share the better one."""
    best_rank: int
    """1 and the number of answers that are better beyond chance; never worse than ``rank``."""
    worst_rank: int
    """All but the number of answers that are worse beyond chance; never better than ``rank``."""
    beats: NDArray[np.float64]
    """(answers,) share of the draws in which this answer has the higher score; equal ones count half."""


def draw_images(part: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many images of each part as it has, with replacement.

    Args:
        part: (i,) index of the part, such as a data set or a city, of each image.
        resamples: how many draws.
        rng: where chance comes from.
    Returns:
        (resamples, i) how often each image was drawn.
    Source:
        Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 (strata), chapter 13 (percentile interval)
    """
    times = np.zeros((resamples, len(part)), np.int64)
    for own in (np.flatnonzero(part == p) for p in np.unique(part)):
        times[:, own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=resamples)
    return times


def multiply(times: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of counts over draws: (r, ...) of whole numbers, from (r, i) and (i, ...).

    As floating point, which is exact for whole numbers below 2**53 and many times faster.
    """
    sums: NDArray[np.float64] = times.astype(np.float64) @ counts.astype(np.float64)
    return sums


def percentiles(draws: NDArray[np.float64], level: float = LEVEL) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the interval that holds a share ``level`` of the draws along the last axis."""
    tail = 50 * (1 - level)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=-1)
    return low, high


def rank_answers(scores: NDArray[np.float64], draws: NDArray[np.float64], level: float = LEVEL) -> list[Standing]:
    """Say which answers are better than which beyond chance.

    One answer is better than another beyond chance if its score is higher and the interval of the difference of their
    scores, over the same draws for both, lies above zero. Each pair is judged by itself. Intervals of the scores alone
    do not tell: they may overlap where one answer is better on nearly every draw.

    Args:
        scores: (a,) of each answer on all images.
        draws: (a, r) of each answer in each draw, the same draws for all.
        level: of the intervals.
    """
    low, high = percentiles(draws, level)
    better = np.array([find_worse(a, scores, draws, level) for a in range(len(scores))])
    beats = (draws[:, None] > draws[None]).mean(axis=-1) + (draws[:, None] == draws[None]).mean(axis=-1) / 2
    places, spans = rank(scores), span_ranks(better)
    return [
        Standing(
            score=float(scores[a]),
            low=float(low[a]),
            high=float(high[a]),
            rank=places[a],
            best_rank=spans[a][0],
            worst_rank=spans[a][1],
            beats=beats[a],
        )
        for a in range(len(scores))
    ]


def find_worse(
    own: int, scores: NDArray[np.float64], draws: NDArray[np.float64], level: float = LEVEL
) -> NDArray[np.bool_]:
    """Which answers one is better than beyond chance: (a,).

    Args:
        own: index of that one.
        scores: (a,).
        draws: (a, r), the same draws for all.
        level: of the intervals.
    """
    ahead, _ = percentiles(draws[own] - draws, level)
    worse: NDArray[np.bool_] = (ahead > 0) & (scores < scores[own])
    return worse


def span_ranks(better: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The best and the worst rank that each answer may have.

    Args:
        better: (a, a) whether a row is better than a column beyond chance.
    """
    count = len(better)
    return [(int(1 + better[:, a].sum()), int(count - better[a].sum())) for a in range(count)]
