"""What all protocols have in common: a question in, a verdict out that can be printed, kept and compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from overtrace import __version__
from overtrace.challenges.inspection import Claim, Inspection
from overtrace.errors import BadOption

if TYPE_CHECKING:
    from overtrace.challenges.evidence import Evidence

Row = dict[str, str | int | float]
Choose = Callable[[NDArray[Any]], list[int]]
"""Which images to draw, from (i,) how bad each is."""


class Explain(Protocol):
    """Tells what a score hides."""

    def __call__(self, choose: Choose | None = None) -> "Evidence":
        """Read the files once more; draw the worst images, or those that are chosen."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is scored, and how."""

    truth: Path
    answers: Path
    profile: str = ""
    """Empty for that of the protocol."""
    ids: Path | None = None
    """A list of the images that count."""
    ignore: Path | None = None
    """Masks of ground that nobody labelled (itc, own)."""
    classes: int = 0
    """How many classes an index PNG has, from label 0 (own)."""
    pixel_size_m: float = 1.0
    """Metres in a unit of the coordinates of trees and points; of buildings, units of the coordinates in a pixel."""
    workers: int = 1
    listed: Path | None = None
    """A list of the images that an answer is for; what else the truth has is as if it were not there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is kept of each image, so that any choice of images can be scored again without matching anew."""

    images: tuple[str, ...]
    """(i,) names, which two answers must share to be compared."""
    parts: tuple[str, ...]
    """(p,) data sets or cities; one where a set is not divided."""
    part: NDArray[np.int64]
    """(i,) index of the part of each image."""
    settle: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    """From (r, i), how often each of r choices holds each image, to (r, p), the score of each part; their mean is the
    score.
    """


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score and what it is made of."""

    protocol: str
    profile: str
    score: float
    """Higher is better; at full precision."""
    parts: dict[str, Any]
    """By the protocol; for JSON."""
    table: Sequence[Row]
    """The parts that one reads first: data sets, cities, classes."""
    images: Sequence[Row]
    """One row an image."""
    sample: Sample
    """For comparing this answer with others."""
    explain: Explain
    """What the score hides; reads the files once more when it is called, and until then keeps nothing of them."""

    def as_json(self) -> dict[str, Any]:
        """What is written to a file."""
        return {
            "protocol": self.protocol,
            "profile": self.profile,
            "scorer": {"name": "overtrace", "version": __version__},
            "score": self.score,
            "parts": self.parts,
        }


@dataclass(frozen=True, slots=True)
class Challenge:
    """A protocol: the files that it reads, and the rule that it scores them by."""

    name: str
    source: str
    """Where the rule is written."""
    profiles: tuple[str, ...]
    """Named variants of the rule; the first is taken unless told otherwise."""
    score: Callable[[Question], Verdict]
    check: Callable[[Claim], Inspection]
    """Finds all that would keep ``score`` from accepting an answer."""

    def choose_profile(self, question: Question | Claim) -> str:
        """The profile that a question asks for.

        Raises:
            BadOption: if there is none of that name.
        """
        name = question.profile or self.profiles[0]
        if name not in self.profiles:
            raise BadOption(f"{self.name} has no profile called {name}: use one of {', '.join(self.profiles)}")
        return name
