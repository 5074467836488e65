"""Score one answer for all boards of its phase: first what is wrong with it, then what it is worth.

Runs in the scorer's process, which alone has the truth. What it says names no path of this machine.
"""

import functools
import hashlib
import json
import math
import time
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import overtrace
from overtrace.challenges.challenge import Question, Verdict
from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import check_files, score_files
from overtrace.errors import BadAnswer, OvertraceError
from overtrace.formats.faults import Fault, Refused
from overtrace.host.columns import pick_columns
from overtrace.host.contest import Column, Contest, Effort, Frozen, Phase
from overtrace.host.draws import measure, pack
from overtrace.host.outcome import MOST_FAULTS, MOST_LETTERS, MOST_STRANGERS, Flaw, Mark, Outcome, break_off

PACKAGE = Path(overtrace.__file__).parent
CODE = ("challenges/*.py", "formats/*.py", "scoring/*.py", "host/columns.py", "host/marking.py")
"""What decides on a score."""
OF_IMAGES = ("files",)
"""Parts of a verdict with a row for each image."""


@functools.cache
def name_scorer() -> str:
    """Name, version and digest of the code that scores: the same digest, the same scores."""
    code = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in PACKAGE.glob(pattern)):
        code.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode() + path.read_bytes())
    return f"overtrace {overtrace.__version__} ({code.hexdigest()[:16]})"


class BoardTask(Frozen):
    """What a board wants to know."""

    name: str
    ids: Path | None
    columns: tuple[Column, ...]


class Task(Frozen):
    """One answer to score."""

    challenge: str
    profile: str
    classes: int
    pixel_size: float
    answer: Path
    truth: Path
    ids: Path | None
    boards: tuple[BoardTask, ...]
    effort: Effort
    pictures: int = 0
    """Of errors: how many of the worst images, and how many by lot."""
    pictured: str = ""
    """The board whose images may be drawn."""
    images: Path | None = None


def make_task(contest: Contest, phase: Phase, folder: Path, answer: Path) -> Task:
    """What the scorer is asked.

    Args:
        folder: that of the contest file.
    """
    assert phase.truth is not None
    return Task(
        challenge=contest.challenge,
        profile=contest.profile,
        classes=contest.classes,
        pixel_size=contest.pixel_size,
        answer=answer,
        truth=folder / phase.truth,
        ids=None if phase.ids is None else folder / phase.ids,
        boards=tuple(
            BoardTask(name=board.name, ids=None if board.ids is None else folder / board.ids, columns=board.columns)
            for board in phase.boards
        ),
        effort=contest.effort,
        pictures=phase.pictures,
        pictured="" if phase.pictured is None else phase.pictured.name,
        images=None if phase.images is None else folder / phase.images,
    )


def mark(task: Task) -> Outcome:
    """Check an answer, and score it if it is in order."""
    try:
        found = check_files(task.challenge, Claim(task.answer, None, task.ids, task.profile, task.classes))
        strangers = tuple(name[:MOST_LETTERS] for name in sorted(found.strangers)[:MOST_STRANGERS])
        outcome = _reject(task, found.faults) if found.faults else _score(task)
        return outcome.model_copy(update={"strangers": strangers})
    except BadAnswer as error:
        return _refuse(task, error)
    except OvertraceError as error:
        return break_off(str(error))


def _score(task: Task) -> Outcome:
    begin = time.monotonic()
    verdicts = [score_files(task.challenge, _ask(task, board)) for board in task.boards]
    outcome = settle(task, verdicts)
    taken_s = time.monotonic() - begin
    # To draw takes about as long again; a score is not given up for it.
    if task.pictured and outcome.kind == "scored" and taken_s * 3 < task.effort.seconds:
        names = [board.name for board in task.boards]
        return _illustrate(task, outcome, verdicts[names.index(task.pictured)])
    return outcome


def settle(task: Task, verdicts: Sequence[Verdict]) -> Outcome:
    """What the verdicts for the boards come to; a score that is no number ranks nowhere.

    Raises:
        BadOption: if a column of a board is not there.
    """
    faults = [
        Fault(str(task.answer), "", f"found the score {verdict.score} for board {board.name}", "wanted a number")
        for board, verdict in zip(task.boards, verdicts, strict=True)
        if not math.isfinite(verdict.score)
    ]
    if faults:
        return _reject(task, faults)
    blobs: dict[str, str] = {}
    marks = tuple(_mark(board, verdict, blobs) for board, verdict in zip(task.boards, verdicts, strict=True))
    return Outcome(kind="scored", marks=marks, scorer=name_scorer(), blobs=blobs)


def _illustrate(task: Task, outcome: Outcome, verdict: Verdict) -> Outcome:
    """The outcome with pictures of errors, or as it is where they cannot be drawn."""
    # Few contests draw, and it takes a while to load.
    from overtrace.challenges.photos import Photos
    from overtrace.host.illustrating import draw_sheet

    try:
        photos = None if task.images is None else Photos(task.images)
        sheet, blobs = draw_sheet(verdict, photos, task.pictures)
    except Exception:
        traceback.print_exc()
        return outcome
    return outcome.model_copy(update={"sheet": sheet, "blobs": {**outcome.blobs, **blobs}})


def _ask(task: Task, board: BoardTask) -> Question:
    return Question(
        task.truth,
        task.answer,
        task.profile,
        board.ids or task.ids,
        classes=task.classes,
        pixel_size_m=task.pixel_size,
        listed=task.ids,
    )


def _mark(board: BoardTask, verdict: Verdict, blobs: dict[str, str]) -> Mark:
    """What is kept beside the database is added to ``blobs``."""
    # NaN, as of a class that nobody has, is nothing that JSON knows.
    said = _without_nan(verdict.as_json())
    for name in OF_IMAGES:
        said["parts"].pop(name, None)
    columns = pick_columns(said["parts"], board.columns)
    mark = Mark(board=board.name, value=verdict.score, columns=columns, verdict=said)
    measured = measure(verdict.sample)
    if measured is None:
        return mark
    interval, draws = measured
    sha256, blobs[sha256] = pack(draws)
    return mark.model_copy(update={"interval": interval, "draws": sha256})


def _without_nan(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


def _refuse(task: Task, error: BadAnswer) -> Outcome:
    """Whose fault it is that an answer which seemed in order could not be scored."""
    answer = str(task.answer)
    if isinstance(error, Refused) and all(fault.file.startswith(answer) for fault in error.faults):
        return _reject(task, error.faults)
    if not isinstance(error, Refused) and str(error).startswith(answer):
        found, _, wanted = str(error).rpartition(": ")
        return _reject(task, [Fault(answer, "", found, wanted)])
    return break_off(str(error))


def _reject(task: Task, faults: Iterable[Fault]) -> Outcome:
    faults = list(faults)
    flaws = [
        Flaw(**{name: _clean(task, getattr(fault, name)) for name in ("file", "where", "found", "wanted")})
        for fault in faults[:MOST_FAULTS]
    ]
    more = f", of which {MOST_FAULTS:,} are listed" if len(faults) > MOST_FAULTS else ""
    reason = f"{len(faults):,} fault{'s' * (len(faults) > 1)}{more}"
    return Outcome(kind="rejected", faults=tuple(flaws), reason=reason, scorer=name_scorer())


def _clean(task: Task, text: str) -> str:
    """Without where things lie on this machine, and without letters that move the cursor."""
    for path, name in ((f"{task.answer.parent}/", ""), (str(task.truth), "the truth"), (str(task.ids), "the list")):
        text = text.replace(path, name)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."
