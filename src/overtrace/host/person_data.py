"""What a host knows of a person: handed out, and erased.

Results stay, under a pseudonym; the log names people by their ids alone and stays as it is.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from overtrace.host import announcement
from overtrace.host.canaries import NAMED
from overtrace.host.codes import void_codes
from overtrace.host.events import record
from overtrace.host.kept import find_own, list_tables
from overtrace.host.people import blank, lock_person
from overtrace.host.site import Site
from overtrace.host.table_base import Base
from overtrace.host.tables import Event, Invitation, Mail, Member, Person, Team
from overtrace.host.teams import find_members, find_team, is_locked, leave
from overtrace.host.tokens import revoke_tokens
from overtrace.host.visits import end_visits

PEOPLE, TEAMS, EVENTS = (Base.metadata.tables[name] for name in ("people", "teams", "events"))
NAMES = {"events": "log", "mails": "letters", "appeal_words": "appeals", "appeals": "opened appeals"}
"""Of tables, as people call what is in them."""


def export_person(session: Session, person_id: str) -> dict[str, Any]:
    """All that the host keeps of a person, as JSON can hold it: whatever the table, each row that is about them.

    Passwords, and what was given once, are left out; so are scores, which boards show or do not show yet.
    """
    person = lock_person(session, person_id)
    members = session.scalars(select(Member).where(Member.person_id == person_id).order_by(Member.id)).all()
    said: dict[str, Any] = {}
    for table, kept in list_tables():
        own = _is_of(person_id) if table is EVENTS else find_own(table, kept, person_id, person.email)
        if own is None:
            continue
        found = session.execute(select(table).where(own).order_by(*table.primary_key)).mappings()
        said[NAMES.get(table.name, table.name)] = [
            {name: _show(value) for name, value in row.items() if name not in kept.secret} for row in found
        ]
    (said["person"],) = said.pop("people")
    said["teams"] = [{"team": one.team.name, "position": one.position} for one in members]
    return said


def erase_person(session: Session, site: Site, person_id: str, at: datetime) -> None:
    """Forget who someone is. They leave their team, unless teams are locked or they are its last member.

    Who asks for it has just shown the password (``people.check_password``).
    """
    person = lock_person(session, person_id)
    team = find_team(session, person_id)
    if team is not None and len(find_members(team)) == 1:
        _blank_team(session, team, at)
    elif team is not None and not is_locked(site.contest, at):
        leave(session, site, person_id, at)
    void_codes(session, person_id, at)
    end_visits(session, person_id, at)
    revoke_tokens(session, person_id, at)
    _blank_rows(session, person, at)
    blank(person, at)
    announcement.forget(session, person)
    record(session, "host", "person.erased", f"person:{person.id}", at)


def _blank_team(session: Session, team: Team, at: datetime) -> None:
    # The name of a team of one may be theirs, and so may what it wrote. Nobody shall come into it by an old letter.
    offered = (Invitation.team_id == team.id, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
    session.execute(update(Invitation).where(*offered).values(revoked_at=at))
    team.name = f"Former team {team.id[-6:]}"
    team.folded = f"formerteam{team.id.lower()}"
    team.method = team.document = team.document_name = ""
    for table, kept in list_tables():
        if kept.typed and "team_id" in table.columns:
            session.execute(update(table).where(table.c.team_id == team.id).values(dict.fromkeys(kept.typed, "")))


def _blank_rows(session: Session, person: Person, at: datetime) -> None:
    """Whatever the table: their address, and what they have typed."""
    waiting = (Mail.to == person.email, Mail.sent_at.is_(None), Mail.failed_at.is_(None))
    session.execute(update(Mail).where(*waiting).values(failed_at=at))
    offered = (Invitation.email == person.email, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
    session.execute(update(Invitation).where(*offered).values(revoked_at=at))
    for table, kept in list_tables():
        own = find_own(table, kept, person.id, person.email)
        values = dict.fromkeys(kept.typed, "") | (
            {kept.address: f"{person.id.lower()}@erased.invalid"} if kept.address else {}
        )
        if own is not None and values and table is not TEAMS and table is not PEOPLE:
            session.execute(update(table).where(own).values(values))
    session.expire_all()


def _is_of(person_id: str) -> ColumnElement[bool]:
    # Whoever has seen the truth is not told that it was noticed: organisers answer who asks them.
    own = or_(Event.actor == f"person:{person_id}", Event.subject == f"person:{person_id}")
    return and_(own, Event.action != NAMED)


def _show(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
