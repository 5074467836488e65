"""The log: what a team, an organiser or the host did, written in the transaction that did it, as a chain of digests.

Each line has the SHA-256 of its content together with that of the line before (Haber and Stornetta, How to time-stamp a
digital document, J. Cryptology 1991), so that whoever holds one digest holds all lines up to it. Lines get number and
digest when their transaction ends: the row of the head is locked then, and nothing else after it, so that writers
follow each other and none waits for the other.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from overtrace.host.table_base import Instant
from overtrace.host.tables import Event, Fact

HEAD = "log head"
"""The fact that keeps number and digest of the last line."""
NOTHING = "0" * 64
"""Stands before the first line."""
PENDING = "log"


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a log, which stands for all lines."""

    number: int
    """0 for a log without lines."""
    digest: str


def record(session: Session, actor: str, action: str, subject: str, at: datetime, **details: Any) -> None:
    """Add to the log.

    Args:
        actor: ``person:ID``, ``worker:NAME`` or ``host``.
        action: such as ``submission.accepted``.
        subject: such as ``submission:ID``.
        details: what JSON can hold; never an address or a name of a person, for the log outlives them.
    """
    details = json.loads(json.dumps(details, allow_nan=False))
    line = Event(at=at, actor=actor, action=action, subject=subject, details=details)
    session.info.setdefault(PENDING, []).append((session.get_nested_transaction(), line))


def chain(sessions: sessionmaker[Session]) -> None:
    """Let the transactions of these sessions write what they record."""
    event.listen(sessions, "before_commit", _seal)
    event.listen(sessions, "after_soft_rollback", _forget)


def _seal(session: Session) -> None:
    """Number the lines of a transaction, at its end."""
    if session.in_nested_transaction() or not session.info.get(PENDING):
        return
    session.flush()
    kept = session.get_one(Fact, HEAD, with_for_update=True, populate_existing=True)
    head = read_head(kept)
    for _, line in session.info.pop(PENDING):
        line.id = head.number + 1
        line.digest = digest_line(head.digest, show_line(line))
        head = Head(line.id, line.digest)
        session.add(line)
    kept.value = {"number": head.number, "sha256": head.digest}


def _forget(session: Session, undone: SessionTransaction) -> None:
    """Drop what a part of a transaction recorded that was undone."""
    pending = session.info.get(PENDING, [])
    session.info[PENDING] = [one for one in pending if not _is_within(one[0], undone)]


def _is_within(transaction: SessionTransaction | None, other: SessionTransaction) -> bool:
    while transaction is not None and transaction is not other:
        transaction = transaction.parent
    return transaction is other


def find_head(session: Session) -> Head:
    """The last line of the log."""
    return read_head(session.get_one(Fact, HEAD))


def read_head(fact: Fact) -> Head:
    """What the fact of this name says."""
    return Head(int(fact.value["number"]), str(fact.value["sha256"]))


def show_line(line: Event) -> dict[str, Any]:
    """A line as it is digested: its time as microseconds since 1970."""
    at = Instant().process_bind_param(line.at, None)
    said = {"actor": line.actor, "action": line.action, "subject": line.subject, "details": line.details}
    return {"id": line.id, "at": at, **said}


def digest_line(before: str, line: dict[str, Any]) -> str:
    """SHA-256 of a line and of the digest before it, as JSON in one way: keys in order, no blanks, ASCII."""
    said = json.dumps({**line, "before": before}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(said.encode()).hexdigest()
