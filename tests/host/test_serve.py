"""The one command: up in seconds, with a link for the first organiser and a worker; and it ends as it is told."""

import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import psutil
import pytest
from sqlalchemy import select

from overtrace.host.local_worker import Orders
from overtrace.host.replicating import read_refusal
from overtrace.host.schema import open_store
from overtrace.host.tables import Person
from overtrace.host.tokens import make_token
from tests.support.people import PASSWORD, add_person, add_team
from tests.support.web import PERFECT, make_phase, post, send, wait_for, write_contest

RUN = [sys.executable, "-c", "from overtrace.cli.main import main; main()"]
OPEN = make_phase(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2126, 1, 1, tzinfo=UTC))


@pytest.fixture
def start(tmp_path):
    """Starts the command, and kills what is left of it."""
    started = []

    def start_one(*options):
        with (tmp_path / f"said-{len(started)}").open("w") as said:
            process = subprocess.Popen([*RUN, *options], stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        started.append(process)
        return process, tmp_path / f"said-{len(started) - 1}"

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(address):
    try:
        return httpx.get(f"{address}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_host_is_up_in_seconds_scores_and_ends_as_it_is_told(tmp_path, start):
    file, port = write_contest(tmp_path / "contest", OPEN), find_free_port()
    address, options = (
        f"http://127.0.0.1:{port}",
        ("host", str(file.path), "--port", str(port), "--mail", f"file:{tmp_path}"),
    )
    process, said = start(*options)
    wait_for(lambda: answers(address))
    # By the clock it takes as long as the machine is busy.
    spent = psutil.Process(process.pid).cpu_times()
    assert spent.user + spent.system < 5

    link = re.search(r"http://\S+(/account/password\S+)", said.read_text())
    assert link is not None
    browser = httpx.Client(base_url=address)
    code = link[1].partition("code=")[2]
    assert post(browser, link[1], "/account/password", code=code, password=PASSWORD).status_code == 303
    login = {"email": "olga@example.org", "password": PASSWORD}
    assert post(browser, "/account/login", "/account/login", **login).status_code == 303
    assert browser.get("/organise").status_code == 200
    assert post(browser, "/account/login", "/account/login", **login).status_code == 303
    assert browser.get(link[1]).status_code == 409

    database = open_store(f"sqlite:///{tmp_path}/contest/host/host.db")
    ada = add_person(database, "Ada")
    add_team(database, "Engines", ada)
    with database.write() as session:
        _, secret = make_token(session, ada, "test", ("read", "submit"), None, datetime.now(UTC))
    program = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"})
    sent = send(program, PERFECT).json()["id"]
    wait_for(lambda: program.get(f"/api/v1/submissions/{sent}").json()["state"] == "scored", most_s=60)
    database.engine.dispose()

    beside = psutil.Process(process.pid).children(recursive=True)
    assert [one for one in beside if "overtrace.host.local_worker" in one.cmdline()]
    taken = subprocess.run([*RUN, *options], capture_output=True, text=True)
    assert (taken.returncode, "name another one, or 0 for any" in taken.stderr) == (1, True)
    # Ctrl-C, which all processes of a terminal get.
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 0
    assert not [one for one in beside if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert "Traceback" not in said.read_text()
    assert (tmp_path / "contest" / "host").stat().st_mode & 0o077 == 0


def test_a_worker_ends_whose_host_was_killed_while_it_loaded(tmp_path):
    file = write_contest(tmp_path / "contest", {**OPEN, "images": "images.zip"})
    database = f"sqlite:///{tmp_path}/host.db"
    open_store(database).engine.dispose()
    orders = Orders(contest=file.path, db=database, store=str(tmp_path), spool=tmp_path)
    host = (
        "import os, subprocess, sys\n"
        "from overtrace.host.local_worker import Orders\n"
        "from overtrace.host.serve import WORKER\n"
        "orders = Orders.model_validate_json(sys.argv[1]).model_copy(update={'parent': os.getpid()})\n"
        "worker = subprocess.Popen(WORKER, stdin=subprocess.PIPE, start_new_session=True)\n"
        "worker.stdin.write(orders.model_dump_json().encode() + b'\\n')\n"
        "worker.stdin.close()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    # Its output ends with the last process that has it.
    killed = subprocess.run([sys.executable, "-c", host, orders.model_dump_json()], capture_output=True, timeout=60)
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, b"")


def test_a_worker_of_the_command_line_scores_for_a_host_elsewhere(tmp_path, start):
    rule = {"replication": {"winners": 1}}
    file, port = write_contest(tmp_path / "contest", {**OPEN, "images": "images.zip"}, **rule), find_free_port()
    address = f"http://127.0.0.1:{port}"
    start("host", str(file.path), "--port", str(port), "--mail", f"file:{tmp_path}", "--workers", "0")
    wait_for(lambda: answers(address), most_s=60)
    database = open_store(f"sqlite:///{tmp_path}/contest/host/host.db")
    ada = add_person(database, "Ada")
    add_team(database, "Engines", ada)
    with database.write() as session:
        # The first organiser, who has not opened the link yet.
        olga = session.scalars(select(Person).where(Person.email == "olga@example.org")).one()
        olga.organises = True
        assert read_refusal(session) == "the host was started without workers"
        _, work = make_token(session, olga, "far", ("work",), None, datetime.now(UTC))
        _, submit = make_token(session, ada, "near", ("read", "submit"), None, datetime.now(UTC))
    program = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {submit}"})
    sent = send(program, PERFECT).json()["id"]
    process, said = start("worker", str(file.folder), "--server", address, "--token", work)
    wait_for(lambda: program.get(f"/api/v1/submissions/{sent}").json()["state"] == "scored", most_s=60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert said.read_text().endswith(f"works for {address}\n")
    database.engine.dispose()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["host"], "name a contest file, or give --demo"),
        (["host", "nothing.yaml"], "cannot be read"),
        (["worker", ".", "--server", "http://127.0.0.1:9"], "make one for work"),
    ],
)
def test_a_wrong_call_is_one_line(options, line):
    done = subprocess.run([*RUN, *options], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert line in done.stderr
