"""How far a score can be trusted, and what is kept for it: its value on drawn images, the same for all answers.

Two sets of draws of one truth are compared as they are, so that no counts of single images are kept.
"""

import hashlib
import io
from base64 import b64decode, b64encode

import numpy as np
from numpy.typing import NDArray

from overtrace.challenges.challenge import Sample
from overtrace.challenges.compare import draw_scores
from overtrace.host.outcome import Interval
from overtrace.scoring.intervals import LEVEL, RESAMPLES, percentiles


def measure(sample: Sample) -> tuple[Interval, bytes] | None:
    """The interval of a score, and what is kept to compare it with others; None where it cannot be told.

    That is where a part has a single image, which drawn again and again is always the same, or where there is not the
    memory for it, which is no reason to refuse a score.
    """
    least = int(np.bincount(sample.part).min()) if len(sample.part) else 0
    if least < 2:
        return None
    try:
        draws = draw_scores(sample)
    except MemoryError:
        return None
    low, high = percentiles(draws.mean(axis=1), LEVEL)
    images = len(sample.images)
    found = Interval(low=float(low), high=float(high), level=LEVEL, resamples=RESAMPLES, images=images, least=least)
    return found, write_draws(draws)


def write_draws(draws: NDArray[np.float64]) -> bytes:
    """(resamples, parts) as a ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, draws)
    return file.getvalue()


def read_draws(data: bytes) -> NDArray[np.float64]:
    """(resamples,) the score in each draw."""
    scores: NDArray[np.float64] = np.load(io.BytesIO(data), allow_pickle=False).mean(axis=1)
    return scores


def pack(data: bytes) -> tuple[str, str]:
    """SHA-256 and base64, as outcomes carry what is kept beside the database."""
    return hashlib.sha256(data).hexdigest(), b64encode(data).decode("ascii")


def unpack(text: str) -> bytes:
    """What was packed."""
    return b64decode(text)
