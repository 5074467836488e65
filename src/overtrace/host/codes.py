"""Codes that are sent by e-mail to be shown once."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from overtrace.errors import Refused
from overtrace.host.secret import digest, new_secret
from overtrace.host.tables import Person
from overtrace.host.tables_access import Code

LASTS = {"confirm": timedelta(days=3), "password": timedelta(hours=1), "email": timedelta(days=1)}
"""By purpose."""


def make_code(session: Session, person: Person, purpose: str, email: str, at: datetime) -> tuple[str, datetime]:
    """A code, and until when it counts; earlier ones of the same purpose count no longer."""
    void_codes(session, person.id, at, purpose)
    secret, until = new_secret(), at + LASTS[purpose]
    code = Code(digest=digest(secret), person_id=person.id, purpose=purpose, email=email, created_at=at)
    code.expires_at = until
    session.add(code)
    return secret, until


def void_codes(session: Session, person_id: str, at: datetime, *purposes: str) -> None:
    """Make the codes of a person worthless: those of some purposes, or all."""
    live = update(Code).where(Code.person_id == person_id, Code.used_at.is_(None))
    if purposes:
        live = live.where(Code.purpose.in_(purposes))
    session.execute(live.values(used_at=at))


def find_code(session: Session, secret: str, purpose: str, at: datetime) -> Code:
    """A code that still counts.

    Raises:
        Refused: if there is none.
    """
    code = session.scalar(select(Code).where(*_counts(secret, purpose, at)))
    if code is None:
        raise _refuse()
    return code


def spend_code(session: Session, secret: str, purpose: str, at: datetime) -> Code:
    """Use a code up: of several who try at once, one succeeds.

    Raises:
        Refused: if it does not count, or counts no longer.
    """
    spent = update(Code).where(*_counts(secret, purpose, at)).values(used_at=at).returning(Code.digest)
    key = session.scalar(spent)
    if key is None:
        raise _refuse()
    return session.get_one(Code, key)


def _counts(secret: str, purpose: str, at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Code.digest == digest(secret), Code.purpose == purpose, Code.used_at.is_(None), Code.expires_at > at)


def _refuse() -> Refused:
    return Refused("this code is not known, was used, or is too old: ask for a new letter")
