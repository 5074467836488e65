"""What organisers do and look at: submissions put back, the log, letters that did not leave, workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from overtrace.errors import BadOption, NotFound, Refused
from overtrace.host import submissions
from overtrace.host.events import record
from overtrace.host.names import clean_line
from overtrace.host.submissions import change
from overtrace.host.tables import Event, Job, JobState, Mail, Member, State, Submission, Team

MOST_SHOWN = 200
MOST_REASON = 200
RECENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which submissions are looked at; empty for all."""

    phase: str = ""
    state: str = ""
    team: str = ""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker, by the jobs that it has had."""

    name: str
    running: int
    ended: int
    """In the last day."""
    heard_until: datetime | None
    """When its longest lease ends; None if it has no job."""


def requeue(session: Session, submission_id: str, at: datetime, actor: str) -> None:
    """Let a submission be scored once more that the host could not score; it costs no try.

    Raises:
        NotFound: if there is none.
        Refused: if it has not failed.
    """
    submission = submissions.find(session, submission_id)
    job = update(Job).where(
        Job.submission_id == submission_id, Job.scoring_id.is_(None), Job.state == JobState.GIVEN_UP
    )
    back = job.values(state=JobState.WAITING, attempts=0, due_at=at, ended_at=None, lease="", lease_until=None)
    moved = update(Submission).where(Submission.id == submission_id, Submission.state == State.FAILED)
    reason = "scored once more by an organiser, costs no try"
    queued = moved.values(state=State.QUEUED, started_at=None, ended_at=None, reason=reason)
    if not (change(session, back) and change(session, queued)):
        raise Refused(f"submission {submission.number} is {submission.state}: only one that has failed is put back")
    record(session, actor, "submission.put back", f"submission:{submission_id}", at)


def disqualify(session: Session, team_id: str, why: str, at: datetime, actor: str) -> None:
    """Take a team off all boards, until it is taken back; it cannot send in anything meanwhile.

    Args:
        why: in one line that everyone may read.
    Raises:
        BadOption: if the reason is none.
        NotFound: if there is no such team.
        Refused: if it is disqualified already.
    """
    said = clean_line(why, "the reason", MOST_REASON)
    if not said:
        raise BadOption("the reason is empty: say why, in one line that everyone may read")
    team = _lock_team(session, team_id)
    if team.disqualified_at is not None:
        raise Refused(f"team {team.name} is disqualified already")
    team.disqualified_at, team.disqualified_why = at, said
    record(session, actor, "team.disqualified", f"team:{team_id}", at, why=said)


def reinstate(session: Session, team_id: str, at: datetime, actor: str) -> None:
    """Take a disqualification back.

    Raises:
        NotFound: if there is no such team.
        Refused: if it is not disqualified.
    """
    team = _lock_team(session, team_id)
    if team.disqualified_at is None:
        raise Refused(f"team {team.name} is not disqualified")
    team.disqualified_at, team.disqualified_why = None, ""
    record(session, actor, "team.reinstated", f"team:{team_id}", at)


def _lock_team(session: Session, team_id: str) -> Team:
    team = session.get(Team, team_id, with_for_update=True, populate_existing=True)
    if team is None:
        raise NotFound("there is no such team: look at the list of them")
    return team


def list_submissions(session: Session, wanted: Filter, before: str = "") -> Sequence[Submission]:
    """The newest first.

    Args:
        before: id of the last one of the page before.
    """
    query = select(Submission).order_by(Submission.id.desc()).limit(MOST_SHOWN)
    if wanted.phase:
        query = query.where(Submission.phase == wanted.phase)
    if wanted.state:
        query = query.where(Submission.state == wanted.state)
    if wanted.team:
        query = query.where(Submission.team_id == wanted.team)
    if before:
        query = query.where(Submission.id < before)
    loads = (joinedload(Submission.team), joinedload(Submission.person), selectinload(Submission.scores))
    return session.scalars(query.options(*loads)).all()


def find_job(session: Session, submission_id: str) -> Job | None:
    """The job of a submission, with what went wrong in it; not of what was scored once more."""
    return session.scalar(select(Job).where(Job.submission_id == submission_id, Job.scoring_id.is_(None)))


def list_teams(session: Session) -> Sequence[Team]:
    """All, with members and declarations."""
    loads = (
        selectinload(Team.members).joinedload(Member.person),
        selectinload(Team.declarations),
        joinedload(Team.contact),
    )
    return session.scalars(select(Team).order_by(Team.id).options(*loads)).all()


def read_log(
    session: Session, actor: str = "", action: str = "", subject: str = "", before: int = 0
) -> Sequence[Event]:
    """The newest first.

    Args:
        actor: begins so.
        action: begins so.
        subject: begins so.
        before: number of the last one of the page before.
    """
    query = select(Event).order_by(Event.id.desc()).limit(MOST_SHOWN)
    for column, text in ((Event.actor, actor), (Event.action, action), (Event.subject, subject)):
        if text:
            query = query.where(column.startswith(text, autoescape=True))
    if before:
        query = query.where(Event.id < before)
    return session.scalars(query).all()


def list_letters(session: Session) -> Sequence[Mail]:
    """Those that did not leave, or not yet after several attempts; the newest first."""
    stuck = or_(Mail.failed_at.is_not(None), (Mail.sent_at.is_(None)) & (Mail.attempts > 1))
    return session.scalars(select(Mail).where(stuck).order_by(Mail.id.desc()).limit(MOST_SHOWN)).all()


def list_workers(session: Session, at: datetime) -> list[WorkerFacts]:
    """Those that have a job, or had one in the last day."""
    is_leased, is_recent = Job.state == JobState.LEASED, Job.ended_at > at - RECENT
    query = (
        select(
            Job.worker,
            func.count().filter(is_leased),
            func.count().filter(is_recent),
            func.max(Job.lease_until).filter(is_leased),
        )
        .where(Job.worker != "", or_(is_leased, is_recent))
        .group_by(Job.worker)
        .order_by(Job.worker)
    )
    return [WorkerFacts(*row) for row in session.execute(query)]


def count_states(session: Session) -> dict[str, int]:
    """How many submissions are in which state."""
    found = session.execute(select(Submission.state, func.count()).group_by(Submission.state))
    counts = {state.value: count for state, count in found}
    return {state.value: counts.get(state.value, 0) for state in State}
