"""Canaries: images that stand in a truth and in no list of the contest. They are never scored, and nobody but those who
have seen the truth can name one; an answer that does is refused like any with a name that is not in the list, and
organisers are told.

The process that answers browsers has salted digests of their names: it can tell that a name is one, and lists none.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from overtrace.errors import BadOption
from overtrace.formats.id_lists import read_image_list
from overtrace.host.contest import Contest
from overtrace.host.database import Database
from overtrace.host.events import record
from overtrace.host.outcome import Outcome
from overtrace.host.tables import Event, Fact
from overtrace.host.teams import find_team

PREFIX = "canaries:"
NAMED = "canary.named"
"""What the log calls it."""
Truths = Mapping[str, frozenset[str]]
"""Canaries by the path of their truth."""


def find_canaries(contest: Contest, folder: Path) -> dict[str, frozenset[str]]:
    """Of each truth of a phase with a list, the images that no list of a phase has.

    Args:
        folder: that of the contest file.
    Raises:
        BadAnswer: if truth or lists cannot be read.
    """
    from overtrace.challenges.canaries import list_images

    listed = _read_lists(contest, folder)
    whole = {phase.truth for phase in contest.phases if phase.ids is None}
    truths = sorted({phase.truth for phase in contest.phases if phase.truth is not None} - whole)
    return {truth: list_images(contest.challenge, contest.profile, folder / truth) - listed for truth in truths}


def _read_lists(contest: Contest, folder: Path) -> set[str]:
    lists = [read_image_list(folder / ids) for ids in sorted({phase.ids for phase in contest.phases if phase.ids})]
    return {name for one in lists for name in (*one.names, *map(str, one.ids))}


def lay_canaries(contest: Contest, folder: Path, count: int) -> dict[str, int]:
    """Write canaries into the truth of each test phase.

    Args:
        folder: that of the contest file.
        count: of each truth; of each data set if it has several.
    Returns:
        How many, by the path of the truth.
    Raises:
        BadOption: if there is no test phase with truth and list, a truth has canaries, or none are written for it.
    """
    from overtrace.challenges.canaries import lay

    there = find_canaries(contest, folder)
    tests = sorted({phase.truth for phase in contest.phases if phase.test and phase.truth in there})
    if not tests:
        raise BadOption("no test phase has truth and ids: give ids, as what is in no list is not scored")
    taken = [truth for truth in tests if there[truth]]
    if taken:
        raise BadOption(f"{taken[0]} has {len(there[taken[0]])} canaries, images that no list has: they are enough")
    known, rng = _read_lists(contest, folder), np.random.default_rng()
    return {truth: lay(contest.challenge, contest.profile, folder / truth, count, known, rng) for truth in tests}


def state_canaries(session: Session, contest: Contest, canaries: Truths) -> None:
    """Let the host know them by digests."""
    for phase in contest.phases:
        salt = secrets.token_hex(16)
        digests = sorted(_digest(salt, name) for name in canaries.get(phase.truth or "", ()))
        session.merge(Fact(name=f"{PREFIX}{phase.name}", value={"salt": salt, "digests": digests}))


def _digest(salt: str, name: str) -> str:
    return hashlib.sha256(f"{salt}{name}".encode()).hexdigest()


def watch(session: Session, phase: str, outcome: Outcome, sent: str, subject: str, at: datetime) -> None:
    """Note in the log if an answer names a canary.

    Args:
        sent: how organisers find it.
        subject: whose answer it is, such as ``team:ID``.
    """
    fact = session.get(Fact, f"{PREFIX}{phase}") if outcome.strangers else None
    if fact is None:
        return
    known = set(fact.value["digests"])
    named = sum(_digest(fact.value["salt"], name) in known for name in outcome.strangers)
    if named:
        details = {"phase": phase, "sent": sent, "canaries": named, "strangers": len(outcome.strangers)}
        record(session, "host", NAMED, subject, at, **details)


def watch_check(database: Database, phase: str, outcome: Outcome, person: str, at: datetime) -> None:
    """The same of an answer that is only looked at before it is sent."""
    if not outcome.strangers:
        return
    with database.write() as session:
        team = find_team(session, person)
        subject = f"person:{person}" if team is None else f"team:{team.id}"
        watch(session, phase, outcome, f"a check before sending in ({phase})", subject, at)


def list_named(session: Session) -> Iterator[tuple[str, list[str]]]:
    """Who named canaries, as the log calls them, and what is to be said of their answers."""
    events = session.scalars(select(Event).where(Event.action == NAMED).order_by(Event.id)).all()
    said = Counter((event.subject, _tell(event.details)) for event in events)
    for subject in dict.fromkeys(event.subject for event in events):
        yield (
            subject,
            [f"{text}{f', {times} times' * (times > 1)}" for (who, text), times in said.items() if who == subject],
        )


def _tell(details: Mapping[str, Any]) -> str:
    canaries, strangers = details["canaries"], details["strangers"]
    named = f"{canaries:,} canar{'y' if canaries == 1 else 'ies'}"
    return f"{details['sent']}: {named} among {strangers:,} image{'s' * (strangers != 1)} that no list has"
