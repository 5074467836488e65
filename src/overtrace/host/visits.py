"""Visits: someone's browser that is logged in, known by a cookie."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from overtrace.host.database import Database
from overtrace.host.secret import digest, new_secret
from overtrace.host.tables import Person
from overtrace.host.tables_access import Visit

IDLE = timedelta(days=3)
"""Without a page asked for, a visit ends."""
LONGEST = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=5)
"""It is written down no more often that someone is there."""


def open_visit(session: Session, person_id: str, at: datetime) -> str:
    """Log someone in: the value of the cookie, which is not kept."""
    cookie = new_secret()
    session.add(Visit(digest=digest(cookie), person_id=person_id, created_at=at, seen_at=at))
    return cookie


def find_visit(database: Database, cookie: str, at: datetime) -> Visit | None:
    """Whose cookie it is, with the person; None if the visit has ended."""
    with database.read() as session:
        visit = session.scalar(
            select(Visit)
            .join(Person)
            .where(Visit.digest == digest(cookie), Visit.ended_at.is_(None), Person.erased_at.is_(None))
            .where(Visit.seen_at > at - IDLE, Visit.created_at > at - LONGEST)
            .options(joinedload(Visit.person))
        )
    if visit is not None and visit.seen_at <= at - SEEN_EVERY:
        with database.write() as session:
            session.execute(update(Visit).where(Visit.digest == visit.digest, Visit.seen_at < at).values(seen_at=at))
    return visit


def end_visit(session: Session, cookie: str, at: datetime) -> None:
    """Log one browser out."""
    session.execute(update(Visit).where(Visit.digest == digest(cookie), Visit.ended_at.is_(None)).values(ended_at=at))


def end_visits(session: Session, person_id: str, at: datetime, keep: str = "") -> None:
    """Log someone out everywhere, but for the browser with the cookie to keep."""
    others = update(Visit).where(Visit.person_id == person_id, Visit.digest != digest(keep), Visit.ended_at.is_(None))
    session.execute(others.values(ended_at=at))
