"""Deadlines: the same verdict in page, API and client, to the millisecond, by when an upload began."""

from datetime import UTC, datetime, timedelta

import pytest

from overtrace.cli.progress import Bar
from overtrace.errors import Refused
from overtrace.host.client import find_note, read_answer, submit
from overtrace.host.connection import Connection
from tests.support.web import END, NOON, START, announce, make_phase, post, send, serve_contest

MS = timedelta(milliseconds=1)
# 02:30 comes twice in this night in Berlin: first with +02:00, an hour later with +01:00.
FIRST, SECOND = (datetime.fromisoformat(f"2026-10-25T02:30:00+0{hours}:00") for hours in (2, 1))
PHASES = {"test": (START, END), "first": (NOON, FIRST), "second": (NOON, SECOND)}
TIMES = [
    ("test", START - MS, False),
    ("test", START, True),
    ("test", END - MS, True),
    ("test", END, False),
    ("test", END + MS, False),
    ("first", FIRST - MS, True),
    ("first", FIRST, False),
    ("second", FIRST, True),
    ("second", SECOND - MS, True),
    ("second", SECOND, False),
]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    phases = [make_phase(name, *times, limits={"per_day": None, "at_once": 99}) for name, times in PHASES.items()]
    with serve_contest(tmp_path_factory.mktemp("deadlines"), *phases) as served:
        yield served


def submit_by_page(browser, phase, answer):
    return post(browser, "/submit", "/submit", files={"file": ("a.csv", answer)}, phase=phase)


def submit_by_client(host, program, phase, path):
    """What the client says of it: the number of the submission, or why there is none."""
    connection = Connection(host.address, program.headers["authorization"].removeprefix("Bearer "))
    answer = read_answer(path, phase, "", Bar())
    try:
        return submit(connection, answer, find_note(host.address, answer), Bar())["number"]
    except Refused as error:
        return str(error)
    finally:
        connection.close()


@pytest.mark.parametrize(("phase", "time", "is_open"), TIMES)
def test_page_api_and_client_give_the_same_verdict_at_a_deadline(
    host, ada, phase, time, is_open, tmp_path, monkeypatch
):
    host.clock.fixed = time
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "a.csv"
    file.write_text(f"x,y\n3,{time.timestamp()}\n")
    browser, program = host.enter(ada), host.program(ada, "read", "submit")
    page = submit_by_page(browser, phase, f"x,y\n1,{time.timestamp()}\n".encode())
    call = send(program, f"x,y\n2,{time.timestamp()}\n".encode(), phase)
    said = submit_by_client(host, program, phase, file)
    assert (page.status_code, call.status_code) == ((303, 200) if is_open else (409, 409))
    assert isinstance(said, int) == is_open
    shown = {one["name"]: one["takes_answers"] for one in program.get("/api/v1/phases").json()["phases"]}
    assert shown[phase] == is_open
    if not is_open:
        lines = (page.text, call.json()["error"], said)
        assert [line for line in lines if "and the time that counts is" not in line] == []


def test_an_upload_that_began_in_time_counts_however_long_it_takes(host, ada):
    host.clock.fixed = END - MS
    program = host.program(ada, "read", "submit")
    upload = announce(program, b"x,y\n3,3\n").json()["id"]
    host.clock.fixed = END + timedelta(hours=3)
    assert program.put(f"/api/v1/uploads/{upload}?offset=0", content=b"x,y\n3,3\n").status_code == 200
    made = program.post(f"/api/v1/uploads/{upload}/complete").json()
    assert datetime.fromisoformat(made["received_at"]) == END - MS
    assert datetime.fromisoformat(made["accepted_at"]) == END + timedelta(hours=3)


def test_pages_show_utc_and_leave_the_readers_own_zone_to_a_script(host):
    text = host.client().get("/").text
    assert '<time datetime="2026-06-01T00:00:00Z">2026-06-01 00:00&nbsp;UTC</time>' in text
    assert '<time datetime="2026-10-25T00:30:00Z">2026-10-25 00:30&nbsp;UTC</time>' in text


def test_programs_are_told_the_time_of_the_host(host):
    host.clock.fixed = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert host.client().get("/api/v1/contest").json()["server_time"] == "2028-02-29T12:00:00+00:00"
