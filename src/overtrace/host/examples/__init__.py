"""Contests to begin with: complete folders with small drawn data, and answers to them of any quality.

What is drawn takes the place of data that cannot be given away; its files are those of the real contests.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np

from overtrace.errors import BadOption
from overtrace.host.contest_file import read_contest
from overtrace.host.examples import buildings, crowns, scenes
from overtrace.raster.aside import FolderAside

SEED = 20260525
TIME = re.compile(r"\b(\d{4}-\d\d-\d\d)(?=T\d\d:\d\d)")
"""The day of a time; comments write days otherwise, and stay."""


@dataclass(frozen=True, slots=True)
class Example:
    """What is drawn for a contest."""

    draw: Callable[[Path, str, np.random.Generator], None]
    """Writes what participants get of a phase, and what is true, into the folder."""
    answer: Callable[[Path, Path, float, np.random.Generator], Path]
    """Writes an answer of some quality to a truth, and says what it called it: the place that it is given, with the
    ending of its format."""
    phases: tuple[str, ...]


EXAMPLES = {
    "itc": Example(crowns.draw, crowns.answer, ("training", "validation", "testing", "evaluation")),
    "sceneparsing": Example(scenes.draw, scenes.answer, ("training", "validation", "testing")),
    "deepglobe": Example(buildings.draw, buildings.answer, ("training", "development", "final")),
}


def make_example(name: str, folder: Path, at: datetime | None = None) -> Path:
    """Write a contest that can be opened at once.

    Args:
        name: itc, sceneparsing or deepglobe.
        folder: one that does not exist, or is empty.
        at: a time at which it takes answers; all its times are moved by whole days. None leaves them as they were.
    Returns:
        Its contest file.
    Raises:
        BadOption: if there is no such example.
        BadOutput: if the folder holds something, or cannot be written.
    """
    if name not in EXAMPLES:
        raise BadOption(f"no example is called {name}: use one of {', '.join(EXAMPLES)}")
    aside = FolderAside(folder, lambda _: False)
    with aside.guard():
        for phase in EXAMPLES[name].phases:
            seed = [SEED, *phase.encode()]
            EXAMPLES[name].draw(aside.path, phase, np.random.default_rng(seed))
        for file in files(__name__).joinpath(name).iterdir():
            (aside.path / file.name).write_text(file.read_text("utf-8"), "utf-8")
            if at is not None:
                _move(aside.path / file.name, at)
    aside.commit()
    return folder / "contest.yaml"


def _move(path: Path, at: datetime) -> None:
    """Move the times of a contest by whole days, so that a time is in the middle of its first phase with answers."""
    first = next(phase for phase in read_contest(path).contest.phases if phase.truth is not None)
    days = timedelta(days=(at - first.start - (first.end - first.start) / 2).days)
    text = path.read_text("utf-8")
    path.write_text(TIME.sub(lambda day: (datetime.fromisoformat(day[1]) + days).date().isoformat(), text), "utf-8")


def make_answer(folder: Path, phase: str, quality: float, rng: np.random.Generator) -> Path:
    """Write an answer to a phase of a contest from ``make_example``, into its folder ``answers``.

    Args:
        folder: of the contest; or its file, where there are several.
        phase: one that takes answers.
        quality: from 0, next to useless, to 1, without a fault.
        rng: decides which faults it has.
    Returns:
        A file that is in order.
    Raises:
        ValueError: if the phase takes no answers.
    """
    file = read_contest(folder if folder.is_file() else folder / "contest.yaml")
    found = file.contest.find_phase(phase)
    if found is None or found.truth is None:
        raise ValueError(f"{file.path} has no phase {phase} that takes answers")
    answers = file.folder / "answers"
    answers.mkdir(exist_ok=True)
    number = 1 + sum(1 for _ in answers.iterdir())
    place = answers / f"{phase}-{number:03}"
    return EXAMPLES[file.contest.challenge].answer(file.resolve(found.truth), place, quality, rng)
