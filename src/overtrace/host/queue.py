"""The queue as everyone sees it: what waits for how long, and what ended last."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from overtrace.host.tables import FINAL, Job, State, Submission

MOST_SHOWN = 200
MOST_ENDED = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A submission that has no final state yet."""

    submission: Submission
    age: timedelta
    """Since it was accepted."""
    attempts: int
    worker: str


@dataclass(frozen=True, slots=True)
class Queue:
    """All of it."""

    waiting: list[Waiting]
    """Those that run first, then the rest in the order in which they come up."""
    ended: Sequence[Submission]
    """The last ones, the newest first."""
    wait: timedelta | None
    """From accepted to ended, the median of the last ones."""

    @property
    def oldest(self) -> timedelta | None:
        """The age of what waits longest; the number to watch."""
        return max((one.age for one in self.waiting), default=None)


def read_queue(session: Session, at: datetime) -> Queue:
    """The queue as it is now."""
    query = (
        select(Submission, Job)
        .join(Job, (Job.submission_id == Submission.id) & Job.scoring_id.is_(None))
        .where(Submission.state.in_((State.QUEUED, State.RUNNING)))
        .order_by(Submission.state.desc(), Job.due_at, Job.id)
        .options(joinedload(Submission.team))
        .limit(MOST_SHOWN)
    )
    waiting = [
        Waiting(submission, at - submission.accepted_at, job.attempts, job.worker if submission.started_at else "")
        for submission, job in session.execute(query)
    ]
    ended = session.scalars(
        select(Submission)
        .where(Submission.state.in_(FINAL), Submission.ended_at.is_not(None))
        .order_by(Submission.ended_at.desc(), Submission.id)
        .options(joinedload(Submission.team))
        .limit(MOST_ENDED)
    ).all()
    waits = [(one.ended_at - one.accepted_at).total_seconds() for one in ended if one.ended_at is not None]
    return Queue(waiting, ended, timedelta(seconds=statistics.median(waits)) if waits else None)
