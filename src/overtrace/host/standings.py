"""Boards as they are shown: who may see which, the rows out of the database, and what teams lack for a final rank.

A team whose last member has left is withdrawn: it has no place, and changes none. Its submissions stay.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from overtrace.errors import NotFound
from overtrace.host.board import Place, Ranks, as_csv, as_table, find_history, rank_rows
from overtrace.host.contest import Board, Contest, Phase
from overtrace.host.dossiers import find_lacks
from overtrace.host.events import record
from overtrace.host.public import name_board
from overtrace.host.removals import read_removed, read_waits
from overtrace.host.scorings import find_current
from overtrace.host.tables import Fact, Member, Scoring, Team
from overtrace.host.ties import read_rows, read_ties

RELEASED = "released boards"
"""The fact that keeps which boards organisers have released, and when."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A board at one time."""

    phase: Phase
    board: Board
    places: list[Place]
    titles: list[str]
    """Of its columns."""
    teams: Mapping[str, Team]
    """That have a place, by id."""
    lacks: Mapping[str, list[str]]
    """What each of them lacks for a final rank."""
    history: Mapping[str, list[tuple[datetime, float]]]
    removed: Mapping[str, tuple[str, str]]
    """Name and reason of each team that has no place any more, by id; the ranks of the others have closed up."""
    tied: Ranks
    """Of those that are compared already."""
    scoring: Scoring | None
    """That it shows; None before the first result."""

    @property
    def names(self) -> dict[str, str]:
        """Of the teams by id."""
        return {team.id: team.name for team in self.teams.values()}

    @property
    def best(self) -> dict[str, float]:
        """The highest number of each column."""
        numbers = {title: [place.row.columns.get(title) for place in self.places] for title in self.titles}
        known = {title: [number for number in column if number is not None] for title, column in numbers.items()}
        return {title: max(column) for title, column in known.items() if column}

    @property
    def interval(self) -> Mapping[str, Any] | None:
        """How intervals were drawn; None where there are none."""
        return next((place.row.interval for place in self.places if place.row.interval is not None), None)

    @property
    def origins(self) -> list[tuple[str, str]]:
        """Of the scores: scorer and truth, of which there is more than one where either was changed."""
        return sorted({(place.row.scorer, place.row.truth) for place in self.places})

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        rows = as_table(self.places, self.names, self.tied)
        for row in rows:
            row["provisional"] = bool(self.lacks[row["team_id"]])
        number = self.scoring.number if self.scoring is not None else None
        facts = {"phase": self.phase.name, "board": self.board.name, "title": self.board.title, "scoring": number}
        removed = [{"team": team, "reason": why} for team, why in self.removed.values()]
        return {**facts, "rows": rows, "removed": removed}

    def as_csv(self) -> str:
        """For spreadsheets."""
        return as_csv(self.places, self.names, self.tied)


def find_board(contest: Contest, phase: str, board: str) -> tuple[Phase, Board]:
    """A board by its names.

    Raises:
        NotFound: if there is none.
    """
    for known in contest.phases:
        for one in known.boards:
            if (known.name, one.name) == (phase, board):
                return known, one
    raise NotFound(f"there is no board {board[:64]} of phase {phase[:64]}: look at the list of boards")


def list_boards(contest: Contest) -> list[tuple[Phase, Board]]:
    """All boards, in the order of the file."""
    return [(phase, board) for phase in contest.phases for board in phase.boards]


def read_released(session: Session) -> frozenset[str]:
    """Which boards organisers have released."""
    fact = session.get(Fact, RELEASED)
    return frozenset() if fact is None else frozenset(fact.value)


def read_release(session: Session, phase: str, board: str) -> datetime | None:
    """When organisers released a board; None if they did not."""
    fact = session.get(Fact, RELEASED)
    at = None if fact is None else fact.value.get(name_board(phase, board))
    return None if at is None else datetime.fromisoformat(at)


def release(session: Session, contest: Contest, phase: str, board: str, at: datetime, actor: str) -> None:
    """Let everyone see a board from now on.

    Raises:
        NotFound: if there is none.
    """
    find_board(contest, phase, board)
    name = name_board(phase, board)
    fact = session.get(Fact, RELEASED, with_for_update=True, populate_existing=True)
    if fact is None:
        session.add(Fact(name=RELEASED, value={name: at.isoformat()}))
    else:
        fact.value = {**fact.value, name: at.isoformat()}
    record(session, actor, "board.released", "host", at, phase=phase, board=board)


def is_shown(phase: Phase, board: Board, released: Iterable[str], at: datetime) -> bool:
    """Whether everyone may see the numbers of a board."""
    if name_board(phase.name, board.name) in released or board.shown == "live":
        return True
    return board.shown == "after" and at >= phase.end


def read_standing(session: Session, contest: Contest, phase: Phase, board: Board, at: datetime) -> Standing:
    """A board, out of the rows as they are now; what has no score is in none of them."""
    removed = read_removed(session, contest, phase, board)
    waits = read_waits(session, contest, phase, board)
    sent = read_rows(session, phase, board)
    rows = [row for row in sent if row.team not in removed]
    places = rank_rows(rows, board.entry, board.rank_by)
    teams = _read_teams(session, {place.row.team for place in places})
    return Standing(
        phase,
        board,
        places,
        list(dict.fromkeys(title for place in places for title in place.row.columns)),
        teams,
        {team.id: find_lacks(team, contest, at) + waits.get(team.id, []) for team in teams.values()},
        find_history(rows),
        {team: said for team, said in removed.items() if any(row.team == team for row in sent)},
        read_ties(session, phase, board, places),
        find_current(session, phase.name),
    )


def _read_teams(session: Session, wanted: set[str]) -> dict[str, Team]:
    loads = (
        selectinload(Team.members).joinedload(Member.person),
        selectinload(Team.declarations),
        joinedload(Team.contact),
    )
    found = session.scalars(select(Team).where(Team.id.in_(sorted(wanted))).options(*loads))
    return {team.id: team for team in found}
