"""A board: the scores of a phase in, the places of its teams out.

It is a function of the rows alone: in whatever order they come, however often it is made, it is the same board.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np

from overtrace.scoring.ranks import rank, rank_by_ranks

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""
HEAD = ("rank", "best_rank", "worst_rank", "team", "score", "low", "high")
"""Of the CSV, before the columns of a board."""
Ranks = Mapping[str, tuple[int, int]]
"""The best and the worst rank that a submission may have, by its id."""
NOBODY: Ranks = {}


@dataclass(frozen=True, slots=True)
class Row:
    """A submission on one board."""

    team: str
    submission: str
    """Its id."""
    received_at: datetime
    value: float | None
    """The score; None, or a number that is not finite, for none."""
    columns: Mapping[str, float | None] = field(default_factory=dict)
    chosen_at: datetime | None = None
    """When its team chose it; the last choice counts."""
    hidden: bool = False
    scorer: str = ""
    """Name and version."""
    truth: str = ""
    """SHA-256 of what it was scored against."""
    interval: Mapping[str, Any] | None = None
    """As ``outcome.Interval`` has it; None where it cannot be told."""
    draws: str = ""
    """SHA-256 of the score on drawn images; empty where there is no interval."""
    stays: bool = False
    """Whether this is an earlier score of the team, which a ladder shows in the place of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """A team on a board, by the submission of it that counts."""

    rank: int
    row: Row
    submissions: int
    """How many of the team have a score."""


def rank_rows(
    rows: Iterable[Row],
    entry: Literal["best", "last", "chosen"] = "best",
    rank_by: Literal["score", "ranks"] = "score",
) -> list[Place]:
    """The places of the teams: 1, 2, 2, 4; of those that share a rank the earlier stands first.

    What is hidden, or has no score, has no place and changes none.

    Args:
        rows: in any order.
        entry: which submission of a team counts; of equally good ones the first. ``chosen`` is the best where a team
            chose none.
        rank_by: the score, or the mean of the ranks in each column; a row that lacks one then has no score.
    Raises:
        ValueError: if ranks are wanted of rows without columns.
    """
    scored = [row for row in rows if not row.hidden and _is_number(row.value)]
    names = sorted({name for row in scored for name in row.columns})
    if rank_by == "ranks":
        if scored and not names:
            raise ValueError("there are no columns whose ranks could be taken")
        scored = [row for row in scored if all(_is_number(row.columns.get(name)) for name in names)]
    teams: dict[str, list[Row]] = {}
    for row in scored:
        teams.setdefault(row.team, []).append(row)
    counted = [_choose(own, entry) for own in teams.values()]
    ranks = _rank(counted, names if rank_by == "ranks" else [])
    places = [Place(place, row, len(teams[row.team])) for place, row in zip(ranks, counted, strict=True)]
    return sorted(places, key=lambda place: (place.rank, *_arrival(place.row)))


def _rank(rows: Sequence[Row], names: Sequence[str]) -> list[int]:
    """By the mean of the ranks in the columns; by the score where there are none."""
    if not rows:
        return []
    if not names:
        return rank(np.array([row.value for row in rows], np.float64))
    return rank_by_ranks(np.array([[row.columns[name] for name in names] for row in rows], np.float64))


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _arrival(row: Row) -> tuple[datetime, str]:
    return row.received_at, row.submission


def _choose(rows: Sequence[Row], entry: str) -> Row:
    chosen = [(row.chosen_at, row.submission, row) for row in rows if row.chosen_at is not None]
    if entry == "chosen" and chosen:
        return max(chosen, key=lambda one: one[:2])[2]
    if entry == "last":
        return max(rows, key=_arrival)
    return min(rows, key=lambda row: (-(row.value or 0.0), *_arrival(row)))


def climb(rows: Iterable[Row], step: float) -> list[Row]:
    """Scores as a ladder shows them: each is that of the team's last rung, which is a new one only if it is better than
    the one before by at least the step.

    Whoever sends answers in to learn of the truth by their scores learns next to nothing of all that climb no rung.

    Args:
        rows: in any order; what counts is that in which they were sent.
        step: from one rung to the next.
    Returns:
        All rows, in the order in which they were sent. What is hidden is no rung.
    Source:
        Blum, Hardt, The Ladder: a reliable leaderboard for machine learning competitions, ICML 2015, arXiv 1502.04585;
        scores are shown as they are, not rounded to the step.
    """
    rungs: dict[str, Row] = {}
    shown = []
    for row in sorted(rows, key=_arrival):
        rung = rungs.get(row.team)
        if not row.hidden and _is_number(row.value) and (rung is None or _is_higher(row, rung, step)):
            rung = rungs[row.team] = row
        shown.append(row if rung is row else _stay(row, rung))
    return shown


def _is_higher(row: Row, rung: Row, step: float) -> bool:
    return (row.value or 0.0) - (rung.value or 0.0) >= step


def _stay(row: Row, rung: Row | None) -> Row:
    """A row as the last rung, or without a score before the first."""
    if rung is None:
        return replace(row, value=None, columns={}, interval=None, draws="")
    told = {name: getattr(rung, name) for name in ("value", "columns", "interval", "draws", "scorer", "truth")}
    return replace(row, stays=True, **told)


def find_history(rows: Iterable[Row]) -> dict[str, list[tuple[datetime, float]]]:
    """The best score of each team by time: a step whenever it rose."""
    steps: dict[str, list[tuple[datetime, float]]] = {}
    for row in sorted(rows, key=_arrival):
        if row.hidden or row.value is None or not math.isfinite(row.value):
            continue
        own = steps.setdefault(row.team, [])
        if not own or row.value > own[-1][1]:
            own.append((row.received_at, row.value))
    return dict(sorted(steps.items()))


def as_table(places: Sequence[Place], names: Mapping[str, str], tied: Ranks = NOBODY) -> list[dict[str, Any]]:
    """A board as rows, for JSON.

    Args:
        places: from ``rank_rows``.
        names: of the teams by their ids.
        tied: which ranks cannot be told apart; of some or of none where that is not known.
    """
    titles = list(dict.fromkeys(title for place in places for title in place.row.columns))
    return [
        {
            "rank": place.rank,
            "tied_ranks": list(tied[place.row.submission]) if place.row.submission in tied else None,
            "team": names.get(place.row.team, place.row.team),
            "team_id": place.row.team,
            "score": place.row.value,
            "interval": None if place.row.interval is None else [place.row.interval[end] for end in ("low", "high")],
            "columns": {title: _finite(place.row.columns.get(title)) for title in titles},
            "submission": place.row.submission,
            "received_at": place.row.received_at.isoformat(),
            "submissions": place.submissions,
            "scorer": place.row.scorer,
            "truth": place.row.truth,
        }
        for place in places
    ]


def _finite(value: float | None) -> float | None:
    return value if _is_number(value) else None


def as_csv(places: Sequence[Place], names: Mapping[str, str], tied: Ranks = NOBODY) -> str:
    """A board as CSV, at full precision; no cell of it is a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    table = as_table(places, names, tied)
    titles = list(table[0]["columns"]) if table else []
    ends = ("submission", "received_at", "submissions")
    writer.writerow([*HEAD, *map(_cell, titles), *ends])
    for row in table:
        numbers = [row["score"], *(row["interval"] or (None, None)), *row["columns"].values()]
        shown = ["" if value is None else repr(value) for value in numbers]
        ranks = row["tied_ranks"] or ("", "")
        writer.writerow([row["rank"], *ranks, _cell(row["team"]), *shown, *(row[end] for end in ends)])
    return text.getvalue()


def _cell(text: str) -> str:
    """Names come from strangers."""
    return f"'{text}" if text.startswith(FORMULA) else text
