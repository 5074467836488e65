"""The log: what a team, an organiser or the host did, written in the transaction that did it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from overtrace.host.tables import Event


def record(session: Session, actor: str, action: str, subject: str, at: datetime, **details: Any) -> None:
    """Add to the log.

    Args:
        actor: ``person:ID``, ``worker:NAME`` or ``host``.
        action: such as ``submission.accepted``.
        subject: such as ``submission:ID``.
        details: what JSON can hold; never an address or a name of a person, for the log outlives them.
    """
    session.add(Event(at=at, actor=actor, action=action, subject=subject, details=details))
