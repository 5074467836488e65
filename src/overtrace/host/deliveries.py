"""What a winner delivers: a container image and the weights of its model, handed over with all that its team lacks.

The weights are announced by their SHA-256, which is the claim, before they come. As with answers, what counts is when
the upload of a file began: later bytes can only be those of that file.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overtrace.errors import NotAllowed, Refused
from overtrace.host import letters
from overtrace.host.dossiers import find_lacks
from overtrace.host.events import record
from overtrace.host.letters import Letter
from overtrace.host.mails import post
from overtrace.host.site import Site
from overtrace.host.tables import FileKind, Team, Upload
from overtrace.host.tables_after import PENDING, Delivery, DeliveryState
from overtrace.host.teams import find_members, find_team

ARRIVES = timedelta(days=2)
"""How long a file may take to arrive that began to come in time."""
FILES = (FileKind.IMAGE, FileKind.WEIGHTS)


def find_delivery(session: Session, team_id: str) -> Delivery | None:
    """What a team was asked for; None if it was not asked."""
    return session.scalar(select(Delivery).where(Delivery.team_id == team_id))


def judge(session: Session, team_id: str, at: datetime) -> Delivery:
    """Whether a file of a delivery may begin to come at this time.

    Raises:
        Refused: if it may not.
    """
    query = select(Delivery).where(Delivery.team_id == team_id).with_for_update()
    one = session.scalar(query.execution_options(populate_existing=True))
    if one is None:
        raise Refused("your team was not asked for a container: the first places are, after the last phase")
    if one.state not in PENDING:
        raise Refused(f"the delivery of your team is {one.state}: ask the organisers if something is to be changed")
    if at >= one.due_at:
        raise Refused(
            f"files of the delivery had to begin to come before {one.due_at.isoformat()}, "
            f"and the time that counts is {at.isoformat(timespec='milliseconds')}"
        )
    return one


def attach(session: Session, upload: Upload, at: datetime) -> Delivery:
    """Let a file that has arrived be part of a delivery, in the place of an earlier one; again, and nothing changes.

    Raises:
        Refused: if the delivery was handed over meanwhile.
    """
    one = judge(session, upload.team_id, upload.started_at)
    what = upload.kind.value
    if getattr(one, what) != upload.sha256:
        setattr(one, what, upload.sha256)
        setattr(one, f"{what}_name", upload.name)
        setattr(one, f"{what}_size", upload.size)
        note(session, one, "file kept", f"person:{upload.person_id}", at, kind=what, sha256=upload.sha256)
    return one


def find_gaps(one: Delivery, site: Site, at: datetime) -> list[str]:
    """What a delivery lacks before it can be handed over, a sentence each."""
    missing = [(one.image, "the container image is missing"), (one.weights, "the weights are missing")]
    return [words for sha256, words in missing if not sha256] + find_lacks(one.team, site.contest, at)


def hand_over(session: Session, site: Site, person_id: str, at: datetime) -> None:
    """Say that a delivery is complete; from then on it stands.

    Raises:
        Refused: if something is missing, or it is too late.
    """
    one = _lock_own(session, person_id)
    gaps = find_gaps(one, site, at)
    if gaps:
        todo = "see to it on the page My team, and hand the delivery over there, or deliver it again"
        raise Refused(f"the delivery is not complete: {'; '.join(gaps)}: {todo}")
    take(session, site, one, at, f"person:{person_id}")


def take(session: Session, site: Site, one: Delivery, at: datetime, actor: str) -> None:
    """Take a delivery that is complete."""
    one.state, one.delivered_at = DeliveryState.DELIVERED, at
    one.run_at, one.attempts, one.error = at, 0, ""
    one.reason = "image and weights are here, and wait to be run"
    note(session, one, "delivered", actor, at, image=one.image, weights=one.weights)
    tell_team(session, one.team, letters.delivered(site, one.image, one.weights), at)
    tell_organisers(session, site, letters.to_organisers(site, "a winner has delivered"), at)


def decline(session: Session, site: Site, person_id: str, at: datetime) -> None:
    """Deliver nothing; for the contact of a team.

    Raises:
        NotAllowed: if someone else wants to.
        Refused: if the delivery is not waited for.
    """
    one = _lock_own(session, person_id)
    if one.team.contact_id != person_id:
        raise NotAllowed("this is for the contact of the team: ask them")
    drop(session, site, one, DeliveryState.DECLINED, "the team does not deliver", at, f"person:{person_id}")


def drop(
    session: Session, site: Site, one: Delivery, state: DeliveryState, reason: str, at: datetime, actor: str
) -> None:
    """Take a team out of the final ranks; the next one moves up at the next sweep."""
    one.state, one.reason, one.decided_at = state, reason[:300], at
    note(session, one, state.value, actor, at, reason=one.reason)
    tell_team(session, one.team, letters.dropped(site, f"{state}: {one.reason}"), at)
    tell_organisers(session, site, letters.to_organisers(site, "a winner has dropped out"), at)


def is_coming(session: Session, one: Delivery, at: datetime) -> bool:
    """Whether a file that began to come in time may still arrive."""
    coming = select(func.count()).where(
        Upload.team_id == one.team_id,
        Upload.kind.in_(FILES),
        Upload.ended_at.is_(None),
        Upload.started_at < one.due_at,
    )
    return at < one.due_at + ARRIVES and bool(session.scalar(coming))


def note(session: Session, one: Delivery, action: str, actor: str, at: datetime, **details: object) -> None:
    """Write into the log what happened to a delivery."""
    record(session, actor, f"delivery.{action}", f"team:{one.team_id}", at, **details)


def tell_team(session: Session, team: Team, letter: Letter, at: datetime) -> None:
    """Write to all members of a team."""
    for member in find_members(team):
        if member.person.erased_at is None:
            post(session, member.person.email, letter, at)


def tell_organisers(session: Session, site: Site, letter: Letter, at: datetime) -> None:
    """Write to all organisers."""
    for organiser in site.contest.organisers:
        post(session, organiser.email.lower(), letter, at)


def _lock_own(session: Session, person_id: str) -> Delivery:
    team = find_team(session, person_id)
    if team is None:
        raise Refused("you are in no team: create one, or accept an invitation")
    query = select(Delivery).where(Delivery.team_id == team.id).with_for_update()
    one = session.scalar(query.execution_options(populate_existing=True))
    if one is None or one.state not in PENDING:
        state = "was not asked for" if one is None else f"is {one.state}"
        raise Refused(f"a delivery of your team {state}: look at the page of your team")
    return one
