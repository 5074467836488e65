from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from overtrace.host import jobs
from overtrace.host.jobs import Patience
from overtrace.host.outcome import Mark, Outcome, reject
from overtrace.host.tables import Event, Job, JobState, State
from tests.support.hosted import NOON, Host, answer, make_host

SECOND = timedelta(seconds=1)
PATIENCE = Patience(lease_s=60, back_off_s=10, attempts=3)
SCORED = Outcome(kind="scored", marks=(Mark(board="all", value=0.5, columns={}, verdict={}),))


@pytest.fixture
def host(database, tmp_path) -> Host:
    return make_host(database, tmp_path, {"per_day": None, "at_once": 100})


def claim(host: Host, at=NOON, worker="w"):
    with host.database.write() as session:
        return jobs.claim(session, worker, at, PATIENCE)


def reap(host: Host, at) -> int:
    with host.database.write() as session:
        return jobs.reap(session, at, PATIENCE)


def finish(host: Host, claimed, outcome=SCORED, at=NOON) -> bool:
    with host.database.write() as session:
        return jobs.finish(session, host.contest, claimed, outcome, at, PATIENCE)


def look(host: Host) -> Job:
    with host.database.read() as session:
        return session.scalars(select(Job)).one()


def test_the_longest_due_is_claimed_first(host):
    team = host.add_team("owls")
    sent = [host.submit(team, answer(i), NOON + i * SECOND).id for i in range(3)]
    assert [claim(host, NOON + 9 * SECOND).submission for _ in range(3)] == sent
    assert claim(host, NOON + 9 * SECOND) is None


def test_what_is_claimed_runs_and_says_what_is_to_be_scored(host):
    sent = host.submit(host.add_team("owls"), name="b.csv")
    claimed = claim(host)
    assert (claimed.submission, claimed.phase, claimed.name, claimed.sha256) == (sent.id, "test", "b.csv", sent.sha256)
    assert (host.look(sent.id).state, host.look(sent.id).started_at) == (State.RUNNING, NOON)
    assert look(host).lease_until == NOON + 60 * SECOND


def test_many_workers_never_claim_one_job_twice(host):
    team = host.add_team("owls")
    sent = {host.submit(team, answer(i)).id for i in range(40)}
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda i: claim(host, worker=f"w{i}"), range(48)))
    assert sorted(one.submission for one in claimed if one is not None) == sorted(sent)


def test_a_lease_that_is_beaten_does_not_run_out(host):
    host.submit(host.add_team("owls"))
    claimed = claim(host)
    for minute in range(1, 10):
        with host.database.write() as session:
            assert jobs.beat(session, claimed, NOON + 59 * minute * SECOND, PATIENCE)
        assert reap(host, NOON + 60 * minute * SECOND) == 0
    assert reap(host, NOON + (59 * 9 + 60) * SECOND) == 1


def test_a_stale_lease_is_refused(host):
    sent = host.submit(host.add_team("owls"))
    first = claim(host)
    assert reap(host, NOON + 60 * SECOND) == 1
    with host.database.write() as session:
        assert not jobs.beat(session, first, NOON + 60 * SECOND)
    assert not finish(host, first)
    assert host.look(sent.id).state == State.QUEUED
    second = claim(host, NOON + 70 * SECOND)
    assert second.lease != first.lease
    assert not finish(host, first, reject("1 fault", "mend it"))
    with host.database.write() as session:
        assert not jobs.give_back(session, first, "late", NOON)
    assert host.look(sent.id).state == State.RUNNING
    assert finish(host, second)
    assert not finish(host, second)
    assert host.look(sent.id).state == State.SCORED


def test_what_is_lost_waits_longer_each_time_and_the_third_time_it_fails_and_is_refunded(host):
    sent = host.submit(host.add_team("owls"))
    at = NOON
    for wait_s in (10, 40):
        assert claim(host, at) is not None
        at += 60 * SECOND
        assert reap(host, at) == 1
        assert look(host).state == JobState.WAITING
        assert claim(host, at + (wait_s - 1) * SECOND) is None
        at += wait_s * SECOND
    assert claim(host, at) is not None
    assert reap(host, at + 60 * SECOND) == 1
    found = host.look(sent.id)
    assert (found.state, found.charged, look(host).state) == (State.FAILED, False, JobState.GIVEN_UP)
    assert found.reason == "the host could not score it in 3 attempts, costs no try: the organisers see why"
    assert look(host).error == "worker w was not heard of any more"
    with host.database.read() as session:
        said = session.scalars(select(Event.action).where(Event.subject == f"submission:{sent.id}").order_by(Event.id))
        assert [action.removeprefix("submission.") for action in said] == [
            "accepted",
            *["running", "queued"] * 2,
            "running",
            "failed",
        ]


def test_what_a_scorer_broke_on_is_tried_again(host):
    sent = host.submit(host.add_team("owls"))
    assert finish(host, claim(host), Outcome(kind="broken", reason="SIGSEGV"))
    assert host.look(sent.id).state == State.QUEUED
    assert (look(host).error, look(host).attempts) == ("SIGSEGV", 1)
    assert finish(host, claim(host, NOON + 10 * SECOND))
    assert host.look(sent.id).state == State.SCORED


def test_what_a_worker_gives_back_because_it_stops_is_no_attempt(host):
    host.submit(host.add_team("owls"))
    for _ in range(5):
        with host.database.write() as session:
            assert jobs.give_back(session, jobs.claim(session, "w", NOON), "stop", NOON, counted=False)
    assert (look(host).attempts, look(host).due_at) == (0, NOON)


def test_two_reapers_give_a_job_back_once(host):
    host.submit(host.add_team("owls"))
    claim(host)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: reap(host, NOON + 60 * SECOND), range(4))) == 1
    assert look(host).attempts == 1
