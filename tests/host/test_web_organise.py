"""What organisers do: hide and show again, score once more, look at the log and at letters; and workers elsewhere."""

import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from overtrace.errors import NotAllowed, Unavailable
from overtrace.host.jobs import Patience
from overtrace.host.outcome import break_off
from overtrace.host.remote import RemoteQueue
from overtrace.host.tables import Job, Mail
from overtrace.host.tokens import make_token
from overtrace.host.worker import LocalQueue, Worker
from tests.support.web import CANARY, GOOD, PERFECT, post, send, serve_contest, wait_for


@pytest.fixture
def host(tmp_path):
    with serve_contest(tmp_path) as served:
        yield served


@pytest.fixture
def ada(host):
    person = host.add_person("Ada")
    host.add_team("Engines", person)
    return person


@pytest.fixture
def olga(host):
    return host.add_person("Olga")


def ranks(host):
    return [row["team"] for row in host.client().get("/api/v1/boards/test/all").json()["rows"]]


def test_what_an_organiser_hides_leaves_the_board_until_it_is_shown_again(host, ada, olga):
    sent = host.submit(ada)
    host.give(sent, 0.5)
    browser = host.enter(olga)
    assert ranks(host) == ["Engines"]
    post(browser, "/organise/submissions", f"/organise/submissions/{sent}/hide")
    assert ranks(host) == []
    assert "hidden by an organiser" in host.enter(ada).get("/submissions").text
    post(browser, "/organise/submissions", f"/organise/submissions/{sent}/show")
    assert ranks(host) == ["Engines"]
    log = browser.get(f"/organise/log?action=submission.&subject=submission:{sent}").text
    assert [word in log for word in ("submission.hidden", "submission.shown", "submission.scored")] == [True] * 3
    assert "submission.hidden" not in browser.get("/organise/log?action=team").text


def test_what_the_host_could_not_score_is_put_back_and_costs_no_try(host, ada, olga):
    sent = host.submit(ada)
    queue = LocalQueue(host.settings.database, host.settings.blobs, host.settings.contest, Patience(attempts=1))
    claimed = queue.claim("near")
    assert claimed is not None
    queue.finish(claimed, break_off("the disk was full"))
    browser = host.enter(olga)
    assert host.look(sent).state == "failed"
    assert "the disk was full" in browser.get("/organise/submissions?state=failed").text
    assert post(browser, "/organise/submissions", f"/organise/submissions/{sent}/requeue").status_code == 303
    assert host.look(sent).state == "queued"
    host.give(sent, 0.5)
    assert (host.look(sent).state, host.look(sent).charged) == ("scored", False)
    assert post(browser, "/organise/submissions", f"/organise/submissions/{sent}/requeue").status_code == 409


def test_organisers_see_workers_and_letters_that_did_not_leave(host, ada, olga):
    host.give(host.submit(ada), 0.5)
    with host.settings.database.write() as session:
        session.execute(update(Job).values(worker="machine-7"))
        values = {
            "to": "nobody@example.org",
            "subject": "Hello",
            "body": "",
            "error": "550 no such user",
            "attempts": 3,
        }
        at = host.clock()
        session.add(Mail(id="m" * 26, created_at=at, next_at=at, failed_at=at, **values))
    page = host.enter(olga).get("/organise").text
    assert [word in page for word in ("machine-7", "nobody@example.org", "550 no such user")] == [True] * 3


def test_the_queue_shows_ages(host, ada):
    host.submit(ada)
    host.clock.shift = timedelta(seconds=90)
    row = host.client().get("/api/v1/queue").json()
    assert (row["oldest_s"], row["waiting"][0]["team"], row["waiting"][0]["state"]) == (90, "Engines", "queued")
    assert "1 min 30 s" in host.client().get("/queue").text
    assert host.client().get("/healthz").text == "ok 90\n"


def test_a_worker_elsewhere_scores_by_its_own_copy_of_the_truth(host, ada, olga):
    with host.settings.database.write() as session:
        _, secret = make_token(session, olga, "far", ("work",), None, host.clock())
    queue = RemoteQueue(host.address, secret)
    stop = threading.Event()
    worker = Worker("far", queue, host.file.contest, host.file.folder, stop, idle_s=0.05)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        sent = [host.submit(ada, answer) for answer in (PERFECT, GOOD)]
        wait_for(lambda: {host.look(one).state.value for one in sent} == {"scored"})
    finally:
        stop.set()
        thread.join()
        queue.close()
    values = {row["submission"]: row["score"] for row in host.client().get("/api/v1/boards/test/all").json()["rows"]}
    assert values == {sent[0]: 1.0}
    assert CANARY not in host.enter(olga).get("/organise/log").text


def test_a_worker_without_a_good_token_is_told_at_once(host, ada):
    with pytest.raises(NotAllowed, match="not known"):
        RemoteQueue(host.address, "overtrace_nonsense")
    with pytest.raises(Unavailable, match="does not answer"):
        RemoteQueue("http://127.0.0.1:9", "overtrace_nonsense")


def test_a_worker_that_lost_its_job_gets_no_bytes(host, ada, olga):
    host.submit(ada)
    program = host.program(olga, "work")
    claimed = program.post("/api/v1/work/claim", json={"worker": "far"}).json()
    assert program.post("/api/v1/work/blob", json=claimed).content == PERFECT
    assert program.post("/api/v1/work/beat", json=claimed).json() == {"held": True}
    stale = {**claimed, "lease": "another"}
    assert program.post("/api/v1/work/blob", json=stale).status_code == 404
    assert program.post("/api/v1/work/beat", json=stale).json() == {"held": False}
    outcome = {"claimed": stale, "outcome": {"kind": "rejected", "reason": "x"}}
    assert program.post("/api/v1/work/finish", json=outcome).json() == {"held": False}


def test_a_disqualified_team_leaves_all_boards_and_sends_nothing_in_until_that_is_taken_back(host, ada, olga):
    host.give(host.submit(ada), 0.5)
    browser = host.enter(olga)
    team = host.client().get("/api/v1/boards/test/all").json()["rows"][0]["team_id"]
    here = f"/organise/teams/{team}"
    assert post(browser, "/organise/teams", f"{here}/disqualify").status_code == 400
    assert post(browser, "/organise/teams", f"{here}/disqualify", why="Two accounts").status_code == 303
    board = host.client().get("/api/v1/boards/test/all").json()
    assert (board["rows"], board["removed"]) == ([], [{"team": "Engines", "reason": "disqualified: Two accounts"}])
    assert "disqualified: Two accounts" in host.client().get("/board/test/all").text
    assert "the team is disqualified: Two accounts" in host.client().get(f"/teams/{team}").text
    refused = send(host.program(ada, "submit"), GOOD)
    assert (refused.status_code, "is disqualified" in refused.text) == (409, True)
    assert post(browser, "/organise/teams", f"{here}/disqualify", why="Once more").status_code == 409
    assert post(browser, "/organise/teams", f"{here}/reinstate").status_code == 303
    assert ranks(host) == ["Engines"]
    assert send(host.program(ada, "submit"), GOOD).status_code == 200
    assert post(browser, "/organise/teams", f"{here}/reinstate").status_code == 409
    assert post(browser, "/organise/teams", "/organise/teams/none/reinstate").status_code == 404
    assert post(host.enter(ada), "/account", f"{here}/disqualify", why="x").status_code == 403
    log = browser.get(f"/organise/log?subject=team:{team}").text
    assert [word in log for word in ("team.disqualified", "team.reinstated", "why=Two accounts")] == [True] * 3


def test_what_was_taken_back_is_restored_from_a_page_of_organisers(host, olga):
    uma, vic = host.add_person("Uma"), host.add_person("Vic")
    host.add_team("Returners", uma, vic)
    assert post(host.enter(vic), "/team", "/team/leave", sure="yes").status_code == 303
    browser, page = host.enter(olga), "/organise/undo"
    text = browser.get(page).text
    assert "Vic, member" in text
    places = re.findall(r'action="(/organise/undo/member/\w+)"', text)
    assert post(browser, page, places[0]).status_code == 303
    assert "Vic" in host.enter(uma).get("/team").text
    again = post(browser, "/organise", places[0])
    assert (again.status_code, "Vic is in team Returners" in again.text) == (409, True)
    other = host.enter(uma)
    assert other.get(page).status_code == 403
    assert post(other, "/team", places[0]).status_code == 403
