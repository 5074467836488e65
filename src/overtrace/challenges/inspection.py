"""What it means to check an answer: a claim in, all its faults out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overtrace import __version__
from overtrace.formats.faults import Fault


@dataclass(frozen=True, slots=True)
class Claim:
    """What is checked, and against what."""

    answers: Path
    truth: Path | None = None
    """Without it nothing is asked of an answer that only truth can tell."""
    ids: Path | None = None
    """A list of the images that count; without truth, of those that an answer may name."""
    profile: str = ""
    """Empty for that of the protocol."""
    classes: int = 0
    """How many classes an index PNG has, from label 0 (own)."""
    listed: Path | None = None
    """With truth: a list of the images that an answer is for; what else the truth has is as if it were not there."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is wrong with an answer, and what was looked at."""

    faults: list[Fault] = field(default_factory=list)
    """Each keeps the answer from being scored."""
    notes: list[Fault] = field(default_factory=list)
    """What is allowed, but hardly meant, such as an answer without a detection."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many there are of files, images, detections."""
    strangers: frozenset[str] = frozenset()
    """Names or ids of images that the answer speaks of and the list has not; not in what is written to a file."""

    def as_json(self, protocol: str, profile: str) -> dict[str, Any]:
        """What is written to a file."""
        names = ("file", "where", "found", "wanted")
        return {
            "protocol": protocol,
            "profile": profile,
            "checker": {"name": "overtrace", "version": __version__},
            "in_order": not self.faults,
            "checked": self.counts,
            "faults": [{name: getattr(fault, name) for name in names} for fault in self.faults],
            "notes": [{name: getattr(note, name) for name in names} for note in self.notes],
        }
