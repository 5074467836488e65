"""The log: who did what, written in the transaction that did it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from overtrace.host.tables import Event

HOST = "host"
"""As an actor: nobody in particular."""


def record(session: Session, at: datetime, actor: str, action: str, subject: str, **details: Any) -> None:
    """Add a line to the log.

    Args:
        session: the transaction of the change.
        at: when it was made.
        actor: ``person:ID``, ``worker:NAME`` or ``host``.
        action: such as ``submission.accepted``.
        subject: such as ``submission:ID``.
        details: what JSON can hold; no secrets.
    """
    session.add(Event(at=at, actor=actor, action=action, subject=subject, details=details))
