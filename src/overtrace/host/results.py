"""What a team may see of its own submissions: the numbers of those boards that are shown, and no others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from overtrace.errors import NotAllowed, NotFound
from overtrace.host.board import Row
from overtrace.host.contest import Board, Contest
from overtrace.host.standings import is_shown, read_released
from overtrace.host.tables import FINAL, State, Submission
from overtrace.host.teams import find_team
from overtrace.host.ties import read_rows


@dataclass(frozen=True, slots=True)
class Shown:
    """A score as someone may see it."""

    value: float
    columns: Mapping[str, float | None]
    verdict: Mapping[str, Any]
    """All that the scorer said; empty on a ladder."""
    stays: bool = False
    """Whether a ladder shows the score of an earlier submission in its place."""


@dataclass(frozen=True, slots=True)
class Result:
    """A submission as someone may see it."""

    submission: Submission
    marks: list[tuple[Board, Shown]]
    """Of the boards that are shown."""
    withheld: list[Board]
    """Where it has a score too, that is not shown yet."""
    detailed: bool
    """Whether all that the scorer said may be shown."""
    can_choose: bool
    pictured: bool = False
    """Whether pictures of its errors may be shown, and there are some."""

    @property
    def is_aside(self) -> bool:
        """Whether it is scored by another scoring than the one that boards show."""
        return self.submission.state == State.SCORED and not self.submission.scores

    @property
    def is_final(self) -> bool:
        """Whether nothing will change of itself."""
        return self.submission.state in FINAL

    @property
    def can_cancel(self) -> bool:
        """Whether it waits."""
        return self.submission.state == State.QUEUED

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        one = self.submission
        scores = {
            board.name: {
                "score": score.value,
                "columns": score.columns,
                **({} if board.ladder is None else {"stays": score.stays}),
            }
            for board, score in self.marks
        }
        return {
            "id": one.id,
            "number": one.number,
            "team": one.team_id,
            "phase": one.phase,
            "name": one.name,
            "note": one.note,
            "size": one.size,
            "sha256": one.sha256,
            "state": one.state.value,
            "final": self.is_final,
            "charged": one.charged,
            "reason": one.reason,
            "faults": one.faults,
            "received_at": one.received_at.isoformat(),
            "accepted_at": one.accepted_at.isoformat(),
            "ended_at": one.ended_at.isoformat() if one.ended_at else None,
            "chosen": one.chosen_at is not None,
            "hidden": one.hidden_at is not None,
            "scores": scores,
            "withheld": [board.name for board in self.withheld],
            "set_aside": self.is_aside,
        }


def list_results(session: Session, contest: Contest, person_id: str, at: datetime) -> list[Result]:
    """Those of the team that someone is in, the newest first; empty if in none."""
    team = find_team(session, person_id)
    if team is None:
        return []
    query = select(Submission).where(Submission.team_id == team.id).order_by(Submission.number.desc())
    loads = (selectinload(Submission.scores), joinedload(Submission.person))
    return describe_results(session, contest, session.scalars(query.options(*loads)).all(), at)


def find_result(session: Session, contest: Contest, person_id: str, submission_id: str, at: datetime) -> Result:
    """One of them.

    Raises:
        NotFound: if there is none of this team.
    """
    submission = find_own(session, person_id, submission_id)
    return describe_results(session, contest, [submission], at)[0]


def find_pictured(session: Session, contest: Contest, person_id: str, submission_id: str, at: datetime) -> Submission:
    """One of them whose errors are drawn.

    Raises:
        NotFound: if there is none of this team, or it has no pictures.
        NotAllowed: if its phase shows none.
    """
    result = find_result(session, contest, person_id, submission_id, at)
    phase = contest.find_phase(result.submission.phase)
    if not result.detailed or phase is None or phase.pictured is None:
        raise NotAllowed("of this phase no pictures are shown")
    if not result.pictured:
        raise NotFound(f"submission {result.submission.number} has no pictures: those that are sent in from now on may")
    return result.submission


def find_own(session: Session, person_id: str, submission_id: str) -> Submission:
    """A submission of the team that someone is in.

    Raises:
        NotFound: if it is none of theirs, or there is none.
    """
    team = find_team(session, person_id)
    submission = session.get(Submission, submission_id)
    if team is None or submission is None or submission.team_id != team.id:
        raise NotFound(f"your team has no submission {submission_id[:26]}: look at the list of them")
    return submission


def describe_results(
    session: Session, contest: Contest, found: Sequence[Submission], at: datetime, *, organises: bool = False
) -> list[Result]:
    """What may be seen of submissions.

    Args:
        organises: whether an organiser looks, who sees all numbers.
    """
    released = read_released(session)
    ladders = {} if organises else _read_ladders(session, contest, {one.phase for one in found})
    return [_describe(contest, one, released, at, organises, ladders) for one in found]


Ladders = Mapping[tuple[str, str], Mapping[str, Row]]
"""By phase and board: what stands for each submission."""


def _read_ladders(session: Session, contest: Contest, phases: set[str]) -> Ladders:
    return {
        (phase.name, board.name): {row.submission: row for row in read_rows(session, phase, board)}
        for phase in contest.phases
        for board in phase.boards
        if phase.name in phases and board.ladder is not None
    }


def _describe(
    contest: Contest,
    submission: Submission,
    released: frozenset[str],
    at: datetime,
    organises: bool,
    ladders: Ladders,
) -> Result:
    phase = contest.find_phase(submission.phase)
    if phase is None:
        return Result(submission, [], [], detailed=False, can_choose=False)
    scores = {score.board: score for score in submission.scores}
    pairs = [(board, scores[board.name]) for board in phase.boards if board.name in scores]
    seen = [
        (board, Shown(score.value, score.columns, score.verdict))
        if organises or board.ladder is None
        else (board, _climb(ladders[phase.name, board.name].get(submission.id)))
        for board, score in pairs
        if organises or is_shown(phase, board, released, at)
    ]
    shown = [(board, score) for board, score in seen if score is not None]
    names = {board.name for board, _ in shown}
    # What a scorer says in full tells what a ladder hides.
    detailed = bool(shown) and not phase.test and all(board.ladder is None for board in phase.boards)
    by_choice = any(board.entry == "chosen" for board in phase.boards)
    return Result(
        submission,
        shown,
        [board for board, _ in pairs if board.name not in names],
        detailed=detailed,
        can_choose=by_choice and submission.state == State.SCORED and at < phase.end,
        pictured=detailed and phase.pictured is not None and submission.sheet != "",
    )


def _climb(row: Row | None) -> Shown | None:
    """What a ladder shows in the place of a score; None if nothing."""
    if row is None or row.value is None:
        return None
    return Shown(row.value, row.columns, {}, row.stays)
