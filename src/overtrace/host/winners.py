"""The first places: asked to deliver, reminded, dropped if they do not, and followed by the next of the board.

A sweep brings all of it to where it has to be at a time, in one transaction: whoever is killed in it has done nothing,
and whoever does it again does nothing more. Who is to be asked is a function of the board without those who have
dropped out: its ranks close up, and all whose rank is among the winners' are asked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from overtrace.errors import NotFound, Refused
from overtrace.host import letters
from overtrace.host.board import Place
from overtrace.host.contest import Board, Contest, Phase, Replication
from overtrace.host.database import add_if_new
from overtrace.host.deliveries import drop, find_gaps, is_coming, note, take, tell_organisers, tell_team
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.names import clean_line
from overtrace.host.site import Site
from overtrace.host.standings import read_standing
from overtrace.host.tables import Fact, State, Submission
from overtrace.host.tables_after import DROPPED, PENDING, Delivery, DeliveryState

ASKED = "winners asked"
"""The fact that keeps when they were; whoever changes who is asked locks it first."""
MOST_REASON = 200


def ask_winners(session: Session, site: Site, at: datetime, actor: str) -> None:
    """Ask the first places of the final board to deliver; those who move up later are asked by themselves.

    Raises:
        Refused: if it is too early, was done already, or there is nobody to ask.
    """
    phase, _ = check_can_ask(session, site.contest, at)
    if not add_if_new(session, Fact(name=ASKED, value={"at": at.isoformat()})):
        raise Refused("the winners are asked already: those who follow are asked by themselves")
    record(session, actor, "winners.asked", "host", at, phase=phase.name)
    if not _ask_next(session, site, at, promoted=False):
        raise Refused("nobody has a place on the final board: there is nobody to ask")


def check_can_ask(session: Session, contest: Contest, at: datetime) -> tuple[Phase, Board]:
    """The final board, if its places stand.

    Raises:
        Refused: if they do not yet, or nobody is to be asked.
    """
    final = contest.find_final_board()
    if final is None or not contest.replication.winners:
        raise Refused("the contest file wants no winners to deliver: set replication.winners")
    phase = final[0]
    if at < phase.end:
        raise Refused(f"phase {phase.name} ends at {phase.end.isoformat()}: ask the winners then")
    waiting = (Submission.phase == phase.name, Submission.state.in_((State.QUEUED, State.RUNNING)))
    count = session.scalar(select(func.count()).select_from(Submission).where(*waiting))
    if count:
        raise Refused(f"{count} submissions of phase {phase.name} are not scored yet: wait for them")
    return final


def is_asked(session: Session) -> bool:
    """Whether the winners were asked."""
    return session.get(Fact, ASKED) is not None


def is_due(session: Session, contest: Contest, at: datetime) -> bool:
    """Whether time alone gives a sweep something to do."""
    pending = session.scalars(select(Delivery).where(Delivery.state.in_(PENDING)))
    return any(at >= one.due_at or _count_passed(contest.replication, one, at) > one.reminders for one in pending)


def sweep(session: Session, site: Site, at: datetime) -> None:
    """Remind, take what is complete, drop who is late, and ask who moves up."""
    if session.get(Fact, ASKED, with_for_update=True) is None:
        return
    pending = select(Delivery).where(Delivery.state.in_(PENDING)).order_by(Delivery.id)
    for one in session.scalars(pending.with_for_update().execution_options(populate_existing=True)).all():
        if at >= one.due_at:
            _end(session, site, one, at)
        else:
            _remind(session, site, one, at)
    session.flush()
    _ask_next(session, site, at, promoted=True)


def move_deadline(session: Session, site: Site, delivery_id: str, due_at: datetime, at: datetime, actor: str) -> None:
    """Give a team another time; one that was dropped for being late is asked again.

    Raises:
        NotFound: if there is no such delivery.
        Refused: if it is no time to come, or nothing is waited for.
    """
    one = _lock(session, delivery_id)
    if due_at <= at:
        raise Refused(f"{due_at.isoformat()} has passed: wanted a time to come")
    if one.state not in PENDING | DROPPED:
        raise Refused(f"the delivery is {one.state}: nothing is waited for")
    one.state, one.due_at, one.decided_at = DeliveryState.ASKED, due_at, None
    one.reason = "asked to deliver"
    one.reminders = _count_passed(site.contest.replication, one, at)
    note(session, one, "deadline moved", actor, at, due_at=due_at.isoformat())
    tell_team(session, one.team, letters.asked(site, one.place, due_at, promoted=False), at)


def drop_by_hand(session: Session, site: Site, delivery_id: str, reason: str, at: datetime, actor: str) -> None:
    """Take a team out that an organiser knows not to deliver, or to have failed.

    Raises:
        BadOption: if the reason is none.
        Refused: if it is out already.
    """
    one = _lock(session, delivery_id)
    said = clean_line(reason, "the reason", MOST_REASON)
    if one.state in DROPPED or not said:
        raise Refused("say why, in one line that everyone may read" if not said else f"it is {one.state} already")
    state = DeliveryState.NOT_DELIVERED if one.state in PENDING else DeliveryState.FAILED
    drop(session, site, one, state, said, at, actor)


def find_deadline(rule: Replication, at: datetime, *, promoted: bool) -> datetime:
    """Until when a team delivers that is asked at this time; by hours, so that no change of clocks matters."""
    own = at + timedelta(hours=24 * rule.reply_days)
    if rule.reply_by is None or rule.reply_by <= at:
        return own
    return max(own, rule.reply_by) if promoted else rule.reply_by


def find_to_ask(places: Sequence[Place], asked: set[str], winners: int) -> list[Place]:
    """Whose rank is among the winners' and who was not asked yet.

    Args:
        places: of the board, without those who have dropped out.
        asked: ids of teams.
    """
    return [place for place in places if place.rank <= winners and place.row.team not in asked]


def _ask_next(session: Session, site: Site, at: datetime, *, promoted: bool) -> int:
    final = site.contest.find_final_board()
    if final is None:
        return 0
    places = read_standing(session, site.contest, *final, at).places
    asked = set(session.scalars(select(Delivery.team_id)))
    chosen = find_to_ask(places, asked, site.contest.replication.winners)
    for place in chosen:
        _ask(session, site, place, at, promoted)
    if chosen and promoted:
        tell_organisers(session, site, letters.to_organisers(site, "the next team was asked to deliver"), at)
    return len(chosen)


def _ask(session: Session, site: Site, place: Place, at: datetime, promoted: bool) -> None:
    due_at = find_deadline(site.contest.replication, at, promoted=promoted)
    one = Delivery(
        id=new_id(at),
        team_id=place.row.team,
        submission_id=place.row.submission,
        place=place.rank,
        promoted=promoted,
        state=DeliveryState.ASKED,
        reason="asked to deliver",
        asked_at=at,
        due_at=due_at,
    )
    one.reminders = _count_passed(site.contest.replication, one, at)
    session.add(one)
    session.flush()
    session.refresh(one)
    note(session, one, "asked", "host", at, place=place.rank, promoted=promoted, due_at=due_at.isoformat())
    tell_team(session, one.team, letters.asked(site, place.rank, due_at, promoted=promoted), at)


def _remind(session: Session, site: Site, one: Delivery, at: datetime) -> None:
    """One letter, however many of its times have passed since the last look."""
    passed = _count_passed(site.contest.replication, one, at)
    if passed <= one.reminders:
        return
    one.state, one.reminders = DeliveryState.REMINDED, passed
    note(session, one, "reminded", "host", at, number=passed)
    tell_team(session, one.team, letters.reminder(site, one.due_at, find_gaps(one, site, at)), at)


def _end(session: Session, site: Site, one: Delivery, at: datetime) -> None:
    """The time of a team is over: what is complete counts all the same."""
    if is_coming(session, one, at):
        return
    gaps = find_gaps(one, site, at)
    if not gaps:
        take(session, site, one, at, "host")
        return
    until = f"{one.due_at:%Y-%m-%d %H:%M} UTC"
    drop(session, site, one, DeliveryState.NOT_DELIVERED, f"until {until}: {'; '.join(gaps)}", at, "host")


def _count_passed(rule: Replication, one: Delivery, at: datetime) -> int:
    """How many of the times of reminders have passed."""
    return sum(at >= one.due_at - timedelta(hours=24 * days) for days in rule.remind_days)


def _lock(session: Session, delivery_id: str) -> Delivery:
    session.get(Fact, ASKED, with_for_update=True)
    one = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if one is None:
        raise NotFound("there is no such delivery: look at the list of them")
    return one
