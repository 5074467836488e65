"""The verbs of those who take part: an answer is sent in once, however often and wherever the command is killed."""

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from functools import partial

import pytest
from sqlalchemy import select

from overtrace.cli.main import main
from overtrace.cli.progress import Bar
from overtrace.host.client import find_note, read_answer
from overtrace.host.receipts import verify
from overtrace.host.tables import Submission, Upload
from overtrace.host.tokens import make_token
from tests.support.web import BROKEN, GOOD, make_board, make_phase, reject, serve_contest, wait_for

RUN = [sys.executable, "-c", "from overtrace.cli.main import main; main()"]
LARGE = 60 * 2**20


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    hidden = make_board("hidden", shown="organisers")
    phases = [make_phase(), make_phase("split", boards=[make_board("public"), hidden])]
    with serve_contest(tmp_path_factory.mktemp("client"), *phases) as served:
        yield served


@pytest.fixture
def person(host, request):
    person = host.add_person(f"Person {abs(hash(request.node.name)) % 10**9}")
    host.add_team(f"Team of {person.name}", person)
    return person


@pytest.fixture
def shell(host, person, tmp_path, monkeypatch):
    """The environment of someone who has a token."""
    with host.settings.database.write() as session:
        _, secret = make_token(session, person, "laptop", ("read", "submit"), None, host.clock())
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OVERTRACE_SERVER", host.address)
    monkeypatch.setenv("OVERTRACE_TOKEN", secret)
    return monkeypatch


@pytest.fixture
def call(shell, capsys):
    """Runs the command; what it says on both streams."""

    def call_one(*options, status=0):
        shell.setattr(sys, "argv", ["overtrace", *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) == status, said.err
        return said

    return call_one


@pytest.fixture
def refuse(call):
    """Runs a command that fails; its one line."""

    def refuse_one(*options):
        said = call(*options, status=1)
        assert (said.out, said.err.count("\n")) == ("", 1)
        return said.err

    return refuse_one


def list_rows(host, kind, person):
    with host.settings.database.read() as session:
        return session.scalars(select(kind).where(kind.person_id == person.id).order_by(kind.id)).all()


def has_received(host, person, least):
    return any(upload.received > least for upload in list_rows(host, Upload, person))


def test_submit_prints_the_receipt_and_saves_it(host, person, call, tmp_path):
    file = tmp_path / "answer.csv"
    file.write_bytes(GOOD)
    done = call("submit", file, "--phase", "test", "--note", "first")
    assert done.out.startswith("submission 1 is accepted: try 1 of 5 on 2026-03-02 (UTC)\n{")
    saved = (tmp_path / "answer.csv.receipt-1.json").read_text()
    assert saved in done.out
    receipt = verify(saved, host.client().get("/api/v1/key").json()["ed25519"])
    assert receipt["sha256"] == hashlib.sha256(GOOD).hexdigest()
    (made,) = list_rows(host, Submission, person)
    assert (made.name, made.note) == ("answer.csv", "first")
    assert call("submit", file, "--phase", "test").out.startswith("submission 2 ")


def test_submit_goes_on_after_it_was_killed(host, person, call, tmp_path):
    file = tmp_path / "large.csv"
    file.write_bytes(os.urandom(LARGE))
    for least in (LARGE // 10, LARGE // 2):
        with subprocess.Popen([*RUN, "submit", file, "--phase", "test"], stderr=subprocess.DEVNULL) as process:
            wait_for(partial(has_received, host, person, least), most_s=60)
            process.kill()
        assert list_rows(host, Submission, person) == []
    done = call("submit", file, "--phase", "test")
    went_on = re.match(rf"goes on at ([\d,]+) of {LARGE:,} bytes\n", done.err)
    assert LARGE // 2 < int(went_on[1].replace(",", "")) < LARGE
    (made,), (upload,) = list_rows(host, Submission, person), list_rows(host, Upload, person)
    assert made.upload_id == upload.id
    assert hashlib.sha256(b"".join(host.settings.blobs.read(made.sha256))).digest() == (
        hashlib.sha256(file.read_bytes()).digest()
    )


def test_submit_spends_one_try_if_it_ends_before_the_receipt_is_saved(host, person, call, refuse, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(GOOD)
    place = tmp_path / "a.csv.receipt-1.json"
    place.mkdir()
    assert "submission 1 is accepted, but" in refuse("submit", file, "--phase", "test")
    place.rmdir()
    (noted,) = (tmp_path / "XDG_STATE_HOME" / "overtrace" / "uploads").iterdir()
    assert noted.read_text() == list_rows(host, Submission, person)[0].upload_id
    done = call("submit", file, "--phase", "test")
    assert done.out.startswith("submission 1 is accepted")
    assert len(list_rows(host, Submission, person)) == 1
    assert place.exists()
    assert not list((tmp_path / "XDG_STATE_HOME" / "overtrace" / "uploads").iterdir())


def test_submit_takes_a_note_that_a_kill_has_emptied_for_none(host, person, shell, call, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(GOOD)
    noted = find_note(host.address, read_answer(file, "test", "", Bar()))
    noted.parent.mkdir(parents=True)
    noted.touch()
    assert call("submit", file, "--phase", "test").out.startswith("submission 1 is accepted")


def test_status_lists_submissions_and_the_faults_of_one(host, person, call, refuse):
    scored = host.submit(person, GOOD, "split")
    host.give(scored, 0.75)
    host.give(host.submit(person, BROKEN, "split"), reject("zero"))
    done = call("status")
    lines = done.out.splitlines()
    assert len(lines) == 3
    assert "rejected, costs no try: 1 faults" in lines[1]
    assert "public 0.7500, hidden later" in lines[2]
    assert "0.75" not in call("status", "2").out
    assert "a.csv row 2: zero: a number" in call("status", "2").out
    assert json.loads(call("status", "1", "--json").out)[0]["id"] == scored
    assert "your team has no submission 9" in refuse("status", "9")


def test_board_is_shown_without_an_account(host, person, shell, call, refuse):
    shell.delenv("OVERTRACE_TOKEN")
    sent = host.submit(person, GOOD, "split")
    host.give(sent, 0.5)
    text = call("board", "--phase", "split").out
    assert text.startswith("split, Public\nrank  tied  team")
    assert f"{person.name}" in text
    rows = json.loads(call("board", "--phase", "split", "--json").out)["rows"]
    table = list(csv.DictReader(io.StringIO(call("board", "--phase", "split", "--csv").out)))
    assert [row["score"] for row in table] == [repr(row["score"]) for row in rows]
    assert call("board").out == "test, All\nnobody has a score yet\n"
    assert "not shown yet" in refuse("board", "--board", "hidden")
    assert "the contest has test/all, split/public, split/hidden" in refuse("board", "--board", "none")


def test_a_token_may_stand_in_a_file_that_nobody_else_can_read(host, shell, call, refuse, tmp_path):
    file = tmp_path / "XDG_CONFIG_HOME" / "overtrace" / "tokens.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'"{host.address}/" = "{os.environ["OVERTRACE_TOKEN"]}"\n')
    shell.delenv("OVERTRACE_TOKEN")
    file.chmod(0o644)
    assert f"others may read the tokens in {file}: chmod 600 {file}" in refuse("status")
    file.chmod(0o600)
    assert call("status").out == "your team has no submissions yet\n"
    file.write_text("nonsense\n")
    assert "wanted lines of" in refuse("status")


def test_what_goes_wrong_is_one_line(host, person, shell, refuse, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(GOOD)
    send = ("submit", file, "--phase")
    assert "no phase 'nothing' takes answers: use one of test, split" in refuse(*send, "nothing")
    assert "name one file, and pack a folder first" in refuse("submit", tmp_path, "--phase", "test")
    for token, line in (("", "set OVERTRACE_TOKEN"), ("overtrace_x", "this token is not known")):
        shell.setenv("OVERTRACE_TOKEN", token)
        assert line in refuse(*send, "test")
    for server, line in (("http://127.0.0.1:9", "the host does not answer"), ("example.org", "begins with https://")):
        shell.setenv("OVERTRACE_SERVER", server)
        assert line in refuse("board")
    assert list_rows(host, Submission, person) == []
