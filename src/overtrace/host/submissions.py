"""Submissions: accepted once and charged once, moved from state to state, and never lost.

A submission, its job, its number and its line in the log are written in one transaction, in which the row of its team
is locked: two of a team's submissions are judged one after the other, whichever process takes them.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, ColumnExpressionArgument, CursorResult, Update, func, or_, select, update
from sqlalchemy.orm import Session

from overtrace.errors import NotFound, Refused
from overtrace.host.contest import Contest, Phase
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.outcome import Outcome
from overtrace.host.scorings import check_boards, keep_first, lock_current
from overtrace.host.tables import Job, JobState, Member, State, Submission, Team, Upload

DAY = timedelta(days=1)
MOST_REASON = 300


def accept(session: Session, contest: Contest, upload_id: str, at: datetime) -> Submission:
    """Make a submission of an upload whose bytes are all in the store; again, and it is the same submission.

    Raises:
        NotFound: if there is no such upload.
        Refused: if it began to come when the phase was closed, or a limit of its team is reached.
    """
    upload = session.get(Upload, upload_id)
    if upload is None:
        raise NotFound(f"there is no upload {upload_id}: begin a new one")
    lock_team(session, upload.team_id)
    known = find_by_upload(session, upload_id)
    if known is not None:
        return known
    session.refresh(upload)
    if upload.ended_at is not None:
        raise Refused(f"upload {upload_id} has ended: begin a new one")
    reason = judge(session, contest, upload.team_id, upload.phase, upload.started_at)
    number = session.scalar(select(func.max(Submission.number)).where(Submission.team_id == upload.team_id)) or 0
    submission = Submission(
        id=new_id(at),
        number=number + 1,
        upload_id=upload_id,
        team_id=upload.team_id,
        person_id=upload.person_id,
        phase=upload.phase,
        name=upload.name,
        size=upload.size,
        sha256=upload.sha256,
        received_at=upload.started_at,
        accepted_at=at,
        state=State.QUEUED,
        charged=True,
        reason=reason,
    )
    session.add(submission)
    session.flush()
    session.add(Job(id=new_id(at), submission_id=submission.id, state=JobState.WAITING, created_at=at, due_at=at))
    upload.ended_at = at
    _note(session, at, f"person:{upload.person_id}", "accepted", submission.id, number=number + 1, sha256=upload.sha256)
    session.flush()
    return submission


def lock_team(session: Session, team_id: str) -> Team:
    """The row of a team, which no other transaction that locks it sees before this one has ended.

    Raises:
        Refused: if the team is withdrawn or disqualified.
    """
    query = select(Team).where(Team.id == team_id).with_for_update().execution_options(populate_existing=True)
    team = session.scalars(query).one()
    if team.withdrawn_at is not None:
        raise Refused(f"team {team.name} is withdrawn: ask an organiser")
    if team.disqualified_at is not None:
        raise Refused(f"team {team.name} is disqualified: ask an organiser")
    return team


def judge(session: Session, contest: Contest, team_id: str, phase_name: str, received_at: datetime) -> str:
    """Whether a team may send one more answer, which began to come at this time.

    Returns:
        Which try it is, in words.
    Raises:
        Refused: if it may not.
    """
    phase = contest.find_phase(phase_name)
    if phase is None:
        raise Refused(f"the contest has no phase {phase_name}: use one of {', '.join(p.name for p in contest.phases)}")
    if not phase.is_open(received_at):
        raise Refused(_say_closed(phase, received_at))
    day = received_at.replace(hour=0, minute=0, second=0, microsecond=0)
    own = [_is_of(team_id), Submission.phase == phase_name]
    charged = [*own, Submission.charged]
    today = _count(session, *charged, Submission.received_at >= day, Submission.received_at < day + DAY)
    total = _count(session, *charged)
    waiting = _count(session, *own, Submission.state.in_((State.QUEUED, State.RUNNING)))
    limits = phase.limits
    if limits.per_day is not None and today >= limits.per_day:
        raise Refused(f"all {limits.per_day} tries of {day:%Y-%m-%d} (UTC) are spent: the next day begins at 00:00 UTC")
    if limits.total is not None and total >= limits.total:
        raise Refused(f"all {limits.total} tries of phase {phase_name} are spent")
    if waiting >= limits.at_once:
        raise Refused(f"{waiting} submissions of yours are not scored yet, of {limits.at_once} at once: wait for one")
    of_day = "" if limits.per_day is None else f" of {limits.per_day}"
    of_total = "" if limits.total is None else f", {total + 1} of {limits.total} in all"
    return f"try {today + 1}{of_day} on {day:%Y-%m-%d} (UTC){of_total}"


def _is_of(team_id: str) -> ColumnElement[bool]:
    """What counts for a team: its own, and what those who are in it now have sent in elsewhere.

    A new team would be new tries otherwise.
    """
    members = select(Member.person_id).where(Member.team_id == team_id, Member.left_at.is_(None))
    return or_(Submission.team_id == team_id, Submission.person_id.in_(members))


def _say_closed(phase: Phase, received_at: datetime) -> str:
    came = f"and the time that counts is {received_at.isoformat(timespec='milliseconds')}"
    if phase.truth is None:
        return f"nothing is sent in in phase {phase.name}"
    if received_at < phase.start:
        return f"phase {phase.name} begins at {phase.start.isoformat()}, {came}: send it then"
    return f"phase {phase.name} ended at {phase.end.isoformat()}, {came}"


def _count(session: Session, *where: ColumnExpressionArgument[bool]) -> int:
    return session.scalar(select(func.count()).select_from(Submission).where(*where)) or 0


def find_by_upload(session: Session, upload_id: str) -> Submission | None:
    """The submission that an upload became; None if it did not yet."""
    return session.scalar(select(Submission).where(Submission.upload_id == upload_id))


def find(session: Session, submission_id: str) -> Submission:
    """A submission.

    Raises:
        NotFound: if there is none.
    """
    submission = session.get(Submission, submission_id)
    if submission is None:
        raise NotFound(f"there is no submission {submission_id}")
    return submission


def start(session: Session, submission_id: str, at: datetime, actor: str) -> bool:
    """A worker has it; False if it does not wait any more."""
    return _move(session, submission_id, State.QUEUED, State.RUNNING, at, actor, started_at=at)


def put_back(session: Session, submission_id: str, at: datetime, actor: str, why: str) -> bool:
    """Its worker was lost, or gave it back."""
    return _move(session, submission_id, State.RUNNING, State.QUEUED, at, actor, started_at=None, why=why)


def finish_scored(session: Session, contest: Contest, submission_id: str, outcome: Outcome, at: datetime) -> bool:
    """It counts on the boards of its phase, unless these show another scoring.

    Raises:
        Refused: if these are not the boards of its phase.
    """
    submission = find(session, submission_id)
    check_boards(contest, submission.phase, outcome)
    lock_current(session, submission.phase)
    # A worker with another file than the host's may draw what is not to be shown.
    phase = contest.find_phase(submission.phase)
    sheet = outcome.sheet if phase is not None and phase.pictured is not None else ""
    if not _move(session, submission_id, State.RUNNING, State.SCORED, at, "host", ended_at=at, sheet=sheet):
        return False
    keep_first(session, submission, outcome, at)
    return True


def finish_rejected(session: Session, submission_id: str, outcome: Outcome, at: datetime) -> bool:
    """It has faults, and costs no try."""
    reason = f"rejected, costs no try: {outcome.reason}"[:MOST_REASON]
    faults = [fault.model_dump() for fault in outcome.faults]
    values: dict[str, Any] = {"ended_at": at, "charged": False, "reason": reason, "faults": faults}
    return _move(session, submission_id, State.RUNNING, State.REJECTED, at, "host", **values)


def finish_failed(session: Session, submission_id: str, attempts: int, at: datetime) -> bool:
    """The host could not score it: the try is given back. What went wrong may tell of the truth, and is in its job."""
    reason = f"the host could not score it in {attempts} attempts, costs no try: the organisers see why"
    values: dict[str, Any] = {"ended_at": at, "charged": False, "reason": reason}
    return _move(session, submission_id, State.RUNNING, State.FAILED, at, "host", **values)


def cancel(session: Session, submission_id: str, at: datetime, actor: str) -> None:
    """Take back one that waits; it costs no try.

    Raises:
        Refused: if it runs or has ended.
    """
    job = update(Job).where(Job.submission_id == submission_id, Job.scoring_id.is_(None), Job.state == JobState.WAITING)
    if change(session, job.values(state=JobState.DONE, ended_at=at)):
        values: dict[str, Any] = {"ended_at": at, "charged": False, "reason": "cancelled by the team, costs no try"}
        if _move(session, submission_id, State.QUEUED, State.CANCELLED, at, actor, **values):
            return
    state = find(session, submission_id).state
    raise Refused(f"submission {submission_id} is {state}: only one that waits can be cancelled")


def choose(session: Session, contest: Contest, submission_id: str, at: datetime, actor: str) -> None:
    """Let it stand for its team where a board goes by choice; the last choice of a phase counts.

    Raises:
        Refused: if it has no score, or its phase has ended.
    """
    submission = find(session, submission_id)
    phase = contest.find_phase(submission.phase)
    if submission.state != State.SCORED:
        raise Refused(f"submission {submission_id} is {submission.state}: choose one that is scored")
    if phase is None or at >= phase.end:
        raise Refused(f"phase {submission.phase} has ended: what was chosen before stands")
    submission.chosen_at = at
    _note(session, at, actor, "chosen", submission_id)


def hide(session: Session, submission_id: str, at: datetime, actor: str) -> None:
    """Take it off the boards, until it is shown again."""
    find(session, submission_id).hidden_at = at
    _note(session, at, actor, "hidden", submission_id)


def unhide(session: Session, submission_id: str, at: datetime, actor: str) -> None:
    """Put it back on the boards."""
    find(session, submission_id).hidden_at = None
    _note(session, at, actor, "shown", submission_id)


def annotate(session: Session, submission_id: str, note: str, at: datetime, actor: str) -> None:
    """What its team says of it."""
    if len(note) > MOST_REASON:
        raise Refused(f"the note has {len(note):,} letters: at most {MOST_REASON}")
    find(session, submission_id).note = note
    # Not what it says: the log outlives whom it may name.
    _note(session, at, actor, "annotated", submission_id, letters=len(note))


def _move(
    session: Session,
    submission_id: str,
    old: State,
    new: State,
    at: datetime,
    actor: str,
    why: str = "",
    **values: Any,
) -> bool:
    """Change a state if it is still the old one."""
    where = update(Submission).where(Submission.id == submission_id, Submission.state == old)
    if not change(session, where.values(state=new, **values)):
        return False
    _note(session, at, actor, new.value, submission_id, **({"why": why} if why else {}))
    return True


def change(session: Session, statement: Update) -> bool:
    """Whether an update of one row found it as it says that it is."""
    session.flush()
    result = session.execute(statement.execution_options(synchronize_session=False))
    # What the session has read of it before is stale.
    session.expire_all()
    return cast("CursorResult[Any]", result).rowcount == 1


def _note(session: Session, at: datetime, actor: str, action: str, submission_id: str, **details: object) -> None:
    record(session, actor, f"submission.{action}", f"submission:{submission_id}", at, **details)
