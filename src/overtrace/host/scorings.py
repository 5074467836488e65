"""Scorings: which truth, rule and scorer the boards of a phase show, and what came of submissions by others.

Results that are shown stand in the tables of results; those of any other scoring are shelved. So no board can mix two.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overtrace.errors import Refused
from overtrace.host.contest import Contest
from overtrace.host.database import add_if_new
from overtrace.host.ids import new_id
from overtrace.host.outcome import Outcome
from overtrace.host.tables import Score, Scoring, Shelved, Submission

CODE = re.compile(r"\(([0-9a-f]+)\)$")


def is_same(scorer: str, other: str) -> bool:
    """Whether two scorers have the same code, whatever their versions are called."""
    return _find_code(scorer) == _find_code(other)


def _find_code(scorer: str) -> str:
    found = CODE.search(scorer)
    return found[1] if found else scorer


def is_of(scoring: Scoring, scorer: str, truth: str) -> bool:
    """Whether a scoring is by this scorer against this truth."""
    return scoring.truth == truth and is_same(scoring.scorer, scorer)


def find_current(session: Session, phase: str) -> Scoring | None:
    """What the boards of a phase show; None before the first result."""
    return session.scalar(select(Scoring).where(Scoring.phase == phase, Scoring.current))


def lock_current(session: Session, phase: str, *, alone: bool = False) -> Scoring | None:
    """The same, which stays so until the transaction ends.

    Args:
        alone: whether to change it; else others may add to it at the same time.
    """
    query = select(Scoring).where(Scoring.phase == phase, Scoring.current).with_for_update(read=not alone)
    while True:
        # One that was switched while this waited is not found, and the new one is.
        found = session.scalar(query.execution_options(populate_existing=True))
        if found is not None or find_current(session, phase) is None:
            return found


def list_scorings(session: Session, phase: str) -> list[Scoring]:
    """Those of a phase, the newest first."""
    return list(session.scalars(select(Scoring).where(Scoring.phase == phase).order_by(Scoring.number.desc())))


def open_scoring(session: Session, phase: str, scorer: str, truth: str, at: datetime) -> Scoring:
    """The newest scoring by a scorer against a truth that boards do not show; made if there is none."""
    while True:
        known = list_scorings(session, phase)
        for scoring in known:
            if is_of(scoring, scorer, truth) and not scoring.current:
                return scoring
        number = known[0].number + 1 if known else 1
        made = Scoring(id=new_id(at), phase=phase, number=number, scorer=scorer, truth=truth, current=False, made_at=at)
        if add_if_new(session, made):
            return made


def keep_first(session: Session, submission: Submission, outcome: Outcome, at: datetime) -> None:
    """What a submission is worth: on the boards, or shelved if they show another scoring."""
    phase = submission.phase
    current = lock_current(session, phase)
    if current is None:
        first = Scoring(id=new_id(at), phase=phase, number=1, scorer=outcome.scorer, truth=outcome.truth, made_at=at)
        first.current, first.applied_at = True, at
        current = first if add_if_new(session, first) else lock_current(session, phase)
        assert current is not None
    if is_of(current, outcome.scorer, outcome.truth):
        keep_marks(session, submission.id, current, outcome, at)
    else:
        shelve(session, open_scoring(session, phase, outcome.scorer, outcome.truth, at), submission.id, outcome, at)


def keep_marks(session: Session, submission_id: str, scoring: Scoring, outcome: Outcome, at: datetime) -> None:
    """Put results on the boards."""
    for mark in outcome.marks:
        facts = {"scorer": scoring.scorer, "truth": scoring.truth, "made_at": at, **mark.model_dump()}
        session.add(Score(submission_id=submission_id, **facts))


def shelve(session: Session, scoring: Scoring, submission_id: str, outcome: Outcome, at: datetime) -> None:
    """Keep what a scoring says that boards do not show."""
    # What is kept beside the database is there already.
    said = outcome.model_dump(mode="json", exclude={"blobs"})
    session.merge(Shelved(scoring_id=scoring.id, submission_id=submission_id, outcome=said, rows={}, made_at=at))


def count_shelved(session: Session, scoring: Scoring) -> int:
    """How many submissions have a result of it that boards do not show."""
    return session.scalar(select(func.count()).where(Shelved.scoring_id == scoring.id)) or 0


def check_boards(contest: Contest, phase_name: str, outcome: Outcome) -> None:
    """Raise Refused for results of other boards than those of a phase."""
    phase = contest.find_phase(phase_name)
    wanted = [] if phase is None else [board.name for board in phase.boards]
    found = [mark.board for mark in outcome.marks]
    if found != wanted:
        raise Refused(
            f"scored for the boards {', '.join(found)}: wanted {', '.join(wanted)}: give workers this contest"
        )


def find_marks(shelved: Shelved) -> Mapping[str, Mapping[str, Any]]:
    """Value and columns by board, of what is shelved; empty for what is not scored."""
    marks = shelved.rows.get("scores", []) if shelved.rows else shelved.outcome["marks"]
    return {mark["board"]: mark for mark in marks}
