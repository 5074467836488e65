"""The letter to the members of all teams that the results are announced: once, when an organiser wants it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from overtrace.errors import Refused
from overtrace.host import letters
from overtrace.host.announcement import read_announcement
from overtrace.host.database import add_if_new
from overtrace.host.events import record
from overtrace.host.mails import post
from overtrace.host.site import Site
from overtrace.host.tables import Fact, Member, Person, Team

TOLD = "announcement letters"
"""The fact that keeps when they were written, and how many."""


def list_readers(session: Session) -> Sequence[Person]:
    """Who is in a team now, by address."""
    present = (Member.left_at.is_(None), Team.withdrawn_at.is_(None), Person.erased_at.is_(None))
    query = select(Person).join(Member, Member.person_id == Person.id).join(Team, Team.id == Member.team_id)
    return session.scalars(query.where(*present).order_by(Person.email)).all()


def herald(session: Session, site: Site, at: datetime, actor: str) -> int:
    """Write to each of them; how many they are.

    Raises:
        Refused: if nothing is announced, or they were written to.
    """
    if read_announcement(session) is None:
        raise Refused("nothing is announced yet: publish the announcement first")
    readers = list_readers(session)
    if not add_if_new(session, Fact(name=TOLD, value={"at": at.isoformat(), "letters": len(readers)})):
        raise Refused("all teams were written to already: it is done once")
    for person in readers:
        post(session, person.email, letters.announced(site), at)
    record(session, actor, "announcement.told", "host", at, letters=len(readers))
    return len(readers)
