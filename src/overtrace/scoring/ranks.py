"""Places of several answers, by their scores or by their places in each part."""

import numpy as np
from numpy.typing import NDArray


def rank(scores: NDArray[np.float64]) -> list[int]:
    """Places from 1, the highest score first; equal scores share the better place.

    Args:
        scores: (answers,).
    """
    return [int(1 + (scores > score).sum()) for score in scores]


def rank_by_ranks(parts: NDArray[np.float64]) -> list[int]:
    """Places by the mean of the places in each data set or city.

    Args:
        parts: (answers, parts) scores.
    """
    return rank(-np.mean([rank(part) for part in parts.T], axis=0))
