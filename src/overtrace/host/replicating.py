"""Deliveries that wait to be run again: leased like jobs, run once at a time, and decided once.

A state changes only under a lease that still holds, so that of two workers one comes too late. What broke here, and
was no fault of the team, is tried again; after too many attempts organisers see why, and have it run again or record
the verdict of another machine by hand.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from overtrace.errors import BadOption, NotFound, Refused
from overtrace.host import letters
from overtrace.host.contest import Contest, Frozen
from overtrace.host.deliveries import drop, note, tell_team
from overtrace.host.ids import new_id
from overtrace.host.jobs import Patience
from overtrace.host.replication import Claimed, Reason, Report, Verdict, read_claimed
from overtrace.host.site import Site
from overtrace.host.tables import Fact, Score
from overtrace.host.tables_after import DROPPED, PENDING, Delivery, DeliveryState

STATES = {
    Verdict.VERIFIED: DeliveryState.VERIFIED,
    Verdict.WITHIN: DeliveryState.WITHIN,
    Verdict.FAILED: DeliveryState.FAILED,
    Verdict.NOT_DELIVERED: DeliveryState.NOT_DELIVERED,
}
MOST_REASON = 300
WAITS = "image and weights are here, and wait to be run"
NO_WORKER = "no worker for containers has started"
REFUSED = "replication refused"
"""The fact that keeps why containers are not run beside this host; an empty reason if they are."""


class Task(Frozen):
    """A delivery that a worker runs, as it is told of it."""

    delivery: str
    lease: str
    phase: str
    board: str
    image: str
    """SHA-256, as of the weights."""
    weights: str
    weights_name: str
    claimed: Claimed


def claim(session: Session, contest: Contest, worker: str, at: datetime, patience: Patience) -> Task | None:
    """Lease the delivery that has waited longest; None if none waits."""
    reap(session, at, patience)
    waits = select(Delivery).where(Delivery.state == DeliveryState.DELIVERED, Delivery.run_at <= at)
    waits = waits.order_by(Delivery.run_at, Delivery.id).limit(1)
    one = session.scalar(waits.with_for_update(skip_locked=True).execution_options(populate_existing=True))
    final = contest.find_final_board()
    if one is None or final is None:
        return None
    one.state, one.reason = DeliveryState.VERIFYING, "its container is being run"
    one.worker, one.lease, one.attempts = worker, new_id(at), one.attempts + 1
    one.lease_until = at + timedelta(seconds=patience.lease_s)
    note(session, one, "verifying", f"worker:{worker}", at, attempt=one.attempts)
    score = session.get_one(Score, (one.submission_id, final[1].name))
    return Task(
        delivery=one.id,
        lease=one.lease,
        phase=final[0].name,
        board=final[1].name,
        image=one.image,
        weights=one.weights,
        weights_name=one.weights_name,
        claimed=read_claimed(contest.challenge, {"score": score.value, "parts": score.verdict.get("parts", {})}),
    )


def beat(session: Session, task: Task, at: datetime, patience: Patience) -> bool:
    """The worker lives; False if it has lost the delivery."""
    one = _find_held(session, task)
    if one is not None:
        one.lease_until = at + timedelta(seconds=patience.lease_s)
    return one is not None


def finish(
    session: Session, site: Site, task: Task, report: Report, log: str, at: datetime, patience: Patience
) -> bool:
    """What came of a run; False if the worker has lost the delivery, and nothing is changed.

    Args:
        log: SHA-256 of what the container wrote, which is in the store.
    """
    one = _find_held(session, task)
    if one is None:
        return False
    if report.reason is Reason.BROKEN:
        _return(session, one, report.said, at, patience)
        return True
    one.log = log
    _decide(session, site, one, report, at, f"worker:{one.worker}")
    return True


def give_back(session: Session, task: Task, why: str, at: datetime, patience: Patience, *, counted: bool) -> bool:
    """Let a delivery wait again; False if the worker has lost it.

    Args:
        counted: whether this was an attempt; not when the worker was only told to stop.
    """
    one = _find_held(session, task)
    if one is not None:
        _return(session, one, why, at, patience, counted=counted)
    return one is not None


def reap(session: Session, at: datetime, patience: Patience) -> None:
    """Take back what workers have that have not been heard of."""
    lost = select(Delivery).where(Delivery.state == DeliveryState.VERIFYING, Delivery.lease_until <= at)
    for one in session.scalars(lost.order_by(Delivery.id).with_for_update(skip_locked=True)).all():
        _return(session, one, f"worker {one.worker} was not heard of any more", at, patience)


def run_again(session: Session, delivery_id: str, at: datetime, actor: str) -> None:
    """Let the container of a team be run once more, whatever came of it before.

    Raises:
        NotFound: if there is no such delivery.
        Refused: if it is not here whole, or runs.
    """
    one = _lock(session, delivery_id)
    if one.state in PENDING or one.state is DeliveryState.VERIFYING or not (one.image and one.weights):
        raise Refused(f"the delivery is {one.state}: only one that is here whole, and does not run, is run again")
    one.state, one.reason, one.decided_at = (
        DeliveryState.DELIVERED,
        WAITS,
        None,
    )
    one.run_at, one.attempts, one.error = at, 0, ""
    note(session, one, "put back", actor, at)


def record_verdict(session: Session, site: Site, delivery_id: str, text: str, at: datetime, actor: str) -> Report:
    """Take the verdict of a run on another machine, by the report that ``replicate`` wrote there.

    Raises:
        BadOption: if that is no such report, or one of another delivery.
        NotFound: if there is no such delivery.
        Refused: if there is nothing to decide.
    """
    one = _lock(session, delivery_id)
    if one.state in PENDING | DROPPED:
        raise Refused(f"the delivery is {one.state}: a verdict is for one that was delivered")
    try:
        report = Report.model_validate_json(text)
    except ValueError as error:
        raise BadOption("this is no report: wanted the file report.json of a replication") from error
    for name, wanted in (("archive", one.image), ("weights", one.weights)):
        if report.digests.get(name) != wanted:
            found = report.digests.get(name, "none")
            raise BadOption(f"the report is of {name} {found}: wanted {wanted}, which this team delivered")
    if report.reason is Reason.BROKEN:
        raise BadOption(f"that run broke off ({report.said}): run it again")
    _decide(session, site, one, report, at, actor)
    return report


def state_refusal(session: Session, why: str) -> None:
    """Let organisers know why containers are not run beside this host; empty if they are."""
    session.merge(Fact(name=REFUSED, value={"why": why}))


def read_refusal(session: Session) -> str:
    """Why containers are not run beside this host; empty if they are."""
    fact = session.get(Fact, REFUSED)
    return NO_WORKER if fact is None else str(fact.value["why"])


def foresee_refusal(contest: Contest, workers: int) -> str:
    """The same before a worker has said whether it can, by the whole contest file, which pages do not know."""
    final = contest.find_final_board()
    if final is not None and final[0].images is None:
        return "the contest file names no images of the phase whose board is final"
    return NO_WORKER if workers else "the host was started without workers"


def can_run(contest: Contest) -> bool:
    """Whether there are winners, and images for their containers."""
    final = contest.find_final_board()
    return final is not None and bool(contest.replication.winners) and final[0].images is not None


def _decide(session: Session, site: Site, one: Delivery, report: Report, at: datetime, actor: str) -> None:
    one.verdict, one.lease, one.lease_until, one.run_at, one.error = report.model_dump(mode="json"), "", None, None, ""
    state = STATES[report.verdict]
    if state in DROPPED:
        drop(session, site, one, state, describe(report), at, actor)
        return
    one.state, one.reason, one.decided_at = state, describe(report)[:MOST_REASON], at
    note(session, one, state.value, actor, at, reason=one.reason)
    tell_team(session, one.team, letters.verified(site, f"{state}, {one.reason}"), at)


def describe(report: Report) -> str:
    """A verdict for everyone: scores, or the kind of failure, but nothing that a container wrote."""
    return report.said if report.reason in (Reason.NONE, Reason.SCORE) else report.reason.value


def _return(
    session: Session, one: Delivery, why: str, at: datetime, patience: Patience, *, counted: bool = True
) -> None:
    one.state, one.lease, one.lease_until, one.error = DeliveryState.DELIVERED, "", None, why[-2000:]
    one.attempts -= not counted
    one.reason = WAITS
    wait_s = patience.back_off_s * 4 ** max(one.attempts - 1, 0) if counted else 0
    one.run_at = at + timedelta(seconds=wait_s)
    if one.attempts >= patience.attempts:
        one.run_at, one.reason = None, "it could not be run here yet, which is no fault of the team"
    note(session, one, "given back", f"worker:{one.worker}", at, attempts=one.attempts)


def _find_held(session: Session, task: Task) -> Delivery | None:
    held: tuple[ColumnElement[bool], ...] = (
        Delivery.id == task.delivery,
        Delivery.lease == task.lease,
        Delivery.state == DeliveryState.VERIFYING,
    )
    return session.scalar(select(Delivery).where(*held).with_for_update().execution_options(populate_existing=True))


def _lock(session: Session, delivery_id: str) -> Delivery:
    one = session.get(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if one is None:
        raise NotFound("there is no such delivery: look at the list of them")
    return one
