"""Invitations: places in a team that are offered by e-mail.

More may be offered than there are places: whoever accepts first has one.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from overtrace.errors import NotFound, Refused
from overtrace.host import letters
from overtrace.host.contest import Contest
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.mails import post
from overtrace.host.names import clean_email
from overtrace.host.people import lock_person
from overtrace.host.secret import digest, new_secret
from overtrace.host.site import Site
from overtrace.host.tables import Invitation, Team
from overtrace.host.teams import (
    add_member,
    check_confirmed,
    check_unlocked,
    find_members,
    lock_team,
    lock_team_by_id,
    tell,
)

LASTS = timedelta(days=14)
MOST_OPEN = 10
"""Of a team at once: nobody shall send letters to all the world from here."""


def invite(session: Session, site: Site, person_id: str, email: str, at: datetime) -> Invitation:
    """Offer a place in one's team; an earlier offer to the same address counts no longer.

    Raises:
        BadOption: if the address is none.
        Refused: if the team is full, teams are locked, too much is offered, or they are in the team already.
    """
    check_unlocked(site.contest, at)
    email = clean_email(email)
    team = lock_team(session, person_id)
    _check_place(team, site.contest)
    if any(member.person.email == email for member in find_members(team)):
        raise Refused(f"{email} is in the team already")
    again = update(Invitation).where(Invitation.team_id == team.id, Invitation.email == email, *_is_open(at))
    session.execute(again.values(revoked_at=at))
    if len(list_invitations(session, team, at)) >= MOST_OPEN:
        raise Refused(f"{MOST_OPEN} invitations are open: take one back")
    secret = new_secret()
    invitation = Invitation(digest=digest(secret), id=new_id(at), team_id=team.id, email=email, created_at=at)
    invitation.expires_at = at + LASTS
    session.add(invitation)
    record(session, f"person:{person_id}", "invitation.made", f"team:{team.id}", at, invitation=invitation.id)
    post(session, email, letters.invitation(site, team.name, secret, invitation.expires_at), at)
    return invitation


def list_invitations(session: Session, team: Team, at: datetime) -> list[Invitation]:
    """The open ones of a team, the oldest first."""
    found = select(Invitation).where(Invitation.team_id == team.id, *_is_open(at))
    return list(session.scalars(found.order_by(Invitation.id)))


def find_invitation(session: Session, code: str, at: datetime) -> Invitation:
    """The open one of a code, with its team.

    Raises:
        Refused: if there is none.
    """
    invitation = session.scalar(select(Invitation).where(Invitation.digest == digest(code), *_is_open(at)))
    if invitation is None:
        raise _refuse()
    return invitation


def accept(session: Session, site: Site, person_id: str, code: str, at: datetime) -> Team:
    """Join a team: whoever has the code, by whatever address they registered.

    Raises:
        Refused: if the code does not count, the team is full, teams are locked, or they are in a team already.
    """
    check_unlocked(site.contest, at)
    person = lock_person(session, person_id)
    check_confirmed(person)
    team = lock_team_by_id(session, find_invitation(session, code, at).team_id)
    taken = update(Invitation).where(Invitation.digest == digest(code), *_is_open(at)).values(accepted_at=at)
    invitation_id = session.scalar(taken.returning(Invitation.id))
    if invitation_id is None:
        raise _refuse()
    _check_place(team, site.contest)
    add_member(session, team, person, at)
    record(session, f"person:{person.id}", "member.joined", f"team:{team.id}", at, invitation=invitation_id)
    tell(session, site, team, "a member has joined", at, but=person.id)
    return team


def decline(session: Session, code: str, at: datetime) -> None:
    """Turn an invitation down; the code is enough.

    Raises:
        Refused: if it does not count.
    """
    invitation = find_invitation(session, code, at)
    _close(session, invitation, at)
    record(session, "host", "invitation.declined", f"team:{invitation.team_id}", at, invitation=invitation.id)


def take_back(session: Session, person_id: str, invitation_id: str, at: datetime) -> None:
    """Take an invitation of one's team back.

    Raises:
        NotFound: if there is no such one.
        Refused: if it is not open any more.
    """
    team = lock_team(session, person_id)
    invitation = session.scalar(select(Invitation).where(Invitation.id == invitation_id))
    if invitation is None or invitation.team_id != team.id:
        raise NotFound("there is no such invitation: look at the team again")
    _close(session, invitation, at)
    record(session, f"person:{person_id}", "invitation.taken back", f"team:{team.id}", at, invitation=invitation.id)


def _close(session: Session, invitation: Invitation, at: datetime) -> None:
    closed = update(Invitation).where(Invitation.digest == invitation.digest, *_is_open(at)).values(revoked_at=at)
    if session.scalar(closed.returning(Invitation.id)) is None:
        raise _refuse()


def _is_open(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None), Invitation.expires_at > at)


def _check_place(team: Team, contest: Contest) -> None:
    most = contest.teams.most_members
    if team.withdrawn_at is not None:
        raise Refused("the team was withdrawn: create another one")
    if len(find_members(team)) >= most:
        raise Refused(f"the team is full: it may have at most {most} members")


def _refuse() -> Refused:
    return Refused("this invitation is not known, was answered or taken back, or is too old: ask for another one")
