"""A phase scored once more: set aside, compared, applied and rolled back; boards never mix two scorings."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

import overtrace
from overtrace.errors import Refused
from overtrace.host import rescoring
from overtrace.host.audit import audit_database
from overtrace.host.database import open_database
from overtrace.host.differences import compare
from overtrace.host.jobs import Patience
from overtrace.host.local_worker import Orders
from overtrace.host.marking import name_scorer
from overtrace.host.outcome import Mark, Outcome, break_off, reject
from overtrace.host.receipts import verify
from overtrace.host.schema import migrate, open_store
from overtrace.host.scorings import find_current
from overtrace.host.standings import find_board, read_standing
from overtrace.host.tables import Event, Score, State
from overtrace.host.truths import digest_truths, state_truths
from overtrace.host.worker import LocalQueue, WrongTruth
from tests.host.test_worker import make_worker, run_until
from tests.support.hosted import NOON, Host, make_host
from tests.support.races import race
from tests.support.web import GOOD, POOR, post, serve_contest, wait_for

PATIENCE = Patience()
ONE, OTHER = ("test 1", "a" * 64), ("test 2", "b" * 64)


@pytest.fixture
def host(database, tmp_path) -> Host:
    made = make_host(database, tmp_path, {"per_day": None, "at_once": 1000})
    state(made, ONE)
    return made


def state(host: Host, origin: tuple[str, str]) -> None:
    with host.database.write() as session:
        state_truths(session, {"test": origin[1]}, origin[0])


def finish(host: Host, value: Any, origin: tuple[str, str], patience: Patience = PATIENCE) -> str:
    """Score what is next, as a worker would; its submission, or nothing.

    Args:
        value: of all, or by submission; a number or an outcome, and None for one that goes by the answer.
    """
    queue = LocalQueue(host.database, host.uploads.blobs, host.contest, patience)
    claimed = queue.claim("test")
    if claimed is None:
        return ""
    value = outcome = value.get(claimed.submission, 0.2) if isinstance(value, dict) else value
    if not isinstance(value, Outcome):
        value = int(claimed.sha256[:6], 16) / 2**24 if value is None else value
        mark = Mark(board="all", value=value, columns={"precision": value}, verdict={})
        outcome = Outcome(kind="scored", marks=(mark,), scorer=origin[0], truth=origin[1])
    assert queue.finish(claimed, outcome.model_copy(update={"scorer": origin[0], "truth": origin[1]}))
    return claimed.submission


def submit(host: Host, team: str, value: float | Outcome, origin=ONE) -> str:
    sent = host.submit(host.add_team(team)).id
    assert finish(host, value, origin) == sent
    return sent


def show(host: Host) -> dict:
    with host.database.read() as session:
        return read_standing(session, host.contest, *find_board(host.contest, "test", "all"), NOON).as_json()


def places(host: Host) -> list[tuple[str, float]]:
    return [(row["team"], row["score"]) for row in show(host)["rows"]]


def ask(host: Host) -> str:
    with host.database.write() as session:
        return rescoring.ask(session, "test", NOON, "person:x").id


def switch(host: Host, scoring: str) -> None:
    with host.database.write() as session:
        rescoring.switch(session, scoring, NOON, "person:x")


def find_shown(host: Host) -> str:
    with host.database.read() as session:
        current = find_current(session, "test")
    assert current is not None
    return current.id


def test_answers_after_a_change_are_set_aside_until_all_are_scored_anew(host):
    owls, larks = submit(host, "owls", 0.5), submit(host, "larks", 0.4)
    before, first = show(host), find_shown(host)
    state(host, OTHER)
    wrens = submit(host, "wrens", 0.9, OTHER)
    assert show(host) == before
    assert (host.look(wrens).state, host.look(wrens).scores) == (State.SCORED, [])
    scoring = ask(host)
    with pytest.raises(Refused, match="2 jobs to do"):
        switch(host, scoring)
    anew = {owls: 0.3, larks: 0.6}
    assert {finish(host, anew, OTHER), finish(host, anew, OTHER)} == {owls, larks}
    assert show(host) == before
    switch(host, scoring)
    assert (show(host)["scoring"], places(host)) == (2, [("wrens", 0.9), ("larks", 0.6), ("owls", 0.3)])
    with pytest.raises(Refused, match="already"):
        switch(host, scoring)
    switch(host, first)
    # The very rows come back; what was never scored by the old truth has no place by it.
    assert show(host) == before
    switch(host, scoring)
    assert places(host)[0] == ("wrens", 0.9)
    with host.database.read() as session:
        actions = session.scalars(
            select(Event.action).where(Event.subject.startswith("scoring:")).order_by(Event.id)
        ).all()
    assert actions == ["scoring.asked", "scoring.applied", "scoring.rolled back", "scoring.rolled back"]
    assert audit_database(host.database).faults == []


def test_what_would_change_is_told_before(host):
    owls, larks = submit(host, "owls", 0.5), submit(host, "larks", reject("a fault", "none"))
    submit(host, "wrens", 0.2)
    state(host, OTHER)
    scoring = ask(host)
    for _ in range(3):
        finish(host, {owls: reject("too large", "less"), larks: 0.7}, OTHER)
    with host.database.read() as session:
        found = compare(session, host.contest, rescoring.find_scoring(session, scoring))
    (board,) = found.boards
    assert [(one.team, one.old_rank, one.new_rank, one.old_score, one.new_score) for one in board.teams] == [
        ("larks", None, 1, None, 0.7),
        ("wrens", 2, 2, 0.2, 0.2),
        ("owls", 1, None, 0.5, None),
    ]
    assert [one.differs for one in board.teams] == [True, False, True]
    assert {(one.team, one.old, one.new) for one in found.submissions} == {
        ("owls", "scored", "rejected"),
        ("larks", "rejected", "scored"),
    }
    before = {one: (host.look(one).state, host.look(one).charged, host.look(one).reason) for one in (owls, larks)}
    first = find_shown(host)
    switch(host, scoring)
    assert (host.look(owls).state, host.look(owls).charged, host.look(owls).faults[0]["found"]) == (
        State.REJECTED,
        False,
        "too large",
    )
    assert (host.look(larks).state, host.look(larks).charged) == (State.SCORED, False)
    switch(host, first)
    assert {one: (host.look(one).state, host.look(one).charged, host.look(one).reason) for one in before} == before
    assert host.look(larks).faults[0]["found"] == "a fault"


def test_rescoring_without_a_change_changes_nothing(host):
    submit(host, "owls", 0.5)
    scoring = ask(host)
    finish(host, 0.5, ONE)
    with host.database.read() as session:
        assert not compare(session, host.contest, rescoring.find_scoring(session, scoring)).differs
    before = places(host)
    switch(host, scoring)
    assert places(host) == before


def test_fresh_answers_come_before_those_that_are_scored_once_more(host):
    submit(host, "owls", 0.5)
    ask(host)
    fresh = host.submit(host.add_team("larks")).id
    assert finish(host, 0.4, ONE) == fresh


def test_what_could_not_be_scored_once_more_is_told_and_asked_again(host):
    owls = submit(host, "owls", 0.5)
    state(host, OTHER)
    scoring = ask(host)
    finish(host, break_off("the disk was full"), OTHER, Patience(attempts=1))
    with host.database.read() as session:
        progress = rescoring.look(session, rescoring.find_scoring(session, scoring))
    assert (progress.waiting, progress.errors, host.look(owls).state) == (
        0,
        [(owls, "the disk was full")],
        State.SCORED,
    )
    with pytest.raises(Refused):
        switch(host, scoring)
    assert ask(host) == scoring
    finish(host, 0.1, OTHER)
    switch(host, scoring)
    assert places(host) == [("owls", 0.1)]


def test_a_truth_that_changes_again_meanwhile_makes_no_mixture(host):
    submit(host, "owls", 0.5)
    state(host, OTHER)
    scoring = ask(host)
    finish(host, 0.1, ("test 3", "c" * 64))
    with host.database.read() as session:
        progress = rescoring.look(session, rescoring.find_scoring(session, scoring))
    assert (progress.shelved, len(progress.errors)) == (0, 1)


def test_nothing_is_rescored_that_has_no_score(host):
    with pytest.raises(Refused, match="nothing to rescore"):
        ask(host)


def test_boards_never_mix_two_scorings_whoever_writes_at_one_time(host):
    """Workers finish by the old truth and the new one, while boards are switched to and fro."""
    for i in range(4):
        submit(host, f"team{i}", 0.1 * i)
    first = find_shown(host)
    state(host, OTHER)
    scoring = ask(host)
    while finish(host, None, OTHER):
        pass
    teams = [host.add_team(f"late{i}") for i in range(6)]
    for team in teams:
        host.submit(team)

    def flip() -> None:
        for wanted in (scoring, first, scoring):
            switch(host, wanted)

    def look() -> None:
        for _ in range(20):
            rows = show(host)["rows"]
            assert len({(row["scorer"], row["truth"]) for row in rows}) == 1, rows

    results = race(flip, look, *(partial(finish, host, None, origin) for origin in [ONE, OTHER] * 3))
    assert not [one for one in results if isinstance(one, Exception)]
    with host.database.read() as session:
        origins = {tuple(row) for row in session.execute(select(Score.scorer, Score.truth))}
        number = len(session.scalars(select(Score.submission_id)).all())
    assert origins == {OTHER}
    assert 4 <= number <= 10
    assert audit_database(host.database).faults == []


def test_a_worker_with_another_scorer_scores_nothing_and_says_so(host, tmp_path):
    digests = digest_truths(host.contest, host.folder)
    with host.database.write() as session:
        state_truths(session, digests, "overtrace 9 (0123456789abcdef)")
    sent = host.submit(host.add_team("owls")).id
    with pytest.raises(WrongTruth, match="the host wants overtrace 9"):
        run_until(make_worker(host), lambda: False)
    assert host.look(sent).state == State.QUEUED


def test_scores_from_before_are_named_by_a_step(address):
    engine = open_database(address)
    migrate(engine, "0002")
    statements = [
        "INSERT INTO people VALUES ('p', 'p@example.org', 'P', '', '', NULL, false, 1, 1, NULL)",
        "INSERT INTO teams VALUES ('t', 'T', 't', '', 'p', '', '', '', NULL, 1, NULL)",
        "INSERT INTO uploads VALUES ('u', 't', 'p', 'test', 'a', 1, 's', 1, 1, 1)",
        "INSERT INTO submissions VALUES ('s', 1, 'u', 't', 'p', 'test', 'a', '', 1, 's', 1, 1, 'scored', true, '',"
        " '[]', 1, 1, NULL, NULL)",
        "INSERT INTO scores VALUES ('s', 'all', 0.5, '{}', '{}', 'overtrace 1', 'abc', 7)",
        "INSERT INTO jobs VALUES ('j', 's', 'done', 1, 1, 1, 'w', '', NULL, 1, '')",
    ]
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
    database = open_store(address)
    with database.read() as session:
        found = find_current(session, "test")
        assert found is not None
        assert (found.number, found.scorer, found.truth) == (1, "overtrace 1", "abc")
    database.engine.dispose()


def test_a_scorer_that_is_mended_changes_boards_only_when_it_is_applied(tmp_path):
    """The real thing: code is changed, a worker of the new code says so, an organiser looks, applies and goes back."""
    with serve_contest(tmp_path) as served:
        ada, bob, olga = (served.add_person(name) for name in ("Ada", "Bob", "Olga"))
        served.add_team("Engines", ada)
        served.add_team("Looms", bob)
        sent = [served.submit(ada, GOOD), served.submit(bob, POOR)]
        with working(served, tmp_path, Path(overtrace.__file__).parent):
            wait_for(lambda: all(served.look(one).state == "scored" for one in sent), most_s=60)
        receipt = served.program(ada, "read").get(f"/api/v1/submissions/{sent[0]}/receipt").text
        before = served.client().get("/api/v1/boards/test/all").json()
        # Points match over 7 km, and no longer over 6 m alone.
        mended = copy_package(tmp_path, "REACH_M = 6.0", "REACH_M = 7000.0")
        browser = served.enter(olga)
        with working(served, tmp_path, mended) as worker:
            wait_for(lambda: "has changed since its boards" in browser.get("/organise").text, most_s=60)
            page = post(browser, "/organise/scorings", "/organise/scorings/test/rescore").headers["location"]
            wait_for(lambda: "Apply this scoring" in browser.get(page).text, most_s=60)
        assert "phase test: truth, rule or scorer has changed since its boards were scored" in worker.said
        found = browser.get(f"{page}.json").json()["boards"][0]["teams"]
        # A point 900 m off is a match now; the others were.
        assert {one["team"]: one["old_score"] < one["new_score"] for one in found} == {"Engines": False, "Looms": True}
        assert served.client().get("/api/v1/boards/test/all").json() == before
        assert served.enter(ada).get(page).status_code == 403
        assert post(browser, page, f"{page}/apply").status_code == 303
        after = served.client().get("/api/v1/boards/test/all").json()
        assert after["scoring"] == 2
        assert {row["team"]: row["score"] for row in after["rows"]} == {one["team"]: one["new_score"] for one in found}
        assert "this board shows scoring 2" in served.client().get("/board/test/all").text
        key = served.client().get("/api/v1/key").json()["ed25519"]
        old, new = (
            verify(text, key)
            for text in (receipt, served.program(ada, "read").get(f"/api/v1/submissions/{sent[0]}/receipt").text)
        )
        assert (old["scoring"], new["scoring"], old["scorer"]) == (1, 2, name_scorer())
        assert new["scorer"] != old["scorer"]
        assert {name: old[name] for name in ("sha256", "log", "log_sha256")} == {
            name: new[name] for name in ("sha256", "log", "log_sha256")
        }
        first = next(one for one in json.loads(json.dumps(list_ids(served))) if one != page.rpartition("/")[2])
        assert "Roll back to this scoring" in browser.get(f"/organise/scorings/{first}").text
        post(browser, f"/organise/scorings/{first}", f"/organise/scorings/{first}/apply")
        assert served.client().get("/api/v1/boards/test/all").json() == before


def list_ids(served) -> list[str]:
    with served.settings.database.read() as session:
        return [one.scoring.id for one in rescoring.describe(session, "test").progress]


def copy_package(folder: Path, old: str, new: str) -> Path:
    """This package with one thing changed."""
    package = folder / "mended" / "overtrace"
    shutil.copytree(Path(overtrace.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    (file,) = [path for path in package.rglob("*.py") if f"\n{old}" in path.read_text()]
    file.write_text(file.read_text().replace(f"\n{old}", f"\n{new}"))
    return package


class working:
    """While a worker works, as a host starts one."""

    said = ""

    def __init__(self, served, folder: Path, package: Path) -> None:
        facts = {"db": f"sqlite:///{folder / 'host.db'}", "store": str(folder / "blobs"), "spool": folder / "spool"}
        orders = Orders(contest=served.file.path, **facts).model_dump_json().encode() + b"\n"
        environment = {**os.environ, "PYTHONPATH": str(package.parent)}
        command = [sys.executable, "-P", "-m", "overtrace.host.local_worker"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdin is not None
        self.process.stdin.write(orders)
        self.process.stdin.close()

    def __enter__(self) -> "working":
        return self

    def __exit__(self, *error) -> None:
        self.process.terminate()
        assert self.process.stdout is not None
        with self.process.stdout:
            self.said = self.process.stdout.read().decode()
        self.process.wait(20)
