"""What may be a copy, one person with several accounts, or truth that somebody has seen: told to organisers, who look
into it.

Nothing follows by itself: friends have like names, and an easy data set gives like scores.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from overtrace.errors import NotFound
from overtrace.host.canaries import list_named
from overtrace.host.events import record
from overtrace.host.names import clean_line, fold
from overtrace.host.tables import Fact, Member, Person, Score, State, Submission, Team

SEEN = "findings seen"
"""The fact that keeps what organisers have looked into, and what they said."""
NEAR = 0.0005
LEAST_NUMBERS = 3
"""Of a board beside the score: two teams that work apart may well be near in fewer."""
LEAST_STEM = 4
"""Letters of an e-mail address without digits at its end: shorter ones are alike by chance."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Something of a team."""

    team: str
    """Its id; empty for someone in no team."""
    about: str
    """What of it: a submission by its number and phase, or someone's name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Two teams, or more, with something alike; or one that names canaries."""

    what: str
    traces: tuple[Trace, ...]

    @property
    def key(self) -> str:
        """The same whenever the same is found again."""
        text = json.dumps([self.what, sorted((trace.team, trace.about) for trace in self.traces)])
        return hashlib.sha256(text.encode()).hexdigest()[:26]


def find_alike(session: Session) -> list[Finding]:
    """All that is alike of different teams, the strongest kinds first."""
    verdicts = [*_find_same_verdicts(session), *_find_near_results(session)]
    return [*_find_canaries(session), *_find_same_files(session), *verdicts, *_find_accounts(session)]


def list_leaks(session: Session) -> list[Finding]:
    """Answers that name canaries, as far as nobody has looked into them."""
    seen = read_seen(session)
    return [finding for finding in _find_canaries(session) if finding.key not in seen]


def read_seen(session: Session) -> dict[str, str]:
    """What organisers said of findings, by their keys."""
    fact = session.get(Fact, SEEN)
    return dict(fact.value) if fact is not None else {}


def mark_seen(session: Session, key: str, said: str, at: datetime, actor: str) -> None:
    """Note that a finding was looked into.

    Raises:
        NotFound: if there is no such finding.
    """
    if all(finding.key != key for finding in find_alike(session)):
        raise NotFound("there is no such finding any more: look at the list of them")
    fact = session.get(Fact, SEEN, with_for_update=True, populate_existing=True)
    if fact is None:
        fact = Fact(name=SEEN, value={})
        session.add(fact)
    fact.value = {**fact.value, key: clean_line(said, "what was found out", 300) or "looked into"}
    record(session, actor, "finding.seen", f"finding:{key}", at)


def _find_canaries(session: Session) -> Iterator[Finding]:
    for subject, said in list_named(session):
        kind, _, number = subject.partition(":")
        team, who = (number, "") if kind == "team" else ("", f"{subject}, ")
        yield Finding("Images named that only the truth has", tuple(Trace(team, f"{who}{text}") for text in said))


def _find_same_files(session: Session) -> Iterator[Finding]:
    several = func.count(func.distinct(Submission.team_id)) > 1
    twice = select(Submission.sha256).where(_stands()).group_by(Submission.sha256).having(several)
    query = (
        select(Submission)
        .where(Submission.sha256.in_(twice), _stands())
        .order_by(Submission.team_id, Submission.number)
    )
    groups: dict[str, list[Trace]] = {}
    for one in session.scalars(query):
        groups.setdefault(one.sha256, []).append(Trace(one.team_id, f"{one.number} ({one.phase})"))
    yield from (Finding("The same file, byte by byte", tuple(traces)) for traces in groups.values())


def _find_same_verdicts(session: Session) -> Iterator[Finding]:
    """Answers that are not the same file, of which the scorer says the same in every number."""
    query = (
        select(Submission.team_id, Submission.number, Submission.phase, Submission.sha256, Score.board, Score.verdict)
        .join(Score, Score.submission_id == Submission.id)
        .where(_stands(), Score.value > 0)
        .order_by(Submission.team_id, Submission.number, Score.board)
    )
    groups: dict[tuple[str, str], dict[Trace, str]] = {}
    for team, number, phase, sha256, board, verdict in session.execute(query):
        said = hashlib.sha256(json.dumps([board, verdict], sort_keys=True).encode()).hexdigest()
        groups.setdefault((phase, said), {})[Trace(team, f"{number} ({phase})")] = sha256
    found = {
        tuple(traces): None for traces in groups.values() if _count_teams(traces) > 1 and len(set(traces.values())) > 1
    }
    yield from (Finding("Other files, the same result in every number", traces) for traces in found)


def _find_near_results(session: Session) -> Iterator[Finding]:
    """Answers whose results differ a little in some numbers and in none by more; one pair of each two teams."""
    query = (
        select(Submission.team_id, Submission.number, Submission.phase, Score.board, Score.value, Score.columns)
        .join(Score, Score.submission_id == Submission.id)
        .where(_stands(), Score.value > 0)
        .order_by(Score.value, Submission.team_id, Submission.number)
    )
    boards: dict[tuple[str, str, tuple[str, ...]], list[tuple[Trace, list[float]]]] = {}
    for team, number, phase, board, value, columns in session.execute(query):
        numbers = {title: column for title, column in columns.items() if column is not None}
        if len(numbers) >= LEAST_NUMBERS:
            row = (Trace(team, f"{number} ({phase})"), [value, *numbers.values()])
            boards.setdefault((phase, board, tuple(numbers)), []).append(row)
    for (_, _, titles), rows in boards.items():
        what = f"Results that differ by at most {NEAR} in each of {len(titles)} numbers"
        yield from (Finding(what, pair) for pair in _pair(rows))


def _pair(rows: Sequence[tuple[Trace, list[float]]]) -> Iterator[tuple[Trace, Trace]]:
    """The first near pair of each two teams; rows come by their first number."""
    numbers = np.array([row for _, row in rows], np.float64)
    known: set[frozenset[str]] = set()
    for i in range(len(rows)):
        end = int(np.searchsorted(numbers[:, 0], numbers[i, 0] + NEAR, side="right"))
        apart = np.abs(numbers[i + 1 : end] - numbers[i]).max(axis=1, initial=0.0)
        for j in np.flatnonzero((apart > 0) & (apart <= NEAR)) + i + 1:
            one, other = rows[i][0], rows[int(j)][0]
            teams = frozenset((one.team, other.team))
            if len(teams) > 1 and teams not in known:
                known.add(teams)
                yield one, other


def _find_accounts(session: Session) -> Iterator[Finding]:
    present = (Member.left_at.is_(None), Person.erased_at.is_(None), Team.withdrawn_at.is_(None))
    query = select(Person, Member.team_id).join(Member, Member.person_id == Person.id).join(Team).where(*present)
    names: dict[str, list[Trace]] = {}
    addresses: dict[str, list[Trace]] = {}
    for person, team in session.execute(query.order_by(Person.email)):
        names.setdefault(fold(person.name), []).append(Trace(team, person.name))
        stem = _find_stem(person.email)
        if stem:
            addresses.setdefault(stem, []).append(Trace(team, f"{person.name}, {person.email}"))
    for what, groups in (("The same name in several teams", names), ("E-mail addresses that are alike", addresses)):
        yield from (Finding(what, tuple(traces)) for traces in groups.values() if _count_teams(traces) > 1)


def _find_stem(email: str) -> str:
    """An address without dots, tags and digits at the end; empty if little is left."""
    local, _, domain = email.rpartition("@")
    stem = re.sub(r"\d+$", "", local.partition("+")[0].replace(".", ""))
    return f"{stem}@{domain}" if len(stem) >= LEAST_STEM else ""


def _stands() -> ColumnElement[bool]:
    return Submission.state != State.CANCELLED


def _count_teams(traces: Iterable[Trace]) -> int:
    return len({trace.team for trace in traces})
