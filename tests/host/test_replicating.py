"""Deliveries that are run again: once at a time, decided once, and by real containers where this machine can."""

import json
import os
import shutil
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.errors import BadOption, NotFound, Refused
from overtrace.host.blobs import digest_file, open_blobs
from overtrace.host.contest_file import read_contest
from overtrace.host.database import now
from overtrace.host.deliveries import take
from overtrace.host.dossiers import declare_complete
from overtrace.host.jobs import Patience
from overtrace.host.replicating import (
    WAITS,
    beat,
    claim,
    finish,
    foresee_refusal,
    give_back,
    read_refusal,
    record_verdict,
    run_again,
    state_refusal,
)
from overtrace.host.replication import Reason, Report, Verdict
from overtrace.host.replicator import Replicator
from overtrace.host.schema import open_store
from overtrace.host.site import Site
from overtrace.host.tables import Score, Submission
from overtrace.host.tables_after import Delivery
from overtrace.host.winners import ask_winners, drop_by_hand, sweep
from tests.support.containers import HONEST, MODEL, answer_here, make_contest, make_image, write_weights
from tests.support.people import add_person, add_team, read_log
from tests.support.races import race
from tests.support.submissions import add_score
from tests.support.web import wait_for
from tests.support.winners import END, OLGA, SITE, add_places, ask, count_letters, look, read_states

IMAGE, WEIGHTS = "1" * 64, "2" * 64
PATIENCE = Patience(lease_s=60, back_off_s=10, attempts=2)
SECOND = timedelta(seconds=1)


def report(verdict=Verdict.VERIFIED, reason=Reason.NONE, said="found 0.900000, claimed 0.900000", archive=IMAGE):
    digests = {"archive": archive, "weights": WEIGHTS}
    return Report(
        verdict=verdict, reason=reason, said=said, tolerance=0.005, digests=digests, begun_at=END, ended_at=END
    )


@pytest.fixture
def ada(database):
    """Who leads, and has delivered; Bob has not, and Cy follows."""
    people = add_places(database, (0.9, 0.8, 0.7))
    ask(database)
    with database.write() as session:
        one = session.scalars(select(Delivery).where(Delivery.place == 1)).one()
        one.image, one.weights, one.weights_name = IMAGE, WEIGHTS, "model.safetensors"
        take(session, SITE, one, END, OLGA)
    return people[0]


def take_one(database, at=END, worker="near"):
    with database.write() as session:
        return claim(session, SITE.contest, worker, at, PATIENCE)


def end(database, task, found, at=END):
    with database.write() as session:
        return finish(session, SITE, task, found, "3" * 64, at, PATIENCE)


def read(database):
    with database.read() as session:
        return session.scalars(select(Delivery).where(Delivery.place == 1)).one()


def test_a_delivery_is_run_once_at_a_time_and_decided_once(database, ada):
    task = take_one(database)
    assert (task.phase, task.board, task.image, task.weights) == ("final", "all", IMAGE, WEIGHTS)
    assert task.claimed.score == 0.9
    assert take_one(database) is None
    assert read_states(database)[0] == "Ada: verifying"
    assert end(database, task, report())
    assert not end(database, task, report(Verdict.FAILED, Reason.SCORE))
    one = read(database)
    assert (one.state, one.reason, one.log) == ("verified", "found 0.900000, claimed 0.900000", "3" * 64)
    assert count_letters(database, ada, "was run again") == 1
    assert take_one(database, END + 999 * SECOND) is None


def test_of_workers_and_organisers_at_once_one_has_it(database, ada):
    tasks = [task for task in race(*[partial(take_one, database)] * 4) if task is not None]
    assert len(tasks) == 1

    def record():
        with database.write() as session:
            record_verdict(session, SITE, tasks[0].delivery, report(Verdict.WITHIN).model_dump_json(), END, OLGA)
        return True

    found = race(*[partial(end, database, tasks[0], report())] * 3, record)
    # Whoever comes later is told so, or finds what was decided by another machine taking its place.
    assert [one for one in found[:3] if one is True] in ([], [True])
    assert [event.action for event in read_log(database)].count("delivery.verifying") == 1
    assert read(database).state in ("verified", "within tolerance")
    assert count_letters(database, ada, "was run again") == sum(one is True for one in found)


@pytest.mark.parametrize(
    ("verdict", "reason", "state", "why"),
    [
        (Verdict.WITHIN, Reason.NONE, "within tolerance", "what was found"),
        (Verdict.FAILED, Reason.SCORE, "failed", "what was found"),
        # What a container wrote, or what lies where here, is for organisers.
        (Verdict.FAILED, Reason.BAD_IMAGE, "failed", "an image that cannot be loaded"),
        (Verdict.NOT_DELIVERED, Reason.NO_WEIGHTS, "not delivered", "no weights"),
    ],
)
def test_a_verdict_moves_the_delivery_and_the_next_in_line(database, ada, verdict, reason, state, why):
    assert end(database, take_one(database), report(verdict, reason, "what was found"))
    states = look(database, END)
    assert states[0] == f"Ada: {state}"
    assert read(database).reason == why
    assert ("Cy: asked" in states) == (state in ("failed", "not delivered"))
    assert any(event.action == f"delivery.{state}" for event in read_log(database))


def test_a_worker_that_is_lost_loses_the_delivery_and_another_one_runs_it(database, ada):
    lost = take_one(database)
    with database.write() as session:
        assert beat(session, lost, END + 30 * SECOND, PATIENCE)
    assert take_one(database, END + 89 * SECOND) is None
    # Its lease has run out: it waits a while, and is claimed by another one.
    assert take_one(database, END + 90 * SECOND) is None
    other = take_one(database, END + 100 * SECOND, "far")
    assert other.lease != lost.lease
    with database.write() as session:
        assert not beat(session, lost, END + 101 * SECOND, PATIENCE)
    assert not end(database, lost, report())
    assert end(database, other, report())


def test_what_breaks_here_is_tried_again_and_is_no_fault_of_the_team(database, ada):
    broken = report(Verdict.FAILED, Reason.BROKEN, "podman was gone")
    assert end(database, take_one(database), broken)
    assert (read(database).state, read(database).reason) == ("delivered", WAITS)
    assert take_one(database, END + 9 * SECOND) is None
    task = take_one(database, END + 10 * SECOND)
    with database.write() as session:
        # Who is only told to stop has not tried.
        assert give_back(session, task, "told to stop", END + 10 * SECOND, PATIENCE, counted=False)
    assert end(database, take_one(database, END + 20 * SECOND), broken)
    assert take_one(database, END + 9999 * SECOND) is None
    one = read(database)
    assert (one.state, one.error, one.attempts) == ("delivered", "podman was gone", 2)
    assert "no fault of the team" in one.reason
    with database.write() as session:
        run_again(session, one.id, END + 9999 * SECOND, OLGA)
    assert end(database, take_one(database, END + 9999 * SECOND), report())


def test_the_verdict_of_another_machine_is_recorded_by_its_report(database, ada):
    one = read(database).id

    def record(text):
        with database.write() as session:
            record_verdict(session, SITE, one, text, END, OLGA)

    for wrong, said in (
        ("{}", "no report"),
        ("\0", "no report"),
        (report(archive="9" * 64).model_dump_json(), "the report is of archive 9999"),
        (report(Verdict.FAILED, Reason.BROKEN).model_dump_json(), "broke off"),
    ):
        with pytest.raises(BadOption, match=said):
            record(wrong)
    task = take_one(database)
    record(report(Verdict.WITHIN).model_dump_json())
    assert (read(database).state, read(database).verdict["said"]) == ("within tolerance", report().said)
    # Who runs it here meanwhile comes too late.
    assert not end(database, task, report(Verdict.FAILED, Reason.SCORE))
    with database.write() as session:
        drop_by_hand(session, SITE, one, "two accounts", END, OLGA)
    with pytest.raises(Refused, match="is failed"):
        record(report().model_dump_json())
    with pytest.raises(NotFound), database.write() as session:
        run_again(session, "none", END, OLGA)


def test_organisers_read_why_containers_are_not_run_here(database):
    images = SITE.contest.phases[0].model_copy(update={"images": "images"})
    contest = SITE.contest.model_copy(update={"phases": (images,)})
    assert "names no images" in foresee_refusal(SITE.contest, 1)
    assert "without workers" in foresee_refusal(contest, 0)
    with database.write() as session:
        assert read_refusal(session) == foresee_refusal(contest, 1) == "no worker for containers has started"
        state_refusal(session, "this machine cannot run foreign images: apt-get install podman runc")
        assert "apt-get install" in read_refusal(session)
        state_refusal(session, "")
        assert read_refusal(session) == ""


@pytest.mark.skipif(
    shutil.which("podman") is None or shutil.which("runc") is None or os.getuid() != 0,
    reason="podman and runc are not installed, or this is not root: no container can be run with all its limits",
)
def test_real_containers_one_honest_and_one_that_boasts(tmp_path, base):
    contest = make_contest(tmp_path / "contest", images=2)
    text = contest.read_text().replace("{tolerance", "{winners: 2, tolerance")
    contest.write_text(text.replace("replication:", "description: {required: false}\nreplication:"))
    file = read_contest(contest)
    site, database, blobs = (
        Site(file.contest, "http://x"),
        open_store(f"sqlite:///{tmp_path}/host.db"),
        open_blobs(str(tmp_path / "blobs")),
    )
    weights = write_weights(tmp_path / "model.safetensors", MODEL)
    verdict = score_files(
        "itc", Question(contest.parent / "truth", answer_here(contest, HONEST, weights, tmp_path / "here"))
    )
    image = make_image(tmp_path / "team.tar", base, HONEST)
    at = now()
    for name, boast in (("Ada", 0.0), ("Bob", 0.05), ("Cy", -0.3)):
        person = add_person(database, name)
        team = add_team(database, f"Team {name}", person, site=site)
        sent = add_score(database, team, person, verdict.score + boast)
        with database.write() as session:
            declare_complete(session, person.id, at)
            session.get_one(Submission, sent).phase = "test"
            score = session.get_one(Score, (sent, "all"))
            score.board, score.verdict = "ap50", json.loads(json.dumps(verdict.as_json()))
    with database.write() as session:
        ask_winners(session, site, at, OLGA)
    for path in (image, weights):
        blobs.put(path, digest_file(path))
    with database.write() as session:
        for one in session.scalars(select(Delivery)):
            one.image, one.weights, one.weights_name = digest_file(image), digest_file(weights), "model.safetensors"
            take(session, site, one, at, "host")
    stop = threading.Event()
    replicator = Replicator("near", database, blobs, file, site, stop, idle_s=0.1)
    thread = threading.Thread(target=replicator.run)
    thread.start()
    try:
        wait_for(lambda: not {"delivered", "verifying"} & {one.split(": ")[1] for one in read_states(database)}, 300)
    finally:
        stop.set()
        thread.join()
    with database.write() as session:
        sweep(session, site, now())
    assert read_states(database) == ["Ada: verified", "Bob: failed", "Cy: asked"]
    with database.read() as session:
        judged = [one for one in session.scalars(select(Delivery)) if one.verdict]
        assert [one.verdict["digests"]["weights"] for one in judged] == [digest_file(weights)] * 2
        logs = {one.log for one in judged}
    assert all(b"answered 4 images" in b"".join(blobs.read(log)) for log in logs)
    assert not list(Path("/tmp").glob("overtrace-delivery-*"))
    database.engine.dispose()
