"""The queue: a row each time that a submission is to be scored, claimed under a lease, and waiting again when the lease
runs out.

A state changes by one ``UPDATE`` that names the old state and the lease, so that of two processes one comes too late
and is told so. Rows are always locked in the order job, submission.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from overtrace.host import rescoring, submissions
from overtrace.host.canaries import watch
from overtrace.host.contest import Contest, Frozen
from overtrace.host.ids import new_id
from overtrace.host.outcome import Outcome
from overtrace.host.submissions import change
from overtrace.host.tables import Job, JobState


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for whom."""

    lease_s: float = 60.0
    """After which a worker that has not been heard of is taken for lost."""
    back_off_s: float = 10.0
    """Before the second attempt; before each further one, four times as long."""
    attempts: int = 3
    """After which a job is given up."""


class Claimed(Frozen):
    """A job that a worker has, as it is told of it."""

    job: str
    lease: str
    submission: str
    phase: str
    name: str
    """Of the file, as its team calls it."""
    size: int
    sha256: str
    truth: str = ""
    """Digest of what it is to be scored against."""
    scorer: str = ""
    """Name, version and digest of the code that it is to be scored by; empty for any."""


def claim(session: Session, worker: str, at: datetime, patience: Patience = Patience()) -> Claimed | None:
    """Lease the job that has been due for longest, and one of what is scored once more only if there is no other.

    Returns:
        None if none is due.
    """
    due = (
        select(Job.id)
        .where(Job.state == JobState.WAITING, Job.due_at <= at)
        .order_by(Job.scoring_id.is_not(None), Job.due_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    lease = new_id(at)
    values = {
        "state": JobState.LEASED,
        "worker": worker,
        "lease": lease,
        "lease_until": at + timedelta(seconds=patience.lease_s),
        "attempts": Job.attempts + 1,
    }
    if not change(session, update(Job).where(Job.id == due.scalar_subquery()).values(**values)):
        return None
    job = session.scalars(select(Job).where(Job.lease == lease)).one()
    if job.scoring_id is None and not submissions.start(session, job.submission_id, at, f"worker:{worker}"):
        raise AssertionError(f"job {job.id} waits, and its submission does not")
    sent = job.submission
    return Claimed(
        job=job.id,
        lease=lease,
        submission=sent.id,
        phase=sent.phase,
        name=sent.name,
        size=sent.size,
        sha256=sent.sha256,
    )


def beat(session: Session, claimed: Claimed, at: datetime, patience: Patience = Patience()) -> bool:
    """The worker lives; False if it has lost the job."""
    until = at + timedelta(seconds=patience.lease_s)
    return change(session, _held(claimed).values(lease_until=until))


def finish(
    session: Session,
    contest: Contest,
    claimed: Claimed,
    outcome: Outcome,
    at: datetime,
    patience: Patience = Patience(),
) -> bool:
    """The end of a job, and of its submission; False if the worker has lost it, and nothing is changed.

    Raises:
        Refused: if the outcome is of another contest.
    """
    if outcome.kind == "broken":
        return give_back(session, claimed, outcome.reason, at, patience)
    if not change(session, _held(claimed).values(state=JobState.DONE, lease_until=None, ended_at=at)):
        return False
    job = session.get_one(Job, claimed.job)
    if job.scoring_id is not None:
        rescoring.finish(session, contest, job, outcome, at)
        return True
    sent = job.submission
    watch(session, sent.phase, outcome, f"submission {sent.number} ({sent.phase})", f"team:{sent.team_id}", at)
    if outcome.kind == "scored":
        done = submissions.finish_scored(session, contest, claimed.submission, outcome, at)
    else:
        done = submissions.finish_rejected(session, claimed.submission, outcome, at)
    if not done:
        raise AssertionError(f"job {claimed.job} was leased, and its submission did not run")
    return True


def give_back(
    session: Session,
    claimed: Claimed,
    why: str,
    at: datetime,
    patience: Patience = Patience(),
    *,
    counted: bool = True,
) -> bool:
    """Let a job wait again, or give it up after too many attempts; False if the worker has lost it.

    Args:
        counted: whether this was an attempt; not when the worker was only told to stop.
    """
    held = select(Job).where(Job.id == claimed.job, Job.lease == claimed.lease, Job.state == JobState.LEASED)
    job = session.scalars(held.with_for_update()).one_or_none()
    if job is None:
        return False
    _return(session, job, why, at, patience, counted=counted)
    return True


def reap(session: Session, at: datetime, patience: Patience = Patience()) -> int:
    """Give back the jobs of workers that have not been heard of; how many there were."""
    lost = select(Job).where(Job.state == JobState.LEASED, Job.lease_until <= at)
    jobs = session.scalars(lost.order_by(Job.id).with_for_update(skip_locked=True)).all()
    for job in jobs:
        _return(session, job, f"worker {job.worker} was not heard of any more", at, patience)
    return len(jobs)


def _return(session: Session, job: Job, why: str, at: datetime, patience: Patience, *, counted: bool = True) -> None:
    """A job whose row is locked."""
    worker, submission_id, attempts = job.worker, job.submission_id, job.attempts - (not counted)
    job.lease, job.lease_until, job.attempts, job.error = "", None, attempts, why[-2000:]
    if attempts >= patience.attempts:
        job.state, job.ended_at = JobState.GIVEN_UP, at
    else:
        wait_s = patience.back_off_s * 4 ** max(attempts - 1, 0)
        job.state, job.due_at = JobState.WAITING, at + timedelta(seconds=wait_s if counted else 0)
    if job.scoring_id is not None:
        return
    if job.state == JobState.GIVEN_UP:
        moved = submissions.finish_failed(session, submission_id, attempts, at)
    else:
        moved = submissions.put_back(session, submission_id, at, f"worker:{worker}", why)
    if not moved:
        raise AssertionError(f"job {job.id} was leased, and its submission did not run")


def _held(claimed: Claimed) -> Update:
    return update(Job).where(Job.id == claimed.job, Job.lease == claimed.lease, Job.state == JobState.LEASED)
