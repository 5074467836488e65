"""Teams: who is in them, in which order of contribution, and whom to write to.

Whatever changes a team locks its row first. The order is agreed to by each member, and each change of members or order
takes all agreements back. From the time at which teams are locked members, order and track stand.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from overtrace.errors import BadOption, NotAllowed, Refused
from overtrace.host import letters
from overtrace.host.contest import Contest
from overtrace.host.database import add_if_new
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.mails import post
from overtrace.host.names import clean_name, fold
from overtrace.host.people import lock_person
from overtrace.host.site import Site
from overtrace.host.tables import Member, Person, Team


def create_team(session: Session, contest: Contest, person_id: str, name: str, track: str, at: datetime) -> Team:
    """Make a team of one, who is its contact.

    Args:
        track: one of the contest; empty if it has none.
    Raises:
        BadOption: if the name or the track is none.
        Refused: if the name is taken, the person is in a team already, or teams are locked.
    """
    check_unlocked(contest, at)
    person = lock_person(session, person_id)
    check_confirmed(person)
    name = clean_name(name, "the name of the team")
    check_track(contest, track)
    team = Team(id=new_id(at), name=name, folded=fold(name), track=track, contact_id=person.id, created_at=at)
    if not add_if_new(session, team):
        raise _refuse_name(name)
    add_member(session, team, person, at)
    record(session, f"person:{person.id}", "team.created", f"team:{team.id}", at, track=track)
    return team


def find_team(session: Session, person_id: str) -> Team | None:
    """The team that someone is in; None if in none."""
    return session.scalar(select(Team).join(Member).where(Member.person_id == person_id, Member.left_at.is_(None)))


def lock_team(session: Session, person_id: str) -> Team:
    """The team that someone is in, locked until the transaction ends.

    Raises:
        Refused: if in none.
    """
    found = find_team(session, person_id)
    team = None if found is None else lock_team_by_id(session, found.id)
    if team is None or all(member.person_id != person_id for member in find_members(team)):
        raise Refused("you are in no team: create one, or accept an invitation")
    return team


def lock_team_by_id(session: Session, team_id: str) -> Team:
    """A team as it is now, locked until the transaction ends."""
    team = session.get_one(Team, team_id, with_for_update=True, populate_existing=True)
    session.expire(team, ["members"])
    return team


def find_members(team: Team) -> list[Member]:
    """Who is in a team now, in order of contribution."""
    return sorted((member for member in team.members if member.left_at is None), key=lambda member: member.position)


def add_member(session: Session, team: Team, person: Person, at: datetime) -> None:
    """Give someone the last place.

    Raises:
        Refused: if they are in a team already.
    """
    member = Member(id=new_id(at), team_id=team.id, person_id=person.id, joined_at=at)
    member.position = len(find_members(team)) + 1
    if not add_if_new(session, member):
        raise Refused("you are in a team already: leave it first")
    session.expire(team, ["members"])
    clear_agreement(team)


def clear_agreement(team: Team) -> None:
    """Ask all members to agree anew."""
    for member in find_members(team):
        member.agreed_at = None


def change_team(session: Session, contest: Contest, person_id: str, name: str, track: str, at: datetime) -> None:
    """Change the name, or the track until teams are locked.

    Raises:
        BadOption: if the name or the track is none.
        Refused: if the name is taken, or the track stands.
    """
    team = lock_team(session, person_id)
    name = clean_name(name, "the name of the team")
    if track != team.track:
        check_track(contest, track)
        # A track that the contest has no more must be left, at whatever time.
        if any(team.track == known.name for known in contest.tracks):
            check_unlocked(contest, at)
    try:
        with session.begin_nested():
            team.name, team.folded, team.track = name, fold(name), track
    except IntegrityError as error:
        raise _refuse_name(name) from error
    record(session, f"person:{person_id}", "team.changed", f"team:{team.id}", at, track=track)


def leave(session: Session, site: Site, person_id: str, at: datetime) -> None:
    """Leave a team. The next in order becomes its contact; a team that the last one leaves is withdrawn.

    Raises:
        Refused: if in no team, or teams are locked.
    """
    check_unlocked(site.contest, at)
    team = lock_team(session, person_id)
    _take_out(session, site, team, person_id, at)
    record(session, f"person:{person_id}", "member.left", f"team:{team.id}", at)


def remove(session: Session, site: Site, actor: Person, member_id: str, at: datetime) -> None:
    """Take someone who does not answer out of a team; for its contact, and organisers.

    Raises:
        NotAllowed: if the actor is neither.
        Refused: if there is no such member, or teams are locked for someone who is no organiser.
    """
    member = session.get(Member, member_id)
    if member is None:
        raise Refused("there is no such member: look at the team again")
    team = lock_team_by_id(session, member.team_id)
    _check_contact(team, actor)
    if not actor.organises:
        check_unlocked(site.contest, at)
    if member not in find_members(team):
        raise Refused("they have left the team already")
    _take_out(session, site, team, member.person_id, at)
    record(session, f"person:{actor.id}", "member.removed", f"team:{team.id}", at, member=member.person_id)


def set_order(session: Session, site: Site, person_id: str, order: Sequence[str], at: datetime) -> None:
    """Say who contributed most, and so on.

    Args:
        order: the ids of all members, as people.
    Raises:
        BadOption: if it is not each member once.
        Refused: if teams are locked.
    """
    check_unlocked(site.contest, at)
    team = lock_team(session, person_id)
    members = find_members(team)
    current = [member.person_id for member in members]
    if sorted(order) != sorted(current):
        raise BadOption("the order does not name each member once: look at the team again")
    if list(order) == current:
        return
    for member in members:
        member.position = list(order).index(member.person_id) + 1
    clear_agreement(team)
    record(session, f"person:{person_id}", "order.changed", f"team:{team.id}", at, order=list(order))
    tell(session, site, team, "the order of contribution was changed", at, but=person_id)


def agree(session: Session, person_id: str, order: Sequence[str], at: datetime) -> None:
    """Agree to the order of contribution; also once teams are locked.

    Args:
        order: as the member saw it.
    Raises:
        Refused: if it is another one by now.
    """
    team = lock_team(session, person_id)
    members = find_members(team)
    if [member.person_id for member in members] != list(order):
        raise Refused("the order has changed meanwhile: look at it again")
    for member in members:
        if member.person_id == person_id and member.agreed_at is None:
            member.agreed_at = at
            record(session, f"person:{person_id}", "order.agreed", f"team:{team.id}", at, order=list(order))


def set_contact(session: Session, actor: Person, member_id: str, at: datetime) -> None:
    """Name the member whom organisers write to; for the present contact, and organisers.

    Raises:
        NotAllowed: if the actor is neither.
        Refused: if there is no such member.
    """
    member = session.get(Member, member_id)
    if member is None:
        raise Refused("there is no such member: look at the team again")
    team = lock_team_by_id(session, member.team_id)
    _check_contact(team, actor)
    if member not in find_members(team):
        raise Refused("they have left the team: choose another one")
    team.contact_id = member.person_id
    record(session, f"person:{actor.id}", "contact.changed", f"team:{team.id}", at, contact=member.person_id)


def is_locked(contest: Contest, at: datetime) -> bool:
    """Whether members, order and track of all teams stand."""
    return contest.teams.locks_at is not None and contest.teams.locks_at <= at


def check_unlocked(contest: Contest, at: datetime) -> None:
    """Raise Refused once teams are locked."""
    if is_locked(contest, at):
        assert contest.teams.locks_at is not None
        locked = f"{contest.teams.locks_at:%Y-%m-%d %H:%M} UTC"
        raise Refused(f"teams are locked since {locked}: ask the organisers")


def check_confirmed(person: Person) -> None:
    """Raise NotAllowed for someone whose address is not confirmed."""
    if person.confirmed_at is None:
        raise NotAllowed("your e-mail address is not confirmed yet: open the letter, or ask for another one")


def check_track(contest: Contest, track: str) -> None:
    """Raise BadOption for what is no track of the contest."""
    names = [known.name for known in contest.tracks]
    if names and track not in names:
        raise BadOption(f"track {track[:64]!r}: wanted one of {', '.join(names)}")
    if track and not names:
        raise BadOption(f"track {track[:64]!r}: this contest has none")


def tell(session: Session, site: Site, team: Team, what: str, at: datetime, but: str = "") -> None:
    """Write to all members but one."""
    for member in find_members(team):
        if member.person_id != but and member.person.erased_at is None:
            post(session, member.person.email, letters.roster(site, team.name, what), at)


def _take_out(session: Session, site: Site, team: Team, person_id: str, at: datetime) -> None:
    for member in find_members(team):
        if member.person_id == person_id:
            member.left_at, member.agreed_at = at, None
    rest = find_members(team)
    for position, member in enumerate(rest, start=1):
        member.position = position
    clear_agreement(team)
    if not rest:
        team.withdrawn_at = at
    elif team.contact_id == person_id:
        team.contact_id = rest[0].person_id
    tell(session, site, team, "a member has left", at)


def _check_contact(team: Team, actor: Person) -> None:
    if team.contact_id != actor.id and not actor.organises:
        raise NotAllowed("this is for the contact of the team: ask them")


def _refuse_name(name: str) -> Refused:
    return Refused(f"there is a team {name!r} already, or one whose name looks like it: choose another name")
