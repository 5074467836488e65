"""What a team may see of its own submissions: the numbers of those boards that are shown, and no others."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from overtrace.errors import NotFound
from overtrace.host.contest import Board, Contest
from overtrace.host.standings import is_shown, read_released
from overtrace.host.tables import FINAL, Score, State, Submission
from overtrace.host.teams import find_team


@dataclass(frozen=True, slots=True)
class Result:
    """A submission as someone may see it."""

    submission: Submission
    marks: list[tuple[Board, Score]]
    """Of the boards that are shown."""
    withheld: list[Board]
    """Where it has a score too, that is not shown yet."""
    detailed: bool
    """Whether all that the scorer said may be shown."""
    can_choose: bool

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
        scores = {board.name: {"score": score.value, "columns": score.columns} for board, score in self.marks}
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
    return [_describe(contest, one, released, at, organises) for one in found]


def _describe(
    contest: Contest, submission: Submission, released: frozenset[str], at: datetime, organises: bool
) -> Result:
    phase = contest.find_phase(submission.phase)
    if phase is None:
        return Result(submission, [], [], detailed=False, can_choose=False)
    scores = {score.board: score for score in submission.scores}
    pairs = [(board, scores[board.name]) for board in phase.boards if board.name in scores]
    shown = [(board, score) for board, score in pairs if organises or is_shown(phase, board, released, at)]
    names = {board.name for board, _ in shown}
    by_choice = any(board.entry == "chosen" for board in phase.boards)
    return Result(
        submission,
        shown,
        [board for board, _ in pairs if board.name not in names],
        detailed=bool(shown) and not phase.test,
        can_choose=by_choice and submission.state == State.SCORED and at < phase.end,
    )
