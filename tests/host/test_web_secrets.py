"""What nobody may see: the truth, scores of boards that are not shown, numbers of single images, what others do."""

import re
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select

from overtrace.host import app, jobs
from overtrace.host.database import now
from overtrace.host.jobs import Patience
from overtrace.host.outcome import Outcome
from overtrace.host.tables import Fact
from overtrace.host.web import api, live, log, work
from tests.support.web import (
    CANARY,
    CANARY_IMAGE,
    END,
    GOOD,
    NOON,
    PERFECT,
    SECRET_IMAGE,
    make_board,
    make_phase,
    post,
    send,
    serve_contest,
    wait_for,
)

ROUTES = sorted(
    {
        (method, route.path)
        for module in (*app.PAGES, api, log, work)
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
)
VALUE = 0.7351
HIDDEN = f"{VALUE:.4f}"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    boards = [
        make_board("public"),
        make_board("private", ids="private.txt", shown="after", entry="chosen"),
        make_board("secret", shown="organisers"),
    ]
    downloads = [{"title": "Images", "file": "images.zip"}]
    phases = [
        make_phase("test", boards=boards, downloads=downloads, ids="ids.txt"),
        make_phase("trial", END, END + timedelta(days=9), test=False, downloads=downloads, ids="ids.txt"),
        make_phase("blind", boards=[make_board("all", shown="after")], ids="ids.txt"),
    ]
    with serve_contest(tmp_path_factory.mktemp("secrets"), *phases) as served:
        yield served


@pytest.fixture(scope="module")
def olga(host):
    return host.add_person("Olga")


@pytest.fixture
def noon(host):
    host.clock.fixed = NOON


def walk(host, client, names):
    """Every address of the host, each with what it names; the answers by method and path."""
    answers = {}
    for method, path in ROUTES:
        place = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "x"), path)
        if "logout" in path or "erase" in path:
            continue
        if method == "GET":
            answers[method, path] = client.get(place, params={"code": "x", "name": "a.csv", "offset": 0})
        elif path.startswith("/api/"):
            answers[method, path] = client.request(method, f"{place}?name=a.csv&offset=0", json={})
    return answers


def test_no_answer_of_a_test_phase_holds_a_byte_of_the_truth(host, olga, noon):
    eve = host.add_person("Eve")
    team = host.add_team("Listeners", eve)
    with host.working():
        program = host.program(eve, "read", "submit")
        made = send(program, GOOD).json()
        bad = send(program, b"x,y\n1,one\n").json()
        wait_for(lambda: host.look(bad["id"]).state == "rejected" and host.look(made["id"]).state == "scored")
    upload = program.post("/api/v1/uploads", json={"phase": "test", "name": "b", "size": 3, "sha256": "1" * 64}).json()
    names = {"phase": "test", "board": "public", "submission_id": made["id"], "upload_id": upload["id"], "number": "1"}
    names["team_id"] = team.id
    work_names = {**names, "submission_id": bad["id"]}
    browser = host.enter(eve)
    check = post(browser, "/submit", "/submit/check", files={"file": ("a.csv", GOOD)}, phase="test")
    answers = [check, program.post("/api/v1/check/test?name=a.csv", content=GOOD)]
    assert [answer.status_code for answer in answers] == [200, 200]
    worker = host.program(olga, "work", "read", "submit")
    for client, given in ((browser, names), (program, work_names), (host.client(), names), (worker, names)):
        answers += walk(host, client, given).values()
    answers += [client.get("/board/test/private") for client in (browser, program)]
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(answers) > 100
    assert len(good) > 50
    whole = host.file.folder / "truth"
    for answer in answers:
        assert CANARY.encode() not in answer.content, answer.url
        assert CANARY_IMAGE.encode() not in answer.content, answer.url
        assert SECRET_IMAGE.encode() not in answer.content, answer.url
        assert str(whole).encode() not in answer.content, answer.url


def test_the_search_for_truth_would_find_it(host, ada, olga, noon):
    # What a team sends in itself may well come back to it: the same search finds that.
    sent = send(host.program(ada, "submit"), PERFECT).json()["id"]
    file = host.enter(olga).get(f"/organise/submissions/{sent}/file")
    assert CANARY.encode() in file.content
    host.give(sent, VALUE)


def test_what_a_scorer_broke_on_is_told_to_organisers_alone(host, olga, noon):
    person = host.add_person("Kay")
    host.add_team("Breakers", person)
    sent = host.submit(person, b"x,y\n6,6\n")
    found = []
    with host.settings.database.write() as session:
        while not found or found[-1].submission != sent:
            found.append(jobs.claim(session, "far", now()))
        bang = Outcome(kind="broken", reason=f"{host.file.folder}/truth/a.csv: {CANARY}")
        assert jobs.finish(session, host.settings.contest, found[-1], bang, now(), Patience(attempts=1))
    browser, program, _, own = collect(host, person, sent)
    answers = [client.get(path) for client in (browser, program) for path in [*own, "/queue", "/account/export.json"]]
    assert len([answer for answer in answers if "could not score it in 1 attempts" in answer.text]) == 6
    assert not [answer.url for answer in answers if CANARY in answer.text or str(host.file.folder) in answer.text]
    assert CANARY in host.enter(olga).get("/organise/submissions?state=failed").text


def test_a_worker_elsewhere_is_told_nothing_of_the_truth_but_its_digest(host, ada, olga, noon):
    sent = host.submit(ada, b"x,y\n9,9\n")
    worker = host.program(olga, "work")
    work = "/api/v1/work"
    answers = []
    while not answers or answers[-1].json()["submission"] != sent:
        answers.append(worker.post(f"{work}/claim", json={"worker": "far"}))
    claimed = answers[-1].json()
    answers += [worker.post(f"{work}/blob", json=claimed), worker.post(f"{work}/beat", json=claimed)]
    answers.append(worker.post(f"{work}/give-back", json={"claimed": claimed, "why": "x", "counted": False}))
    answers.append(worker.get(f"{work}/patience"))
    assert {answer.status_code for answer in answers} == {200}
    for answer in answers:
        for secret in (CANARY, CANARY_IMAGE, SECRET_IMAGE, str(host.file.folder)):
            assert secret not in answer.text


def test_no_file_of_the_truth_has_an_address(host, ada, noon):
    browser = host.enter(ada)
    places = [
        "/truth/a.csv",
        "/data/test/../../truth/a.csv",
        "/data/test/%2e%2e%2ftruth%2fa.csv",
        "/static/../truth/a.csv",
    ]
    places += ["/static/..%2f..%2f..%2fcontest%2ftruth%2fa.csv", "/data/test/0", "/data/test/2", "/data/truth/a.csv"]
    assert [browser.get(place).status_code for place in places] == [404, 404, 404, 404, 404, 404, 404, 422]


def test_no_row_of_the_database_has_the_name_of_a_canary(host):
    assert (host.file.folder / "truth" / f"{CANARY_IMAGE}.csv").is_file()
    with host.settings.database.read() as session:
        (known,) = [fact.value for fact in session.scalars(select(Fact)) if fact.name == "canaries:test"]
        assert len(known["digests"]) == 1
        lines = session.connection().connection.iterdump()
        assert not [line for line in lines if CANARY_IMAGE in line]


def test_the_web_process_is_told_no_path_of_truth_or_lists(host):
    said = repr(host.settings)
    assert "truth" not in said.replace("truth='hidden'", "")
    assert "private.txt" not in said


def test_files_are_given_once_their_phase_has_begun(host, ada):
    host.clock.fixed = END - timedelta(milliseconds=1)
    browser = host.enter(ada)
    assert browser.get("/data/test/1").content == b"images"
    assert browser.get("/data/trial/1").status_code == 404
    host.clock.fixed = END
    assert browser.get("/data/trial/1").content == b"images"


def collect(host, person, sent):
    """What each kind of reader gets to see of a submission."""
    browser, program = host.enter(person), host.program(person, "read")
    paths = ["/board/{}/{}", "/board/{}/{}.json", "/board/{}/{}.csv", "/api/v1/boards/{}/{}"]
    own = [
        "/submissions",
        f"/submissions/{sent}/verdict.json",
        f"/api/v1/submissions/{sent}",
        "/api/v1/submissions",
        "/",
    ]
    return browser, program, paths, own


@pytest.mark.parametrize("board", ["private", "secret"])
def test_a_board_that_is_not_shown_shows_no_score_to_anyone(host, olga, board, noon):
    grace = host.add_person(f"Grace {board}")
    host.add_team(f"Compilers {board}", grace)
    sent = host.submit(grace, f"x,y\n{board == 'private'},7\n".encode(), "test")
    host.give(sent, VALUE)
    browser, program, paths, _ = collect(host, grace, sent)
    for client in (browser, program, host.client()):
        answers = [client.get(path.format("test", board)) for path in paths]
        assert [answer.status_code for answer in answers] == [200, 404, 404, 404]
        assert not [answer for answer in answers if HIDDEN in answer.text]
    shown = program.get(f"/api/v1/submissions/{sent}").json()
    assert list(shown["scores"]) == ["public"]
    assert shown["withheld"] == ["private", "secret"]
    organiser = host.enter(olga)
    assert HIDDEN in organiser.get(f"/board/test/{board}").text


def test_a_blind_phase_shows_no_score_before_its_end(host):
    host.clock.fixed = NOON
    alan = host.add_person("Alan")
    host.add_team("Machines", alan)
    sent = host.submit(alan, b"x,y\n8,8\n", "blind")
    host.give(sent, VALUE)
    browser, program, paths, own = collect(host, alan, sent)
    paths = [path.format("blind", "all") for path in paths]
    for client in (browser, program):
        assert not [
            path for path in paths + own if str(VALUE) in client.get(path).text or HIDDEN in client.get(path).text
        ]
    host.clock.fixed = END
    assert [HIDDEN in browser.get(path).text or str(VALUE) in browser.get(path).text for path in paths] == [True] * 4


def test_a_board_is_shown_to_all_once_an_organiser_releases_it(host, olga):
    host.clock.fixed = NOON
    organiser, stranger = host.enter(olga), host.client()
    assert stranger.get("/api/v1/boards/test/secret").status_code == 404
    assert post(organiser, "/organise", "/organise/boards/test/secret/release").status_code == 303
    assert stranger.get("/api/v1/boards/test/secret").status_code == 200
    assert stranger.get("/api/v1/boards/test/private").status_code == 404
    host.clock.fixed = END
    assert stranger.get("/api/v1/boards/test/private").status_code == 200


def test_all_that_the_scorer_says_is_shown_of_an_open_phase_alone(host):
    for phase, at, status in (("test", NOON, 403), ("trial", END, 200)):
        host.clock.fixed = at
        person = host.add_person(f"Reader {phase}")
        host.add_team(f"Readers {phase}", person)
        sent = host.submit(person, b"x,y\n4,4\n", phase)
        host.give(sent, VALUE)
        assert host.enter(person).get(f"/submissions/{sent}/verdict.json").status_code == status


def test_nobody_sees_or_changes_what_another_team_sends_in(host, ada, noon):
    sent = host.submit(ada, b"x,y\n5,5\n")
    mallory = host.add_person("Mallory")
    host.add_team("Thieves", mallory)
    browser, program = host.enter(mallory), host.program(mallory, "read", "submit")
    for path in (
        f"/submissions/{sent}/receipt.json",
        f"/submissions/{sent}/verdict.json",
        f"/api/v1/submissions/{sent}",
    ):
        assert browser.get(path).status_code == 404
    assert program.get(f"/api/v1/submissions/{sent}").status_code == 404
    for verb in ("cancel", "choose", "note"):
        assert post(browser, "/submissions", f"/submissions/{sent}/{verb}", note="x").status_code == 404
        assert program.post(f"/api/v1/submissions/{sent}/{verb}", json={"note": "x"}).status_code == 404
    upload = host.program(ada, "submit").post(
        "/api/v1/uploads", json={"phase": "test", "name": "b", "size": 3, "sha256": "2" * 64}
    )
    place = f"/api/v1/uploads/{upload.json()['id']}"
    calls = [program.get(place), program.put(f"{place}?offset=0", content=b"abc"), program.delete(place)]
    calls += [program.post(f"{place}/{verb}") for verb in ("complete", "check")]
    assert [call.status_code for call in calls] == [404] * 5


def test_e_mail_addresses_of_people_are_shown_to_organisers_alone(host, ada, olga, noon):
    paths = ["/teams", "/board", "/queue", "/api/v1/queue", "/"]
    for client in (host.client(), host.enter(ada)):
        assert not [path for path in paths if "eve@example.org" in client.get(path).text]
    assert "eve@example.org" in host.enter(olga).get("/organise/teams").text


def test_the_stream_of_changes_says_that_something_changed_and_no_more(host):
    assert [route.path for route in live.router.routes] == ["/events"]
    with host.client().stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        found = [next(lines), next(lines)]
    assert found[0] == "event: changed"
    assert re.fullmatch(r"data: \d+\.\d+\.\d+", found[1])
