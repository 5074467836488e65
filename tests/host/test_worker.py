import os
import shutil
import signal
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import select

from overtrace.host.blobs import open_blobs
from overtrace.host.bubblewrap import can_box
from overtrace.host.jobs import Patience
from overtrace.host.tables import Job, State
from overtrace.host.worker import LocalQueue, Worker, WrongTruth, name_safely
from tests.support.hosted import Host, make_contest, make_host
from tests.support.load import PATIENCE, work


@pytest.fixture
def host(database, tmp_path) -> Host:
    return make_host(database, tmp_path, {"per_day": None, "at_once": 100})


def make_worker(host: Host, blobs=None, patience: Patience = PATIENCE, **changes) -> Worker:
    queue = LocalQueue(host.database, blobs or host.uploads.blobs, host.contest, patience)
    facts = {"contest": host.contest, "folder": host.folder, "stop": threading.Event(), "idle_s": 0.05, "again_s": 0.05}
    return Worker("w", queue, **{**facts, **changes})


def run_until(worker: Worker, is_done) -> None:
    """Let a worker work, and stop it when something is so."""

    def watch() -> None:
        deadline = time.monotonic() + 60
        while not is_done() and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.stop.set()

    thread = threading.Thread(target=watch)
    thread.start()
    worker.run()
    thread.join()


def is_final(host: Host, submission: str):
    return lambda: host.look(submission).ended_at is not None


def test_an_answer_is_scored(host):
    # One of two trees is found, and one is invented: 2 x 1 / (2 + 2).
    sent = host.submit(host.add_team("owls"), b"x,y\n0,5\n0,50\n")
    run_until(make_worker(host), is_final(host, sent.id))
    found = host.look(sent.id)
    (score,) = found.scores
    assert (found.state, found.charged, score.value, score.columns) == (State.SCORED, True, 0.5, {"precision": 0.5})
    assert score.verdict["score"] == 0.5
    assert len(score.truth) == 64


def test_an_answer_with_faults_is_rejected_and_says_where(host):
    sent = host.submit(host.add_team("owls"), b"x,y\n0,five\n")
    run_until(make_worker(host), is_final(host, sent.id))
    found = host.look(sent.id)
    assert (found.state, found.charged, found.scores) == (State.REJECTED, False, [])
    assert found.faults == [{"file": "a.csv", "where": "line 2", "found": "found '0,five'", "wanted": "wanted numbers"}]


def test_a_worker_with_another_truth_scores_nothing_and_says_so(host, tmp_path):
    sent = host.submit(host.add_team("owls"))
    contest = make_contest(tmp_path / "other")
    (tmp_path / "other" / "truth" / "a.csv").write_text("x,y\n7,7\n")
    with pytest.raises(WrongTruth, match="worker w has another truth or rule for phase test than the host: give it"):
        make_worker(host, contest=contest, folder=tmp_path / "other").run()
    assert host.look(sent.id).state == State.QUEUED
    with host.database.read() as session:
        assert session.scalars(select(Job.attempts)).one() == 0


def test_a_worker_with_another_rule_scores_nothing(host):
    host.submit(host.add_team("owls"))
    contest = host.contest.model_copy(update={"pixel_size": 2.0})
    with pytest.raises(WrongTruth):
        make_worker(host, contest=contest).run()


def test_a_blob_that_is_lost_fails_by_name_and_costs_nothing(host):
    sent = host.submit(host.add_team("owls"))
    shutil.rmtree(host.folder.parent / "blobs")
    (host.folder.parent / "blobs").mkdir()
    run_until(make_worker(host), is_final(host, sent.id))
    found = host.look(sent.id)
    assert (found.state, found.charged) == (State.FAILED, False)
    with host.database.read() as session:
        assert "has no blob" in session.scalars(select(Job.error)).one()


def test_a_store_that_is_away_costs_no_attempt(host, tmp_path):
    sent = host.submit(host.add_team("owls"))
    away = tmp_path / "away"
    (host.folder.parent / "blobs").rename(away)
    blobs = open_blobs(str(host.folder.parent / "blobs"))
    (host.folder.parent / "blobs").rmdir()
    (host.folder.parent / "blobs").write_text("")

    def is_done() -> bool:
        if not (host.folder.parent / "blobs").is_dir() and time.monotonic() > back_at:
            (host.folder.parent / "blobs").unlink()
            away.rename(host.folder.parent / "blobs")
        return host.look(sent.id).ended_at is not None

    back_at = time.monotonic() + 3
    run_until(make_worker(host, blobs), is_done)
    assert host.look(sent.id).state == State.SCORED
    with host.database.read() as session:
        assert session.scalars(select(Job.attempts)).one() == 1


SLOW = b"x,y\n" + b"".join(b"%d,%d\n" % (i % 1999, i % 2003) for i in range(400_000))
"""Takes seconds to read."""


def test_a_job_that_takes_longer_than_its_lease_keeps_it(host):
    sent = host.submit(host.add_team("owls"), SLOW)
    run_until(make_worker(host, patience=Patience(lease_s=0.5, attempts=1)), is_final(host, sent.id))
    found = host.look(sent.id)
    assert found.state == State.SCORED
    assert (found.ended_at - found.started_at).total_seconds() > 0.5


def test_a_worker_that_is_told_to_stop_gives_its_job_back_at_once(host):
    sent = host.submit(host.add_team("owls"), SLOW)
    run_until(make_worker(host), lambda: host.look(sent.id).state == State.RUNNING)
    assert host.look(sent.id).state == State.QUEUED
    with host.database.read() as session:
        job = session.scalars(select(Job)).one()
        assert (job.attempts, job.lease, job.error) == (0, "", "worker w was told to stop")


def test_sigterm_ends_a_worker_that_waits(address, host, tmp_path):
    sent = host.submit(host.add_team("owls"))
    process = get_context("forkserver").Process(target=work, args=(address, tmp_path, {}, "w"))
    process.start()
    while host.look(sent.id).ended_at is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == 0


def test_the_next_worker_takes_away_what_a_killed_one_has_left(address, host, tmp_path):
    sent = host.submit(host.add_team("owls"))
    process = get_context("forkserver").Process(target=work, args=(address, tmp_path, {}, "w"))
    process.start()
    while host.look(sent.id).ended_at is None:
        time.sleep(0.05)

    def find_left() -> list[Path]:
        return list(Path(tempfile.gettempdir()).glob(f"overtrace-*-{process.pid}-*"))

    assert len(find_left()) == 1 + can_box()
    process.kill()
    process.join()
    assert find_left()
    run_until(make_worker(host), lambda: not find_left())
    assert not find_left()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.json", "a.json"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden", "hidden"),
        ("-rf.zip", "rf.zip"),
        ("Ä b\x00.json.gz", "__b_.json.gz"),
        ("...", "answer"),
        ("x" * 300 + ".zip", "x" * 96 + ".zip"),
    ],
)
def test_the_name_of_an_answer_stays_in_its_folder(name, safe):
    assert name_safely(name) == safe
