"""What scoring a submission came to; it travels from the scorer to the worker, and from there to the database."""

from typing import Any, Literal

from pydantic import Field, FiniteFloat

from overtrace.host.contest import Frozen

MOST_FAULTS = 1000
MOST_LETTERS = 300
MOST_STRANGERS = 10_000
MOST_LINE_BYTES = 64 * 2**20
"""Of an outcome on its way."""


class Flaw(Frozen):
    """A fault of an answer."""

    file: str
    where: str
    found: str
    wanted: str


class Interval(Frozen):
    """How far a score can be trusted, as ``overtrace compare`` says it."""

    low: FiniteFloat
    high: FiniteFloat
    level: float
    resamples: int
    images: int
    """That were drawn from."""
    least: int
    """Images of the smallest part: with few of them an interval is too narrow."""


class Mark(Frozen):
    """What a submission is worth on one board."""

    board: str
    value: FiniteFloat
    columns: dict[str, float | None]
    """By title; None where the scorer has no number."""
    verdict: dict[str, Any]
    """Without numbers of single images."""
    interval: Interval | None = None
    """None where it cannot be told."""
    draws: str = ""
    """SHA-256 of its scores on drawn images, one of the blobs of the outcome; empty where there is no interval."""


class Outcome(Frozen):
    """Scored, rejected for what is wrong with it, or broken: that is the host's fault, and is tried again."""

    kind: Literal["scored", "rejected", "broken"]
    marks: tuple[Mark, ...] = ()
    faults: tuple[Flaw, ...] = Field(default=(), max_length=MOST_FAULTS)
    reason: str = Field(default="", max_length=2000)
    """In one line: why it was rejected; of what broke, all that is known of it."""
    scorer: str = ""
    """Name and version."""
    truth: str = ""
    """Digest of what it was scored against."""
    sheet: str = ""
    """SHA-256 of the pictures of its errors, one of the blobs; empty for none."""
    strangers: tuple[str, ...] = Field(default=(), max_length=MOST_STRANGERS)
    """Images that the answer names and the list has not: one of them may be a canary."""
    blobs: dict[str, str] = Field(default_factory=dict)
    """What is kept beside the database, in base64 by its SHA-256."""


def break_off(reason: str) -> Outcome:
    """Something that is no fault of the answer."""
    return Outcome(kind="broken", reason=reason[-2000:])


def reject(reason: str, wanted: str) -> Outcome:
    """An answer that cannot be scored within the limits."""
    return Outcome(kind="rejected", reason=reason, faults=(Flaw(file="", where="", found=reason, wanted=wanted),))
