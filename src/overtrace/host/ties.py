"""Which places of a board are real: each two teams are compared on the same draws of images.

That is done beside the pages, whenever the scores that count have changed; a page shows what is known by then.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overtrace.host.blobs import Blobs
from overtrace.host.board import Place, Ranks, Row, climb, rank_rows
from overtrace.host.contest import Board, Contest, Phase
from overtrace.host.database import Database, add_if_new
from overtrace.host.draws import read_draws
from overtrace.host.removals import read_removed
from overtrace.host.tables import Score, State, Submission, Team, Tie
from overtrace.scoring.intervals import find_worse, span_ranks

Pair = tuple[str, str]


class Ties:
    """Compares the teams of all boards; what it has read and compared before is not done again."""

    def __init__(self, database: Database, blobs: Blobs, contest: Contest) -> None:
        self._database = database
        self._blobs = blobs
        self._contest = contest
        self._draws: dict[str, NDArray[np.float64]] = {}
        self._better: dict[Pair, bool] = {}

    def settle(self) -> None:
        """Bring the ranks of all boards up to date."""
        with self._database.read() as session:
            boards = [
                (phase, board, self._rank(session, phase, board))
                for phase in self._contest.phases
                for board in phase.boards
                if board.rank_by == "score"
            ]
            stale = [
                (phase, board, places)
                for phase, board, places in boards
                if places and _find(session, phase, board, places) is None
            ]
        for phase, board, places in stale:
            self._keep(phase, board, places, self._compare([place.row for place in places]))
        if stale:
            self._forget(place.row.draws for _, _, places in boards for place in places)

    def _rank(self, session: Session, phase: Phase, board: Board) -> list[Place]:
        removed = read_removed(session, self._contest, phase, board)
        rows = [row for row in read_rows(session, phase, board) if row.team not in removed]
        return rank_rows(rows, board.entry)

    def _compare(self, rows: Sequence[Row]) -> list[tuple[int, int]]:
        """The ranks that each may have: of two that were scored against different truths none is better."""
        better = np.zeros((len(rows), len(rows)), bool)
        for truth in sorted({row.truth for row in rows}):
            own = [a for a, row in enumerate(rows) if row.truth == truth and row.draws]
            better[np.ix_(own, own)] = self._find_better([rows[a] for a in own])
        return span_ranks(better)

    def _find_better(self, rows: Sequence[Row]) -> NDArray[np.bool_]:
        names = [row.draws for row in rows]
        for row in rows:
            new = [other for other in rows if (row.draws, other.draws) not in self._better]
            if new:
                draws = np.stack([self._read(one.draws) for one in (row, *new)])
                scores = np.array([one.value for one in (row, *new)], np.float64)
                worse = find_worse(0, scores, draws)[1:]
                self._better |= {(row.draws, other.draws): bool(w) for other, w in zip(new, worse, strict=True)}
        better = [self._better[one, other] for one in names for other in names]
        return np.array(better, bool).reshape(len(rows), len(rows))

    def _read(self, sha256: str) -> NDArray[np.float64]:
        if sha256 not in self._draws:
            self._draws[sha256] = read_draws(b"".join(self._blobs.read(sha256)))
        return self._draws[sha256]

    def _keep(self, phase: Phase, board: Board, places: Sequence[Place], spans: Sequence[tuple[int, int]]) -> None:
        ranks = {place.row.submission: list(span) for place, span in zip(places, spans, strict=True) if place.row.draws}
        with self._database.write() as session:
            tie = session.get(Tie, (phase.name, board.name))
            if tie is None:
                add_if_new(session, Tie(phase=phase.name, board=board.name, key="", ranks={}, revision=0))
                tie = session.get_one(Tie, (phase.name, board.name))
            tie.key, tie.ranks, tie.revision = _make_key(places), ranks, tie.revision + 1

    def _forget(self, kept: Iterable[str]) -> None:
        known = set(kept)
        self._draws = {name: draws for name, draws in self._draws.items() if name in known}
        self._better = {pair: is_so for pair, is_so in self._better.items() if known.issuperset(pair)}


def read_ties(session: Session, phase: Phase, board: Board, places: Sequence[Place]) -> Ranks:
    """The best and the worst rank that each submission of a board may have; empty until these have been compared."""
    tie = _find(session, phase, board, places)
    if tie is None:
        return {}
    return {submission: (best, worst) for submission, (best, worst) in tie.ranks.items()}


def _find(session: Session, phase: Phase, board: Board, places: Sequence[Place]) -> Tie | None:
    tie = session.get(Tie, (phase.name, board.name))
    return tie if tie is not None and tie.key == _make_key(places) else None


def count_revisions(session: Session) -> int:
    """Grows whenever a board has other ties."""
    return session.scalar(select(func.sum(Tie.revision))) or 0


def _make_key(places: Sequence[Place]) -> str:
    said = sorted([place.row.submission, place.row.draws, place.row.truth, str(place.row.value)] for place in places)
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def read_rows(session: Session, phase: Phase, board: Board) -> list[Row]:
    """What is scored for a board, out of the database; on a ladder, as it shows it."""
    query = (
        select(
            Submission.team_id,
            Submission.id,
            Submission.received_at,
            Score.value,
            Score.columns,
            Submission.chosen_at,
            Submission.hidden_at,
            Score.scorer,
            Score.truth,
            Score.interval,
            Score.draws,
        )
        .join(Score, Score.submission_id == Submission.id)
        .join(Team, Team.id == Submission.team_id)
        .where(Submission.phase == phase.name, Submission.state == State.SCORED, Score.board == board.name)
        .where(Team.withdrawn_at.is_(None))
    )
    rows = [
        Row(team, submission, received_at, value, columns, chosen_at, hidden_at is not None, *more)
        for team, submission, received_at, value, columns, chosen_at, hidden_at, *more in session.execute(query)
    ]
    return rows if board.ladder is None else climb(rows, board.ladder)
