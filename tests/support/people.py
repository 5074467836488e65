"""A contest with people and teams in it, and the letters that they were sent."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import select

from overtrace.host.contest import Contest
from overtrace.host.database import Database
from overtrace.host.ids import new_id
from overtrace.host.invitations import accept, invite
from overtrace.host.passwords import Hashed
from overtrace.host.people import Registration, register
from overtrace.host.site import Site
from overtrace.host.tables import Event, Mail, Person, Team
from overtrace.host.teams import create_team

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
CHEAP = Hashed(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD))
"""Of the same password, for tests that do not ask how it was hashed."""
TRACKS = [
    {"name": "open", "title": "Open"},
    {"name": "provided", "title": "Provided data", "pretrained": "no", "other_data": "no"},
]


def after(**passed: float) -> datetime:
    """A time after AT."""
    return AT + timedelta(**passed)


def make_contest(**facts: Any) -> Contest:
    """A contest whose organiser is Olga."""
    phase = {"name": "final", "title": "Final", "start": AT, "end": after(days=90)}
    organisers = [{"name": "Olga", "email": "Olga@Example.org"}]
    whole = {"name": "trees", "title": "Trees", "challenge": "itc", "organisers": organisers, "phases": [phase]}
    return Contest.model_validate({**whole, **facts})


def make_site(**facts: Any) -> Site:
    """A place for such a contest."""
    return Site(make_contest(**facts), "https://trees.example.org")


SITE = make_site()


def add_person(database: Database, name: str, at: datetime = AT) -> Person:
    """Someone whose address, NAME@example.org, is confirmed; their password is PASSWORD."""
    person = Person(id=new_id(at), email=f"{name.lower()}@example.org", name=name, password=CHEAP, created_at=at)
    person.confirmed_at = at
    person.organises = name == "Olga"
    with database.write() as session:
        session.add(person)
    return person


def add_team(
    database: Database, name: str, *people: Person, site: Site = SITE, track: str = "", at: datetime = AT
) -> Team:
    """A team of people; the first one made it and invited the others."""
    with database.write() as session:
        team = create_team(session, site.contest, people[0].id, name, track, at)
    for person in people[1:]:
        code = make_invitation(database, people[0], person.email, site, at)
        with database.write() as session:
            accept(session, site, person.id, code, at)
    return team


def make_invitation(database: Database, person: Person, email: str, site: Site = SITE, at: datetime = AT) -> str:
    """The code of a place in someone's team."""
    with database.write() as session:
        invite(session, site, person.id, email, at)
    return read_code(database, email)


def sign_up(database: Database, email: str, hashed: Hashed = CHEAP, site: Site = SITE, at: datetime = AT) -> str:
    """Register, and read the code in the letter."""
    with database.write() as session:
        register(session, site, Registration(email, "Ada Lovelace", "London", hashed), at)
    return read_code(database, email)


def read_letters(database: Database, email: str) -> list[Mail]:
    """Those to an address, the oldest first."""
    with database.read() as session:
        letters = session.scalars(select(Mail).where(Mail.to == email.lower()).order_by(Mail.created_at, Mail.id))
        return list(letters)


def read_code(database: Database, email: str) -> str:
    """The code in the one letter of those to an address that was written last and holds one."""
    with database.read() as session:
        newest = select(Mail.body).where(Mail.to == email.lower(), Mail.body.contains("?code="))
        body = session.scalars(newest.order_by(Mail.created_at.desc(), Mail.id.desc())).first()
    assert body is not None
    return re.findall(r"\?code=(\S+)", body)[0]


def read_log(database: Database, action: str = "") -> list[Event]:
    """The log, or what it says of one action."""
    with database.read() as session:
        events = session.scalars(select(Event).order_by(Event.id))
        return [event for event in events if action in ("", event.action)]
