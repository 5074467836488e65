"""Appeals: what a team contests, the thread with the organisers, the decision and its effect on the boards.

The thread is for the members of the team and the organisers. Everyone reads how many appeals are open, and of each
that is decided what was decided, what it changed, and a summary that the organisers write.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from overtrace.errors import BadOption, NotAllowed, NotFound, Refused
from overtrace.host import letters, organising, submissions, winners
from overtrace.host.contest import Contest
from overtrace.host.database import add_if_new
from overtrace.host.deliveries import find_delivery, tell_organisers, tell_team
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.names import clean_line
from overtrace.host.site import Site
from overtrace.host.standings import read_release
from overtrace.host.tables import Person, Submission, Team
from overtrace.host.tables_after import DROPPED, Appeal, AppealState, AppealWords, Effect
from overtrace.host.teams import find_members, lock_team

TRIES = 20
MOST_OF_A_TEAM = 5
MOST_WORDS = 40
"""Contributions to one thread."""
MOST_LETTERS = 5000
MOST_SUBJECT = 100
OF_SUBMISSIONS = frozenset({Effect.HIDE, Effect.SHOW})


@dataclass(frozen=True, slots=True)
class Decision:
    """What organisers decide."""

    upheld: bool
    text: str
    """For the team, in Markdown."""
    summary: str
    """For everyone, in Markdown."""
    effect: Effect = Effect.NONE
    target: str = ""
    """Id of the submission or the team that it has an effect on."""


def find_window(session: Session, contest: Contest) -> tuple[datetime, datetime] | None:
    """From when until when teams may appeal; None if they may not, or the board is not released yet."""
    planned, final = find_planned_window(contest), contest.find_final_board()
    if planned is not None or final is None or not contest.appeals.days:
        return planned
    phase, board = final
    released = read_release(session, phase.name, board.name)
    return None if released is None else _last(contest, max(phase.end, released))


def find_planned_window(contest: Contest) -> tuple[datetime, datetime] | None:
    """The same, as far as the contest file alone tells it: not of a board that organisers keep back."""
    final = contest.find_final_board()
    if final is None or not contest.appeals.days or final[1].shown == "organisers":
        return None
    return _last(contest, final[0].end)


def _last(contest: Contest, begins: datetime) -> tuple[datetime, datetime]:
    return begins, begins + timedelta(hours=24 * contest.appeals.days)


def find_end(session: Session, contest: Contest, team: Team, at: datetime) -> datetime:
    """Until when a team may appeal, if it may at this time.

    Raises:
        Refused: if it may not.
    """
    window = find_window(session, contest)
    dropped = find_delivery(session, team.id)
    own = None
    if dropped is not None and dropped.state in DROPPED and dropped.decided_at is not None and contest.appeals.days:
        own = dropped.decided_at + timedelta(hours=24 * contest.appeals.days)
    ends = [end for end in (window[1] if window else None, own) if end is not None]
    if not ends:
        raise Refused("there are no appeals now: look at the rules")
    if window is not None and at < window[0]:
        raise Refused(f"appeals begin at {window[0].isoformat()}")
    if at >= max(ends):
        raise Refused(f"appeals ended at {max(ends).isoformat()}")
    return max(ends)


def open_appeal(session: Session, site: Site, person_id: str, subject: str, text: str, at: datetime) -> Appeal:
    """Contest something.

    Raises:
        BadOption: if subject or text cannot be so.
        Refused: if it is too early or too late, or a limit is reached.
    """
    team = lock_team(session, person_id)
    find_end(session, site.contest, team, at)
    line = clean_line(subject, "the subject", MOST_SUBJECT)
    if not line:
        raise BadOption("the subject is empty: say in a line what it is about")
    own = session.scalars(select(Appeal.state).where(Appeal.team_id == team.id)).all()
    if AppealState.OPEN in own:
        raise Refused("an appeal of your team is open: say there what is to be added")
    if len(own) >= MOST_OF_A_TEAM:
        raise Refused(f"your team has made {MOST_OF_A_TEAM} appeals, which is all that are taken")
    appeal = _number(session, Appeal(id=new_id(at), team_id=team.id, person_id=person_id, subject=line, opened_at=at))
    _add_words(session, appeal, person_id, text, at, organises=False)
    _note(session, appeal, "opened", f"person:{person_id}", at)
    tell_organisers(session, site, letters.appeal(site, appeal.id, f"appeal {appeal.number} is open"), at)
    return appeal


def _number(session: Session, appeal: Appeal) -> Appeal:
    """Add it with the next number; another team may take that just now, and the next one is tried then."""
    for _ in range(TRIES):
        appeal.number = (session.scalar(select(func.max(Appeal.number))) or 0) + 1
        if add_if_new(session, appeal):
            return appeal
    raise Refused("many teams appeal just now: send it again")


def find_appeal(session: Session, appeal_id: str, person: Person) -> Appeal:
    """An appeal for someone who may read it: a member of its team, or an organiser.

    Raises:
        NotFound: if there is none, or they may not.
    """
    loads = (selectinload(Appeal.words).joinedload(AppealWords.person), joinedload(Appeal.team))
    appeal = session.scalar(select(Appeal).where(Appeal.id == appeal_id).options(*loads))
    if appeal is None or not (person.organises or is_member(appeal, person)):
        raise NotFound("there is no such appeal of your team: look at the list of them")
    return appeal


def is_member(appeal: Appeal, person: Person) -> bool:
    """Whether someone is in the team that appeals."""
    return any(member.person_id == person.id for member in find_members(appeal.team))


def say(session: Session, site: Site, appeal_id: str, person: Person, text: str, at: datetime) -> None:
    """Add to the thread; the other side gets a letter.

    Raises:
        BadOption: if the text cannot be so.
        NotFound: if it is none of theirs.
        Refused: if it is decided, or the thread is full.
    """
    appeal = _lock_open(session, appeal_id, person)
    if len(appeal.words) >= MOST_WORDS:
        raise Refused(f"the thread has {MOST_WORDS} contributions, which is all that are taken")
    organises = not is_member(appeal, person)
    _add_words(session, appeal, person.id, text, at, organises=organises)
    _note(session, appeal, "answered", f"person:{person.id}", at, organiser=organises)
    letter = letters.appeal(site, appeal.id, f"something was said in appeal {appeal.number}")
    if organises:
        tell_team(session, appeal.team, letter, at)
    else:
        tell_organisers(session, site, letter, at)


def withdraw(session: Session, site: Site, appeal_id: str, person: Person, at: datetime) -> None:
    """Take an appeal back; for its team.

    Raises:
        NotAllowed: if someone else wants to.
        NotFound: if it is none of theirs.
        Refused: if it is decided.
    """
    appeal = _lock_open(session, appeal_id, person)
    if not is_member(appeal, person):
        raise NotAllowed("this is for the team that appeals")
    appeal.state, appeal.ended_at = AppealState.WITHDRAWN, at
    _note(session, appeal, "withdrawn", f"person:{person.id}", at)
    tell_organisers(session, site, letters.appeal(site, appeal.id, f"appeal {appeal.number} was taken back"), at)


def decide(session: Session, site: Site, appeal_id: str, person: Person, decision: Decision, at: datetime) -> None:
    """Decide an appeal, with what that changes; all of it or nothing.

    Raises:
        BadOption: if text, summary or what it has an effect on cannot be so.
        NotAllowed: if the organiser is in the team that appeals, or in one that it concerns.
        NotFound: if there is no such appeal, submission or team.
        Refused: if it is decided, or the effect cannot be had.
    """
    appeal = _lock_open(session, appeal_id, person)
    if not person.organises:
        raise NotAllowed("organisers decide")
    if not decision.upheld and decision.effect != Effect.NONE:
        raise BadOption("an appeal that is rejected changes nothing: uphold it, or choose no effect")
    team = _find_target(session, decision)
    if any(_is_in(one, person) for one in (appeal.team, team) if one is not None):
        raise NotAllowed("you are in a team that this concerns: another organiser decides")
    appeal.decision = _clean(decision.text, "the decision")
    appeal.summary = _clean(decision.summary, "the summary")
    appeal.state = AppealState.UPHELD if decision.upheld else AppealState.REJECTED
    appeal.effect, appeal.target, appeal.ended_at = decision.effect, decision.target, at
    actor = f"person:{person.id}"
    _note(session, appeal, appeal.state.value, actor, at, effect=decision.effect.value, target=decision.target)
    _apply(session, site, appeal, at, actor)
    tell_team(session, appeal.team, letters.appeal(site, appeal.id, f"appeal {appeal.number} is {appeal.state}"), at)
    if team is not None and team.id != appeal.team_id:
        tell_team(session, team, letters.concerned(site, appeal.number), at)


def list_appeals(session: Session, team_id: str = "") -> Sequence[Appeal]:
    """All, or those of a team; the newest first."""
    query = select(Appeal).order_by(Appeal.number.desc()).options(joinedload(Appeal.team))
    return session.scalars(query.where(Appeal.team_id == team_id) if team_id else query).all()


def describe_effect(session: Session, appeal: Appeal) -> str:
    """What a decision changed, for everyone; empty if nothing."""
    if appeal.effect == Effect.NONE:
        return ""
    if appeal.effect in OF_SUBMISSIONS:
        one = session.get_one(Submission, appeal.target)
        return f"{appeal.effect}: submission {one.number} of {one.team.name}"
    return f"{appeal.effect}: {session.get_one(Team, appeal.target).name}"


def _find_target(session: Session, decision: Decision) -> Team | None:
    """The team that a decision has an effect on; None for no effect."""
    if decision.effect == Effect.NONE:
        if decision.target:
            raise BadOption("a submission or team is named, but no effect: choose one, or none of both")
        return None
    if decision.effect in OF_SUBMISSIONS:
        return submissions.find(session, decision.target).team
    team = session.get(Team, decision.target)
    if team is None:
        raise NotFound("there is no such team: choose one of the list")
    return team


def _apply(session: Session, site: Site, appeal: Appeal, at: datetime, actor: str) -> None:
    why = f"appeal {appeal.number}"
    if appeal.effect == Effect.HIDE:
        submissions.hide(session, appeal.target, at, actor)
    elif appeal.effect == Effect.SHOW:
        submissions.unhide(session, appeal.target, at, actor)
    elif appeal.effect == Effect.DISQUALIFY:
        organising.disqualify(session, appeal.target, why, at, actor)
    elif appeal.effect == Effect.REINSTATE:
        organising.reinstate(session, appeal.target, at, actor)
    elif appeal.effect == Effect.ASK_AGAIN:
        delivery = find_delivery(session, appeal.target)
        if delivery is None:
            raise Refused("the team was not asked for a container: it is asked if it comes among the first places")
        due_at = winners.find_deadline(site.contest.replication, at, promoted=True)
        winners.move_deadline(session, site, delivery.id, due_at, at, actor)


def _lock_open(session: Session, appeal_id: str, person: Person) -> Appeal:
    session.get(Appeal, appeal_id, with_for_update=True, populate_existing=True)
    appeal = find_appeal(session, appeal_id, person)
    if appeal.state != AppealState.OPEN:
        raise Refused(f"appeal {appeal.number} is {appeal.state}: it stands")
    return appeal


def _add_words(session: Session, appeal: Appeal, person_id: str, text: str, at: datetime, *, organises: bool) -> None:
    words = AppealWords(id=new_id(at), appeal_id=appeal.id, person_id=person_id, organises=organises, said_at=at)
    words.text, words.number = _clean(text, "the text"), len(appeal.words) + 1
    appeal.words.append(words)
    session.flush()


def _clean(text: str, what: str) -> str:
    cleaned = text.replace("\r\n", "\n").strip()
    if not cleaned or len(cleaned) > MOST_LETTERS:
        raise BadOption(f"{what} has {len(cleaned):,} letters: wanted from 1 to {MOST_LETTERS:,}")
    if "\0" in cleaned or any("\ud800" <= letter <= "\udfff" for letter in cleaned):
        raise BadOption(f"{what} holds bytes that are no text: save it as UTF-8")
    return cleaned


def _is_in(team: Team, person: Person) -> bool:
    return any(member.person_id == person.id for member in find_members(team))


def _note(session: Session, appeal: Appeal, action: str, actor: str, at: datetime, **details: object) -> None:
    record(session, actor, f"appeal.{action}", f"team:{appeal.team_id}", at, appeal=appeal.number, **details)
