"""Who has no place on a board, and why; and whose place is not final yet, because their container is waited for."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from overtrace.host.contest import Board, Contest, Phase
from overtrace.host.tables import Team
from overtrace.host.tables_after import DROPPED, GOOD, Delivery


def read_removed(session: Session, contest: Contest, phase: Phase, board: Board) -> dict[str, tuple[str, str]]:
    """Name and reason, for everyone, of each team that has no place on a board any more; by its id."""
    out = select(Team).where(Team.disqualified_at.is_not(None), Team.withdrawn_at.is_(None)).order_by(Team.id)
    removed = {team.id: (team.name, f"disqualified: {team.disqualified_why}") for team in session.scalars(out)}
    if not _is_final(contest, phase, board):
        return removed
    dropped = [one for one in read_deliveries(session) if one.state in DROPPED]
    return {one.team_id: (one.team.name, f"{one.state}: {one.reason}") for one in dropped} | removed


def read_waits(session: Session, contest: Contest, phase: Phase, board: Board) -> dict[str, list[str]]:
    """What the place of a team on a board waits for, a sentence each; by its id."""
    if not _is_final(contest, phase, board):
        return {}
    return {one.team_id: say_wait(one) for one in read_deliveries(session)}


def say_wait(one: Delivery | None) -> list[str]:
    """What the final rank of a team waits for, a sentence each; nothing if it was not asked to deliver."""
    if one is None or one.state in DROPPED | GOOD:
        return []
    return [f"its container is to be run again, and is {one.state} now"]


def read_deliveries(session: Session) -> Sequence[Delivery]:
    """All that were asked for, in the order of asking."""
    query = select(Delivery).order_by(Delivery.asked_at, Delivery.place, Delivery.id)
    return session.scalars(query.options(joinedload(Delivery.team))).all()


def is_over(contest: Contest, at: datetime) -> bool:
    """Whether there may be winners who are asked to deliver: the phase of the final board has ended."""
    final = contest.find_final_board()
    return final is not None and bool(contest.replication.winners) and final[0].end <= at


def _is_final(contest: Contest, phase: Phase, board: Board) -> bool:
    final = contest.find_final_board()
    return final is not None and (final[0].name, final[1].name) == (phase.name, board.name)
