"""What a host knows of a person: handed out, and erased.

Results stay, under a pseudonym; the log names people by their ids alone and stays as it is.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from overtrace.host import announcement
from overtrace.host.codes import void_codes
from overtrace.host.events import record
from overtrace.host.people import blank, lock_person
from overtrace.host.site import Site
from overtrace.host.tables import Base, Event, Invitation, Mail, Member, Person, Submission, Team, Token, Upload, Visit
from overtrace.host.tables_after import Appeal, AppealWords
from overtrace.host.teams import find_members, find_team, is_locked, leave
from overtrace.host.tokens import revoke_tokens
from overtrace.host.visits import end_visits

SECRET = frozenset({"password", "digest", "body"})


def export_person(session: Session, person_id: str) -> dict[str, Any]:
    """All that the host keeps of a person, as JSON can hold it; passwords and what was given once are left out."""
    person = lock_person(session, person_id)
    members = session.scalars(select(Member).where(Member.person_id == person_id).order_by(Member.id)).all()
    mine = {
        "visits": select(Visit).where(Visit.person_id == person_id).order_by(Visit.created_at),
        "tokens": select(Token).where(Token.person_id == person_id).order_by(Token.id),
        "invitations": select(Invitation).where(Invitation.email == person.email).order_by(Invitation.id),
        "letters": select(Mail).where(Mail.to == person.email).order_by(Mail.id),
        "uploads": select(Upload).where(Upload.person_id == person_id).order_by(Upload.id),
        "appeals": select(AppealWords).where(AppealWords.person_id == person_id).order_by(AppealWords.id),
        "submissions": select(Submission).where(Submission.person_id == person_id).order_by(Submission.id),
        "log": select(Event).where(_is_of(person_id)).order_by(Event.id),
    }
    return {
        "person": _show(person),
        "teams": [{**_show(member), "team": member.team.name} for member in members],
        **{name: [_show(row) for row in session.scalars(query)] for name, query in mine.items()},
    }


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


def _blank_rows(session: Session, person: Person, at: datetime) -> None:
    gone = f"{person.id.lower()}@erased.invalid"
    waiting = (Mail.to == person.email, Mail.sent_at.is_(None), Mail.failed_at.is_(None))
    session.execute(update(Mail).where(*waiting).values(failed_at=at))
    session.execute(update(Mail).where(Mail.to == person.email).values(to=gone, body="", error=""))
    offered = (Invitation.email == person.email, Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None))
    session.execute(update(Invitation).where(*offered).values(revoked_at=at))
    session.execute(update(Invitation).where(Invitation.email == person.email).values(email=gone))
    session.execute(update(Submission).where(Submission.person_id == person.id).values(name="", note=""))
    session.execute(update(Upload).where(Upload.person_id == person.id).values(name=""))
    session.execute(update(Token).where(Token.person_id == person.id).values(name=""))
    session.execute(update(Appeal).where(Appeal.person_id == person.id).values(subject=""))
    session.execute(update(AppealWords).where(AppealWords.person_id == person.id).values(text=""))


def _is_of(person_id: str) -> Any:
    return or_(Event.actor == f"person:{person_id}", Event.subject == f"person:{person_id}")


def _show(row: Base) -> dict[str, Any]:
    columns = {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in columns.items()
        if key not in SECRET
    }
