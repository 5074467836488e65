"""The API: uploads that go on at any byte, checks that cost nothing, tokens for one purpose, limits of traffic."""

import hashlib
import json
import re
from datetime import timedelta

import pytest

from overtrace.host.database import now
from overtrace.host.jobs import Patience
from overtrace.host.marking import name_scorer
from overtrace.host.rates import Rates
from overtrace.host.receipts import verify
from overtrace.host.web.guard import MOST_PART_BYTES
from overtrace.host.worker import LocalQueue
from tests.support.web import (
    BROKEN,
    GOOD,
    NOON,
    announce,
    make_board,
    make_phase,
    post,
    reject,
    send,
    serve_contest,
    wait_for,
)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    phases = [make_phase(), make_phase("later", NOON + timedelta(days=30)), make_phase("idle", truth=None, boards=[])]
    with serve_contest(tmp_path_factory.mktemp("api"), *phases) as served:
        yield served


@pytest.fixture
def ada(host, request):
    person = host.add_person(f"Ada {abs(hash(request.node.name)) % 10**9}")
    host.add_team(f"Team of {person.name}", person)
    return person


def test_an_upload_goes_on_at_any_byte(host, ada):
    program = host.program(ada, "read", "submit")
    upload = announce(program, GOOD).json()
    place = f"/api/v1/uploads/{upload['id']}"
    for offset in range(0, len(GOOD), 5):
        assert program.put(f"{place}?offset={offset}", content=GOOD[offset : offset + 7]).status_code == 200
        assert int(program.head(place).headers["Upload-Offset"]) == min(offset + 7, len(GOOD))
    assert announce(program, GOOD).json()["id"] == upload["id"]
    made = program.post(f"{place}/complete", json={"note": "first"}).json()
    again = program.post(f"{place}/complete").json()
    assert (made["sha256"], made["note"], again["id"]) == (hashlib.sha256(GOOD).hexdigest(), "first", made["id"])


def test_a_gap_is_refused_with_where_to_go_on(host, ada):
    program = host.program(ada, "submit")
    upload = announce(program, GOOD).json()["id"]
    answer = program.put(f"/api/v1/uploads/{upload}?offset=3", content=b"x")
    assert (answer.status_code, answer.json()["received"]) == (409, 0)
    assert program.post(f"/api/v1/uploads/{upload}/complete").status_code == 409


def test_a_part_that_is_too_large_is_refused(host, ada):
    program = host.program(ada, "submit")
    upload = announce(program, GOOD).json()["id"]
    answer = program.put(f"/api/v1/uploads/{upload}?offset=0", content=b"x" * (MOST_PART_BYTES + 1))
    assert answer.status_code == 413


def test_a_check_lists_all_faults_and_costs_no_try(host, ada):
    program = host.program(ada, "read", "submit")
    answer = program.post("/api/v1/check/later?name=a.csv", content=BROKEN + b"1,one\n").json()
    assert (answer["in_order"], len(answer["faults"])) == (False, 2)
    upload = announce(program, GOOD).json()["id"]
    assert program.post(f"/api/v1/uploads/{upload}/check").status_code == 409
    program.put(f"/api/v1/uploads/{upload}?offset=0", content=GOOD)
    assert program.post(f"/api/v1/uploads/{upload}/check").json() == {"in_order": True, "faults": []}
    page = post(host.enter(ada), "/submit", "/submit/check", files={"file": ("a.csv", BROKEN)}, phase="test")
    assert "1 fault" in page.text
    assert program.get("/api/v1/submissions").json() == {"submissions": []}
    assert not [
        path for path in host.settings.spool.iterdir() if path.name != upload and path.stat().st_size == len(GOOD)
    ]


def test_a_phase_that_takes_no_answers_says_which_do(host, ada):
    for phase in ("idle", "nothing"):
        answer = send(host.program(ada, "submit"), GOOD, phase)
        assert (answer.status_code, answer.json()["error"]) == (
            404,
            f"no phase '{phase}' takes answers: use one of test, later",
        )


@pytest.mark.parametrize("shown", ["Bearer nonsense", "Basic QWRhOmE=", "Bearer"])
def test_a_token_that_is_not_known_is_refused(host, shown):
    assert host.client(Authorization=shown).get("/api/v1/submissions").status_code in (401, 403)


def test_a_token_is_good_for_its_scopes_alone(host, ada):
    olga = host.add_person("Olga")
    calls = {
        "read": ("GET", "/api/v1/submissions", None),
        "submit": ("POST", "/api/v1/uploads", {"phase": "test", "name": "a", "size": 9, "sha256": "3" * 64}),
        "work": ("POST", "/api/v1/work/claim", {"worker": "far"}),
    }
    host.add_team("Organisers", olga)
    for scope in calls:
        program = host.program(olga, scope)
        for wanted, (method, path, content) in calls.items():
            status = program.request(method, path, json=content).status_code
            assert (status < 300) == (wanted == scope), (scope, wanted, status)


def test_only_organisers_make_tokens_for_work(host, ada):
    browser = host.enter(ada)
    assert post(browser, "/account", "/account/tokens", name="far", scopes="work").status_code == 403
    page = post(browser, "/account", "/account/tokens", name="near", scopes=["read", "submit"], days=1)
    secret = page.text.split('value="overtrace_')[1].split('"')[0]
    program = host.client(Authorization=f"Bearer overtrace_{secret}")
    assert program.get("/api/v1/team").json()["person"] == ada.name
    assert page.headers["cache-control"] == "no-store"
    assert f"overtrace_{secret}" not in browser.get("/account").text


def test_a_token_opens_no_page(host, ada):
    assert host.program(ada, "read").get("/account").status_code == 303


def test_a_receipt_can_be_checked_without_the_host(host, ada):
    program = host.program(ada, "read", "submit")
    made = send(program, GOOD).json()
    key = host.client().get("/api/v1/key").json()["ed25519"]
    page = host.enter(ada).get(f"/submissions/{made['id']}/receipt.json").text
    assert verify(page, key) == verify(json.dumps(made["receipt"]), key)
    assert verify(page, key)["sha256"] == hashlib.sha256(GOOD).hexdigest()


def test_faults_are_listed_at_once_in_page_and_api(host, ada):
    sent = host.submit(ada)
    host.give(sent, reject("zero", "<b>one</b>"))
    page, call = host.enter(ada).get("/submissions").text, host.program(ada, "read").get(f"/api/v1/submissions/{sent}")
    assert [fault["found"] for fault in call.json()["faults"]] == ["zero", "<b>one</b>"]
    assert (call.json()["state"], call.json()["charged"]) == ("rejected", False)
    assert "2 faults" in page
    assert "&lt;b&gt;one&lt;/b&gt;" in page


def test_a_team_cancels_and_annotates_what_waits(host, ada):
    sent, browser = host.submit(ada), host.enter(ada)
    assert post(browser, "/submissions", f"/submissions/{sent}/note", note="larger tiles").status_code == 303
    assert post(browser, "/submissions", f"/submissions/{sent}/cancel").status_code == 303
    assert post(browser, "/submissions", f"/submissions/{sent}/cancel").status_code == 409
    shown = host.program(ada, "read").get(f"/api/v1/submissions/{sent}").json()
    assert (shown["state"], shown["charged"], shown["note"]) == ("cancelled", False, "larger tiles")


def test_a_board_never_ranks_a_missing_score(host, ada):
    rivals = [host.add_person(f"Rival {i}") for i in range(3)]
    for rival in rivals:
        host.add_team(f"Team of {rival.name}", rival)
    scored, rejected, waiting = (host.submit(rival, f"x,y\n{i},1\n".encode()) for i, rival in enumerate(rivals))
    host.give(scored, 0.25)
    host.give(rejected, reject("nothing"))
    rows = host.client().get("/api/v1/boards/test/all").json()["rows"]
    ranked = {row["submission"] for row in rows}
    assert scored in ranked
    assert not ranked & {rejected, waiting}
    assert all(isinstance(row["score"], float) for row in rows)
    assert {(row["scorer"], len(row["truth"])) for row in rows} == {(name_scorer(), 64)}
    page = re.sub("<.*?>", "", host.client().get("/board").text)
    assert f"Scored by {name_scorer()} against the truth whose SHA-256 begins with {rows[0]['truth'][:16]}." in page
    text = host.client().get("/board/test/all.csv").text
    assert rivals[0].name in text
    assert rivals[1].name not in text


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("requests", lambda host, client: client.get("/")),
        ("changes", lambda host, client: client.post("/account/login", data={"email": "a@example.org"})),
    ],
)
def test_who_comes_too_often_is_told_when_to_come_again(tmp_path, kind, ask):
    with serve_contest(tmp_path, traffic={kind: Rates(4, 30.0)}) as host:
        client = host.client()
        if kind == "requests":
            client.get("/")
        answers = [ask(host, client) for _ in range(6)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) in (2, 3)
        assert refused[0].headers["retry-after"] == "30"
        assert "come again in 30 s" in refused[0].text
        host.clock.shift = timedelta(seconds=31)
        assert ask(host, client).status_code != 429


SLOWED = {
    "letters": [
        "/account/register",
        "/account/confirm/again",
        "/account/forgotten",
        "/account/email/change",
        "/team/invite",
    ],
    "guesses": [
        "/account/login",
        "/account/confirm",
        "/account/password",
        "/account/password/change",
        "/account/email/change",
        "/account/email",
        "/account/erase",
    ],
    "checks": ["/submit/check"],
    "changes": ["/submit", "/team", "/team/document"],
}


@pytest.mark.parametrize("kind", SLOWED)
def test_each_way_to_guess_write_or_send_is_slowed(tmp_path, kind):
    with serve_contest(tmp_path, traffic={kind: Rates(3, 30.0)}) as host:
        ada = host.add_person("Ada")
        host.add_team("Engines", ada)
        browser = host.enter(ada)
        for path in SLOWED[kind]:
            host.clock.shift += timedelta(hours=1)
            facts = {"files": {"file": ("a.csv", GOOD)}} if path.startswith(("/submit", "/team/doc")) else {}
            found = [post(browser, "/account", path, email=f"{i}@example.org", **facts).status_code for i in range(4)]
            assert [status == 429 for status in found] == [False, False, False, True], path


def test_nobody_gets_many_letters_from_several_accounts(tmp_path):
    with serve_contest(tmp_path, traffic={"letters": Rates(3, 30.0)}) as host:
        browsers = []
        for name in ("Ada", "Eve"):
            person = host.add_person(name)
            host.add_team(f"Team of {name}", person)
            browsers.append(host.enter(person))
        found = [post(one, "/team", "/team/invite", email="bob@example.org").status_code for one in browsers * 2]
        assert [status == 429 for status in found] == [False, False, False, True]


def test_a_token_is_slowed_by_itself_wherever_it_comes_from(tmp_path):
    with serve_contest(tmp_path, traffic={"calls": Rates(3, 30.0)}) as host:
        ada, eve = host.add_person("Ada"), host.add_person("Eve")
        program = host.program(ada, "read", "submit")
        assert [program.get("/api/v1/submissions").status_code for _ in range(2)] == [200, 200]
        assert [announce(program, GOOD).status_code for _ in range(2)] == [409, 429]
        assert host.program(eve, "read").get("/api/v1/submissions").status_code == 200


def test_a_job_whose_worker_is_lost_waits_again_though_no_worker_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("overtrace.host.app.REAP_S", 0.1)
    with serve_contest(tmp_path) as host:
        ada = host.add_person("Ada")
        host.add_team("Engines", ada)
        sent = host.submit(ada)
        assert LocalQueue(host.settings.database, host.settings.blobs, host.settings.contest).claim("lost") is not None
        assert host.look(sent).state == "running"
        # A worker that lives would say so by now.
        host.clock.fixed = now() + timedelta(seconds=Patience().lease_s + 1)
        wait_for(lambda: host.look(sent).state == "queued")


def test_a_withdrawn_team_has_no_place_and_changes_none(tmp_path):
    with serve_contest(tmp_path, teams={"ordered": False}) as host:
        places = []
        for number, name in enumerate(("Ada", "Eve", "Bob")):
            person = host.add_person(name)
            host.add_team(f"Team of {name}", person)
            host.give(host.submit(person, f"x,y\n{number},1\n".encode()), 0.9 - number / 10)
            places.append(person)
        browser = host.enter(places[0])
        assert post(browser, "/team", "/team/leave", sure="yes").status_code == 303
        wait_for(lambda: len(host.client().get("/api/v1/boards/test/all").json()["rows"]) == 2)
        rows = host.client().get("/api/v1/boards/test/all").json()["rows"]
        assert [(row["rank"], row["team"]) for row in rows] == [(1, "Team of Eve"), (2, "Team of Bob")]
        assert "Team of Ada" not in host.client().get("/board").text


def test_the_last_choice_of_a_team_stands_on_a_board_by_choice(tmp_path):
    with serve_contest(tmp_path, make_phase(boards=[make_board(entry="chosen")])) as host:
        ada = host.add_person("Ada")
        host.add_team("Engines", ada)
        sent = [host.submit(ada, f"x,y\n{i},1\n".encode()) for i in range(2)]
        for submission, value in zip(sent, (0.25, 0.75), strict=True):
            host.give(submission, value)
        browser = host.enter(ada)

        def score():
            return host.client().get("/api/v1/boards/test/all").json()["rows"][0]["score"]

        assert score() == 0.75
        assert post(browser, "/submissions", f"/submissions/{sent[0]}/choose").status_code == 303
        assert score() == 0.25
