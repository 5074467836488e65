"""The first organiser: a link by which whoever starts the host sets the password of the first organiser's account."""

from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.orm import Session

from overtrace.host.codes import make_code
from overtrace.host.database import add_if_new
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.site import Site
from overtrace.host.tables import Person


def make_first_link(session: Session, site: Site, at: datetime) -> str:
    """A link that counts once, for an hour; empty if someone organises already.

    The account is that of the first organiser in the contest file; it is made here, and confirmed by the link.
    """
    if session.scalar(select(Person.id).where(Person.organises)) is not None:
        return ""
    first = site.contest.organisers[0]
    email = first.email.lower()
    made = Person(id=new_id(at), email=email, name=first.name, created_at=at)
    if add_if_new(session, made):
        record(session, "host", "person.registered", f"person:{made.id}", at)
    person = session.scalars(select(Person).where(Person.email == email)).one()
    code, _ = make_code(session, person, "password", email, at)
    return f"{site.address}/account/password?{urlencode({'code': code})}"
