"""What would change on the boards of a phase if they showed another scoring: places of teams, and submissions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from overtrace.host.board import Place, Row, climb, rank_rows
from overtrace.host.contest import Board, Contest
from overtrace.host.removals import read_removed
from overtrace.host.scorings import find_marks
from overtrace.host.tables import Scoring, Shelved, State, Submission
from overtrace.host.ties import read_rows


@dataclass(frozen=True, slots=True)
class TeamChange:
    """A team on a board, now and then; None where it has no place."""

    team_id: str
    team: str
    old_rank: int | None
    new_rank: int | None
    old_score: float | None
    new_score: float | None
    columns: Mapping[str, tuple[float | None, float | None]]
    """By title, the old number and the new one."""

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        pairs = [(self.old_rank, self.new_rank), (self.old_score, self.new_score), *self.columns.values()]
        return any(old != new for old, new in pairs)


@dataclass(frozen=True, slots=True)
class BoardChange:
    """A board."""

    board: str
    title: str
    teams: list[TeamChange]
    """By new rank, those without a place last."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A submission that is in order by one scoring and not by the other, or has no result of the new one."""

    submission: str
    team: str
    number: int
    old: str
    new: str
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """All of it."""

    boards: list[BoardChange]
    submissions: list[StateChange]

    @property
    def differs(self) -> bool:
        """Whether anything would change."""
        return bool(self.submissions) or any(team.differs for board in self.boards for team in board.teams)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def compare(session: Session, contest: Contest, scoring: Scoring) -> Difference:
    """What boards show now beside what they would show."""
    phase = contest.find_phase(scoring.phase)
    query = select(Submission).where(Submission.phase == scoring.phase).options(joinedload(Submission.team))
    sent = session.scalars(query.order_by(Submission.id)).all()
    shelf = {one.submission_id: one for one in session.scalars(select(Shelved).where(Shelved.scoring_id == scoring.id))}
    names = {one.team_id: one.team.name for one in sent}
    boards = []
    for board in phase.boards if phase is not None else ():
        assert phase is not None
        removed = read_removed(session, contest, phase, board)
        both = (read_rows(session, phase, board), _read_shelved(sent, shelf, scoring, board))
        old, new = (
            rank_rows([row for row in rows if row.team not in removed], board.entry, board.rank_by) for rows in both
        )
        boards.append(BoardChange(board.name, board.title, _compare_places(old, new, names)))
    return Difference(
        boards, [change for one in sent if (change := _compare_states(one, shelf.get(one.id))) is not None]
    )


def _read_shelved(
    sent: Sequence[Submission], shelf: Mapping[str, Shelved], scoring: Scoring, board: Board
) -> list[Row]:
    rows = []
    for one in sent:
        mark = find_marks(shelf[one.id]).get(board.name) if one.id in shelf else None
        if mark is None or one.team.withdrawn_at is not None:
            continue
        counts = (one.chosen_at, one.hidden_at is not None, scoring.scorer, scoring.truth)
        rows.append(Row(one.team_id, one.id, one.received_at, mark["value"], mark["columns"], *counts))
    return rows if board.ladder is None else climb(rows, board.ladder)


def _compare_places(old: Sequence[Place], new: Sequence[Place], names: Mapping[str, str]) -> list[TeamChange]:
    before, then = ({place.row.team: place for place in places} for places in (old, new))
    order = [place.row.team for place in new] + [place.row.team for place in old if place.row.team not in then]
    changes = []
    for team in order:
        one, other = before.get(team), then.get(team)
        titles = list(
            dict.fromkeys(title for place in (other, one) if place is not None for title in place.row.columns)
        )
        columns = {title: (_pick(one, title), _pick(other, title)) for title in titles}
        ranks = (one.rank if one else None, other.rank if other else None)
        scores = (one.row.value if one else None, other.row.value if other else None)
        changes.append(TeamChange(team, names[team], *ranks, *scores, columns))
    return changes


def _pick(place: Place | None, title: str) -> float | None:
    return None if place is None else place.row.columns.get(title)


def _compare_states(submission: Submission, shelved: Shelved | None) -> StateChange | None:
    # What is rejected, and not looked at by the new scoring, stays so.
    if submission.state != State.SCORED and (submission.state != State.REJECTED or shelved is None):
        return None
    new, reason = _read_state(shelved)
    # What was never on a board has its state by the new scoring already.
    if new == submission.state.value:
        return None
    return StateChange(submission.id, submission.team.name, submission.number, submission.state.value, new, reason)


def _read_state(shelved: Shelved | None) -> tuple[str, str]:
    if shelved is None:
        return "no result", "it has none by this scoring, and would leave the boards"
    if shelved.rows:
        kept = shelved.rows["submissions"][0]
        return str(kept["state"]), str(kept["reason"])
    return str(shelved.outcome["kind"]), str(shelved.outcome["reason"])
