"""A phase scored once more after its truth, its rule or the scorer changed: set aside, looked at, applied, rolled back.

Which results the boards show is switched in one transaction, for all submissions of a phase; what was shown is shelved
with its rows, and comes back as it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from overtrace.errors import NotFound, Refused
from overtrace.host.contest import Contest
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.kept import list_tables
from overtrace.host.outcome import Outcome
from overtrace.host.rows import Row, dump_row, load_row
from overtrace.host.scorings import (
    check_boards,
    count_shelved,
    find_current,
    is_of,
    keep_marks,
    list_scorings,
    lock_current,
    open_scoring,
    shelve,
)
from overtrace.host.table_base import Base
from overtrace.host.tables import Job, JobState, Scoring, Shelved, State, Submission
from overtrace.host.truths import read_scorer, read_truth

SUBMISSIONS = Base.metadata.tables[Submission.__tablename__]
KEPT = ("state", "charged", "reason", "faults", "ended_at")
"""Of a submission, beside them."""
ANEW = (State.SCORED, State.REJECTED)
"""What is scored once more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scoring is."""

    scoring: Scoring
    shelved: int
    """Submissions with a result that boards do not show."""
    waiting: int
    """Jobs that have not ended."""
    errors: list[tuple[str, str]]
    """Submissions that could not be scored, and why."""


@dataclass(frozen=True, slots=True)
class PhaseScorings:
    """The scorings of a phase."""

    phase: str
    scorer: str
    """By which answers are scored now."""
    truth: str
    changed: bool
    """Whether that is not what the boards show."""
    progress: list[Progress]
    """The newest first."""


def describe(session: Session, phase: str) -> PhaseScorings:
    """Where a phase stands."""
    current, scorer, truth = find_current(session, phase), *_read_present(session, phase)
    changed = current is not None and bool(truth) and not is_of(current, scorer or current.scorer, truth)
    return PhaseScorings(
        phase, scorer, truth, changed, [look(session, scoring) for scoring in list_scorings(session, phase)]
    )


def list_changed(session: Session, contest: Contest) -> list[str]:
    """The phases whose boards show another scoring than answers get now."""
    return [phase.name for phase in contest.phases if describe(session, phase.name).changed]


def _read_present(session: Session, phase: str) -> tuple[str, str]:
    return read_scorer(session), read_truth(session, phase)


def look(session: Session, scoring: Scoring) -> Progress:
    """How far a scoring is."""
    unfinished = Job.state.in_((JobState.WAITING, JobState.LEASED))
    waiting = session.scalar(select(func.count()).where(Job.scoring_id == scoring.id, unfinished)) or 0
    lost = select(Job.submission_id, Job.error).where(Job.scoring_id == scoring.id, Job.state == JobState.GIVEN_UP)
    errors = [(submission, error) for submission, error in session.execute(lost.order_by(Job.submission_id))]
    return Progress(scoring, count_shelved(session, scoring), waiting, errors)


def ask(session: Session, phase: str, at: datetime, actor: str) -> Scoring:
    """Let all submissions of a phase be scored by what counts now; boards stay as they are.

    Raises:
        Refused: if nothing of the phase has a score yet, or nobody has told what is true.
    """
    current = lock_current(session, phase, alone=True)
    scorer, truth = _read_present(session, phase)
    if current is None or not truth:
        raise Refused(
            f"phase {phase} has no scores yet, or no worker has told what is true: there is nothing to rescore"
        )
    scoring = open_scoring(session, phase, scorer or current.scorer, truth, at)
    scoring.asked_at = at
    known = {job.submission_id: job for job in session.scalars(select(Job).where(Job.scoring_id == scoring.id))}
    shelved = set(session.scalars(select(Shelved.submission_id).where(Shelved.scoring_id == scoring.id)))
    wanted = select(Submission.id).where(Submission.phase == phase, Submission.state.in_(ANEW))
    asked = 0
    for submission_id in session.scalars(wanted.order_by(Submission.id)).all():
        job = known.get(submission_id)
        if submission_id in shelved or (job is not None and job.state in (JobState.WAITING, JobState.LEASED)):
            continue
        if job is None:
            job = Job(id=new_id(at), submission_id=submission_id, scoring_id=scoring.id, created_at=at)
            session.add(job)
        job.state, job.due_at, job.attempts, job.ended_at, job.error = JobState.WAITING, at, 0, None, ""
        asked += 1
    facts = {"scorer": scoring.scorer, "truth": scoring.truth, "submissions": asked}
    record(session, actor, "scoring.asked", f"scoring:{scoring.id}", at, phase=phase, number=scoring.number, **facts)
    return scoring


def finish(session: Session, contest: Contest, job: Job, outcome: Outcome, at: datetime) -> None:
    """What a submission came to that was scored once more.

    Raises:
        Refused: if the outcome is of another contest.
    """
    assert job.scoring_id is not None
    scoring = session.get_one(Scoring, job.scoring_id)
    if scoring.current or not is_of(scoring, outcome.scorer, outcome.truth or scoring.truth):
        job.state, job.error = JobState.GIVEN_UP, "truth, rule or scorer changed while it waited: rescore the phase"
        return
    if outcome.kind == "scored":
        check_boards(contest, scoring.phase, outcome)
    shelve(session, scoring, job.submission_id, outcome, at)
    record(session, "host", "submission.rescored", f"submission:{job.submission_id}", at, scoring=scoring.id)


def find_scoring(session: Session, scoring_id: str) -> Scoring:
    """One by its id.

    Raises:
        NotFound: if there is none.
    """
    scoring = session.get(Scoring, scoring_id)
    if scoring is None:
        raise NotFound(f"there is no scoring {scoring_id[:26]}: look at the list of them")
    return scoring


def switch(session: Session, scoring_id: str, at: datetime, actor: str) -> Scoring:
    """Let boards show another scoring of their phase: a new one is applied, an old one is rolled back to.

    Raises:
        NotFound: if there is none.
        Refused: if boards show it already, or it is not finished.
    """
    phase = find_scoring(session, scoring_id).phase
    old = lock_current(session, phase, alone=True)
    new = session.get_one(Scoring, scoring_id, populate_existing=True)
    progress = look(session, new)
    if old is None or new is old:
        raise Refused(f"boards show scoring {new.number} of phase {phase} already")
    if progress.waiting or not progress.shelved:
        raise Refused(f"scoring {new.number} of phase {phase} has {progress.waiting:,} jobs to do: wait for them")
    coming = session.scalars(select(Shelved).where(Shelved.scoring_id == new.id).order_by(Shelved.submission_id)).all()
    _take_off(session, old, [one.submission_id for one in coming], at)
    for one in coming:
        _put_on(session, new, one, at)
        session.delete(one)
    old.current, old.left_at = False, at
    session.flush()
    new.current, new.applied_at = True, at
    action = "scoring.rolled back" if new.left_at is not None else "scoring.applied"
    facts = {"scorer": new.scorer, "truth": new.truth, "submissions": len(coming), "instead_of": old.id}
    record(session, actor, action, f"scoring:{new.id}", at, phase=phase, number=new.number, **facts)
    return new


def _take_off(session: Session, scoring: Scoring, coming: Iterable[str], at: datetime) -> None:
    """Shelve what boards show."""
    of_phase = select(Submission.id).where(Submission.phase == scoring.phase)
    rows: dict[str, dict[str, list[Row]]] = {}
    results = [table for table, kept in list_tables() if kept.results]
    for table in results:
        found = session.execute(select(table).where(table.c.submission_id.in_(of_phase)).order_by(*table.primary_key))
        for row in found.mappings():
            rows.setdefault(row["submission_id"], {}).setdefault(table.name, []).append(dump_row(table, dict(row)))
    # What was rejected has no rows, and its state has to come back all the same.
    for submission_id in sorted({*rows, *coming}):
        submission = session.get_one(Submission, submission_id, populate_existing=True)
        is_shown = submission_id in rows or submission.state == State.REJECTED
        if not is_shown:
            continue
        state = dump_row(SUBMISSIONS, {name: getattr(submission, name) for name in KEPT})
        kept = {**rows.get(submission_id, {}), SUBMISSIONS.name: [state]}
        session.add(Shelved(scoring_id=scoring.id, submission_id=submission_id, outcome={}, rows=kept, made_at=at))
    session.flush()
    for table in reversed(results):
        session.execute(delete(table).where(table.c.submission_id.in_(of_phase)))
    session.expire_all()


def _put_on(session: Session, scoring: Scoring, shelved: Shelved, at: datetime) -> None:
    """Let boards show what is shelved."""
    submission = session.get_one(Submission, shelved.submission_id)
    if not shelved.rows:
        _put_on_first(session, scoring, submission, Outcome.model_validate(shelved.outcome), at)
        return
    for table, _ in list_tables():
        for row in shelved.rows.get(table.name, []) if table is not SUBMISSIONS else ():
            session.execute(insert(table).values(load_row(table, row)))
    for name, value in load_row(SUBMISSIONS, shelved.rows[SUBMISSIONS.name][0]).items():
        setattr(submission, name, value)


def _put_on_first(session: Session, scoring: Scoring, submission: Submission, outcome: Outcome, at: datetime) -> None:
    if outcome.kind == "scored":
        keep_marks(session, submission.id, scoring, outcome, at)
        if submission.state != State.SCORED:
            submission.state, submission.faults = State.SCORED, []
            submission.reason = f"in order by scoring {scoring.number}, costs no try"
        return
    submission.state, submission.charged = State.REJECTED, False
    submission.reason = f"rejected by scoring {scoring.number}, costs no try: {outcome.reason}"[:300]
    submission.faults = [fault.model_dump() for fault in outcome.faults]
