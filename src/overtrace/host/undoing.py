"""What was taken back of teams, and can be restored by an organiser: members, declarations, invitations.

Rows stay when something is taken back, and have the time of it; to restore one is to clear that time. Whatever rests on
it is asked for anew: the agreement to the order, and that all is declared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from overtrace.errors import NotFound, Refused
from overtrace.host.dossiers import KINDS, MOST_DECLARATIONS, find_declarations
from overtrace.host.events import record
from overtrace.host.invitations import list_invitations
from overtrace.host.people import lock_person
from overtrace.host.site import Site
from overtrace.host.tables import Declaration, Event, Invitation, Member, Person, Team
from overtrace.host.teams import clear_agreement, find_members, find_team, lock_team_by_id, tell

MOST_SHOWN = 200
ACTIONS = ("member.left", "member.removed", "declaration.taken back", "invitation.taken back", "invitation.declined")


Row = tuple[str, Member | Declaration | Invitation, Team, str, datetime | None]
"""Of what kind it is, whose, what it is called, and when it was taken back."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Something that was taken back."""

    kind: str
    """``member``, ``declaration`` or ``invitation``."""
    id: str
    team: Team
    what: str
    at: datetime
    actor: str
    """As the log calls who did it; empty if it does not say."""


def list_gone(session: Session, at: datetime) -> list[Gone]:
    """What can be restored, the last one taken back first."""
    logged = select(Event.subject, Event.at, Event.actor).where(Event.action.in_(ACTIONS))
    actors = {(subject, at): actor for subject, at, actor in session.execute(logged)}
    found = [
        Gone(kind, row.id, team, what, gone_at, actors.get((f"team:{team.id}", gone_at), ""))
        for kind, row, team, what, gone_at in (
            *_list_members(session),
            *_list_declarations(session),
            *_list_invitations(session, at),
        )
        if gone_at is not None
    ]
    return sorted(found, key=lambda one: (one.at, one.id), reverse=True)[:MOST_SHOWN]


def _list_members(session: Session) -> Iterator[Row]:
    query = select(Member).join(Person).where(Member.left_at.is_not(None), Person.erased_at.is_(None))
    loads = (joinedload(Member.team), joinedload(Member.person))
    present = {(one.team_id, one.person_id) for one in session.scalars(select(Member).where(Member.left_at.is_(None)))}
    # Of someone who left a team twice the last time counts.
    last = {(row.team_id, row.person_id): row for row in session.scalars(query.order_by(Member.id).options(*loads))}
    for key, row in last.items():
        if key not in present:
            yield "member", row, row.team, f"{row.person.name}, member", row.left_at


def _list_declarations(session: Session) -> Iterator[Row]:
    query = select(Declaration, Team).join(Team, Team.id == Declaration.team_id)
    for row, team in session.execute(query.where(Declaration.removed_at.is_not(None))):
        yield "declaration", row, team, f"{row.name}, declared ({KINDS[row.kind]})", row.removed_at


def _list_invitations(session: Session, at: datetime) -> Iterator[Row]:
    taken_back = (Invitation.revoked_at.is_not(None), Invitation.accepted_at.is_(None), Invitation.expires_at > at)
    for row in session.scalars(select(Invitation).where(*taken_back).options(joinedload(Invitation.team))):
        yield "invitation", row, row.team, f"{row.email}, invited", row.revoked_at


def name_actors(session: Session, gone: list[Gone]) -> Mapping[str, str]:
    """The names of people, as the log calls them."""
    ids = {one.actor.removeprefix("person:") for one in gone}
    return {f"person:{one.id}": one.name for one in session.scalars(select(Person).where(Person.id.in_(ids)))}


def restore(session: Session, site: Site, kind: str, number: str, at: datetime, actor: str) -> None:
    """Undo that something was taken back.

    Raises:
        NotFound: if there is no such thing.
        Refused: if it was not taken back, or a rule forbids it by now.
    """
    if kind == "member":
        _restore_member(session, site, number, at, actor)
    elif kind == "declaration":
        _restore_declaration(session, number, at, actor)
    elif kind == "invitation":
        _restore_invitation(session, number, at, actor)
    else:
        raise _refuse_unknown()


def _restore_member(session: Session, site: Site, number: str, at: datetime, actor: str) -> None:
    """They get the last place; with them a team comes back that was withdrawn."""
    found = session.get(Member, number)
    if found is None:
        raise _refuse_unknown()
    person = lock_person(session, found.person_id)
    team = lock_team_by_id(session, found.team_id)
    member = session.get_one(Member, number, populate_existing=True)
    if member.left_at is None:
        raise Refused(f"{person.name} is in team {team.name}: nothing is to be restored")
    other = find_team(session, person.id)
    if other is not None:
        raise Refused(f"{person.name} is in team {other.name} now: they have to leave it first")
    members, most = find_members(team), site.contest.teams.most_members
    if len(members) >= most:
        raise Refused(f"team {team.name} is full: it may have at most {most} members")
    member.left_at, member.agreed_at, member.position = None, None, len(members) + 1
    clear_agreement(team)
    if team.withdrawn_at is not None:
        team.withdrawn_at, team.contact_id = None, person.id
        record(session, actor, "team.restored", f"team:{team.id}", at)
    record(session, actor, "member.restored", f"team:{team.id}", at, member=person.id)
    tell(session, site, team, "an organiser has put a member back", at)


def _restore_declaration(session: Session, number: str, at: datetime, actor: str) -> None:
    found = session.get(Declaration, number)
    if found is None:
        raise _refuse_unknown()
    team = _lock_standing(session, found.team_id)
    session.refresh(found)
    if found.removed_at is None:
        raise Refused(f"{found.name} stands: nothing is to be restored")
    if len(find_declarations(team)) >= MOST_DECLARATIONS:
        raise Refused(f"team {team.name} has {MOST_DECLARATIONS} declarations: one has to be taken back")
    found.removed_at, team.declared_at = None, None
    record(session, actor, "declaration.restored", f"team:{team.id}", at, declaration=found.id)


def _restore_invitation(session: Session, number: str, at: datetime, actor: str) -> None:
    """The code in the letter counts again."""
    found = session.scalar(select(Invitation).where(Invitation.id == number))
    if found is None:
        raise _refuse_unknown()
    team = _lock_standing(session, found.team_id)
    session.refresh(found)
    if found.accepted_at is not None or found.revoked_at is None:
        raise Refused("this invitation is open, or was accepted: nothing is to be restored")
    if found.expires_at <= at:
        raise Refused("this invitation is too old: the team has to invite them again")
    if any(one.email == found.email for one in list_invitations(session, team, at)):
        raise Refused(f"a later invitation to {found.email} is open: that one counts")
    found.revoked_at = None
    record(session, actor, "invitation.restored", f"team:{team.id}", at, invitation=found.id)


def _lock_standing(session: Session, team_id: str) -> Team:
    team = lock_team_by_id(session, team_id)
    if team.withdrawn_at is not None:
        raise Refused(f"team {team.name} was withdrawn: restore a member of it first")
    # Nobody shall come into a team of the erased by an old letter.
    if all(member.person.erased_at is not None for member in find_members(team)):
        raise Refused(f"nobody is in team {team.name} any more: restore a member of it first")
    return team


def _refuse_unknown() -> NotFound:
    return NotFound("nothing like this was taken back: look at the list")
