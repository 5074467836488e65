"""What it means to run a winner's container again: what is delivered, what is claimed, and what came of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field, FiniteFloat

from overtrace.errors import BadOption
from overtrace.host.columns import pick_columns
from overtrace.host.contest import Column, Frozen
from overtrace.host.outcome import Flaw

PARTS = {"itc": "data_sets/*/score", "deepglobe": "cities/*/F1"}
"""Where the scorer has the score of each data set; challenges with a single one have none."""
EXACT = 1e-6
"""Scores that differ by less are the same: boards of others show no more digits."""


class Verdict(StrEnum):
    """What a replication comes to."""

    VERIFIED = "verified"
    """Every score came out again."""
    WITHIN = "within tolerance"
    """Every score came out again but for what the rules allow."""
    FAILED = "failed"
    NOT_DELIVERED = "not delivered"
    """Something to run is missing, or cannot be run at all."""


class Reason(StrEnum):
    """Why a replication failed, or why there was nothing to run."""

    NONE = ""
    NO_IMAGE = "no container image"
    NO_WEIGHTS = "no weights"
    WRONG_WEIGHTS = "other weights than claimed"
    BAD_IMAGE = "an image that cannot be loaded"
    LARGE_IMAGE = "an image that is too large"
    NO_START = "a program that cannot be started"
    MEMORY = "out of memory"
    TIME = "out of time"
    PROCESSES = "too many processes"
    DISK = "output full"
    EXIT = "ended with an error"
    NO_ANSWER = "no answer"
    LINKS = "links or special files in the output"
    MANY_FILES = "too many files in the output"
    FAULTS = "faults in the answer"
    SCORE = "another score"
    TWO_MODELS = "not one model"
    UNSTEADY = "other answers in another run"
    BROKEN = "the replication broke off"
    """A fault of this machine or program, not of the team: to be run again."""


class Delivery(Frozen):
    """What a team delivers; None for what did not come."""

    image: Path | None
    """A container image, as ``podman save`` or ``docker save`` write it (docker-archive or OCI archive)."""
    weights: Path | None
    weights_sha256: str = Field(pattern=r"^([0-9a-f]{64})?$")
    """As the team claimed it when it sent in its answer; empty if it claimed none."""


class Claimed(Frozen):
    """What a board says of the submission that is run again."""

    score: FiniteFloat
    parts: dict[str, float | None] = Field(default_factory=dict)
    """By data set; empty where a set is not divided."""


class PartResult(Frozen):
    """One data set, or ``""`` for the score itself."""

    name: str
    claimed: float | None
    found: float | None

    @property
    def difference(self) -> float | None:
        """How far what was found lies from what is claimed."""
        return None if self.claimed is None or self.found is None else abs(self.found - self.claimed)


class RunResult(Frozen):
    """One start of the container."""

    name: str
    """What it was for."""
    images: int
    seconds: float
    exit_code: int | None
    """None if it was ended here."""
    peak_memory_bytes: int | None
    """None where this machine does not tell."""
    output_bytes: int = 0


class Report(Frozen):
    """What came of a replication; the log lies beside it."""

    verdict: Verdict
    reason: Reason = Reason.NONE
    said: str
    """In one line, for people."""
    scores: tuple[PartResult, ...] = ()
    """The score first, then each data set."""
    tolerance: float
    faults: tuple[Flaw, ...] = ()
    """Of its answer."""
    notes: tuple[str, ...] = ()
    """What an organiser should look at; nothing of it decides."""
    runs: tuple[RunResult, ...] = ()
    digests: dict[str, str] = Field(default_factory=dict)
    """Of archive, image, weights, truth."""
    isolation: str = ""
    scorer: str = ""
    """Name and version."""
    begun_at: datetime
    ended_at: datetime

    @property
    def passed(self) -> bool:
        """Whether the place of the team stands."""
        return self.verdict in (Verdict.VERIFIED, Verdict.WITHIN)


def read_claimed(challenge: str, said: Mapping[str, Any]) -> Claimed:
    """What is claimed, from what ``overtrace score --json`` writes or a board keeps.

    Args:
        said: with ``score``, and ``parts`` of the scorer; or with ``parts`` that are a score for each data set.
    Raises:
        BadOption: if it is neither.
    """
    score, parts = said.get("score"), said.get("parts", {})
    if isinstance(score, bool) or not isinstance(score, int | float) or not isinstance(parts, Mapping):
        raise BadOption("the claimed scores have no number score: wanted what overtrace score --json writes")
    return Claimed(score=score, parts=read_parts(challenge, parts))


def read_parts(challenge: str, parts: Mapping[str, Any]) -> dict[str, float | None]:
    """The score of each data set, from the parts of a scorer; plain numbers are taken as they are."""
    if parts and all(isinstance(value, int | float) and not isinstance(value, bool) for value in parts.values()):
        return {name: float(value) for name, value in parts.items()} if challenge in PARTS else {}
    if challenge not in PARTS or not parts:
        return {}
    return pick_columns(parts, [Column(title="*", path=PARTS[challenge])])


def compare(claimed: Claimed, found: Claimed, tolerance: float) -> tuple[Verdict, tuple[PartResult, ...]]:
    """Whether what was found is what is claimed: the score, and each data set.

    Data sets are compared where the claim names them; one that it names and that was not found is a failure.
    """
    names = sorted({*claimed.parts, *found.parts})
    results = (
        PartResult(name="", claimed=claimed.score, found=found.score),
        *(PartResult(name=name, claimed=claimed.parts.get(name), found=found.parts.get(name)) for name in names),
    )
    checked = [result for result in results if result.name in ("", *claimed.parts)]
    differences = [0.0 if one.claimed is None and one.found is None else one.difference for one in checked]
    if any(difference is None or difference > tolerance + EXACT for difference in differences):
        return Verdict.FAILED, results
    exact = all(difference is not None and difference <= EXACT for difference in differences)
    return (Verdict.VERIFIED if exact else Verdict.WITHIN), results
