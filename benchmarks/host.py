"""How many submissions does a host take in and score, how fast does it show a board, and what is reached first?

``python -m benchmarks.host [--submissions 400] [--teams 20] [--readers 8] [--seconds 20] [--workers 1]
[--db ADDRESS] [--record]``.

``overtrace host`` runs as anyone starts it, on SQLite and a folder unless ``--db`` names an empty database. First all
teams send in answers to the example of ITC at one time, each one after the other, by the API; the host goes on until
all are scored. Then readers, each on a connection of its own, ask for the page of the board as fast as they can.
Clients run on the same machine and take their share of it. They come as through a proxy, each team from an address of
its own and each request of a reader from another one: how often one address may ask is none of what is measured.
"""

import argparse
import hashlib
import http.client
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
from sqlalchemy import ColumnElement, func, select

from benchmarks.record import describe_machine, publish
from overtrace.host.contest_file import read_contest
from overtrace.host.database import Database, open_database
from overtrace.host.examples import make_answer, make_example
from overtrace.host.ids import new_id
from overtrace.host.tables import FINAL, Person, State, Submission
from overtrace.host.teams import create_team
from overtrace.host.tokens import make_token

MOST_S = 3600.0
FULL = 0.85
"""Of a core, from which on a process that does one thing at a time is the limit."""


def main() -> None:
    """Hold a contest, send in, read, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=400)
    parser.add_argument("--teams", type=int, default=20)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--db", default="")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = make_example("itc", folder / "contest", datetime.now(UTC))
        file.write_text(re.sub(r"limits: {[^}]*}", "limits: {per_day: null, at_once: 100000}", file.read_text()))
        db = chosen.db or f"sqlite:///{folder}/host.db"
        options = ("--db", db, "--folder", str(folder / "host"), "--workers", str(chosen.workers))
        with hold(folder, file, *options) as (server, process):
            database = Database(open_database(db))
            tokens = add_teams(database, file, chosen.teams)
            wait_until(lambda: len(psutil.Process(process).children(recursive=True)) >= 2 * chosen.workers)
            lines = measure_submissions(database, file, server, process, tokens, chosen.submissions)
            lines += measure_board(server, process, chosen.readers, chosen.seconds)
    kind = f"{db.partition(':')[0]}, {chosen.workers} worker{'s' * (chosen.workers > 1)}"
    publish("benchmarks/host.py", machine, [f"- {kind}", *lines], record=chosen.record)


@contextmanager
def hold(folder: Path, file: Path, *options: str) -> Iterator[tuple[str, int]]:
    """A host; its address and the number of its process."""
    said = folder / "said"
    mail = f"file:{folder / 'mails'}"
    command = [str(Path(sys.executable).with_name("overtrace")), "host", str(file), "--port", "0", "--mail", mail]
    with said.open("w") as out, subprocess.Popen([*command, *options], stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            wait_until(lambda: process.poll() is not None or re.search(r": (http://\S+)$", said.read_text(), re.M))
            found = re.search(r": (http://\S+)$", said.read_text(), re.M)
            if found is None:
                raise RuntimeError(said.read_text())
            wait_until(lambda: answers(found[1]))
            yield found[1], process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def answers(server: str) -> bool:
    """Whether a host does."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def add_teams(database: Database, file: Path, number: int) -> list[str]:
    """Teams of one; a token of each."""
    contest, at = read_contest(file).contest, datetime.now(UTC)
    tokens = []
    for i in range(number):
        with database.write() as session:
            person = Person(id=new_id(at), email=f"{i}@example.org", name=f"Person {i}", created_at=at, confirmed_at=at)
            session.add(person)
            session.flush()
            create_team(session, contest, person.id, f"Team {i}", "", at)
            tokens.append(make_token(session, person, "benchmark", ("read", "submit"), None, at)[1])
    return tokens


def measure_submissions(
    database: Database, file: Path, server: str, process: int, tokens: list[str], number: int
) -> list[str]:
    """Send in by all teams at one time, and wait until all is scored."""
    rng = np.random.default_rng(1)
    paths = [make_answer(file, "validation", quality, rng) for quality in np.linspace(0.2, 0.95, len(tokens))]
    before, begun = read_seconds(process), time.monotonic()
    with ThreadPoolExecutor(len(tokens)) as pool:
        each = number // len(tokens)
        sent = list(pool.map(send_all, [server] * len(tokens), tokens, paths, [each] * len(tokens)))
    accepted_s = time.monotonic() - begun
    wait_until(lambda: count(database, Submission.state.in_(FINAL)) == each * len(tokens))
    scored_s = time.monotonic() - begun
    scored = count(database, Submission.state == State.SCORED)
    taken_s = sorted(second for seconds in sent for second in seconds)
    total = len(taken_s)
    size = statistics.median(path.stat().st_size for path in paths)
    return [
        f"- {total} submissions of {size / 1024:.0f} KiB from {len(tokens)} teams, {scored} of them scored",
        f"- accepted: {60 * total / accepted_s:,.0f} a minute; each took {describe(taken_s)}",
        f"- **scored: {60 * total / scored_s:,.0f} a minute**, the last one {scored_s:.0f} s after the first was sent",
        f"- {describe_load(before, read_seconds(process), scored_s)}",
    ]


def send_all(server: str, token: str, path: Path, number: int) -> list[float]:
    """Seconds that each submission took until it was accepted."""
    content = path.read_bytes()
    offer = {"phase": "validation", "name": path.name, "size": len(content)}
    offer["sha256"] = hashlib.sha256(content).hexdigest()
    last = int(token.encode().hex(), 16) % 2**16
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": f"10.200.{last // 256}.{last % 256}"}
    seconds = []
    with httpx.Client(base_url=f"{server}/api/v1", headers=headers, timeout=60) as client:
        for _ in range(number):
            begun = time.monotonic()
            upload = client.post("/uploads", json=offer).raise_for_status().json()["id"]
            client.put(f"/uploads/{upload}?offset=0", content=content).raise_for_status()
            client.post(f"/uploads/{upload}/complete").raise_for_status()
            seconds.append(time.monotonic() - begun)
    return seconds


def measure_board(server: str, process: int, readers: int, seconds: float) -> list[str]:
    """Ask for the page of the board, by all readers at one time."""
    before, until = read_seconds(process), time.monotonic() + seconds
    with ThreadPoolExecutor(readers) as pool:
        found = list(pool.map(lambda number: read_board(server, number, until), range(readers)))
    taken_s = sorted(second for ones in found for second in ones)
    return [
        f"- **board: {len(taken_s) / seconds:,.0f} requests a second** by {readers} readers; "
        f"each took {describe(taken_s)}",
        f"- {describe_load(before, read_seconds(process), seconds)}",
    ]


def read_board(server: str, reader: int, until: float) -> list[float]:
    """Seconds that each request took."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc)
    seconds: list[float] = []
    while time.monotonic() < until:
        begun = time.monotonic()
        address = f"10.{reader}.{len(seconds) // 256 % 256}.{len(seconds) % 256}"
        connection.request("GET", "/board/validation/ap50", headers={"X-Forwarded-For": address})
        answer = connection.getresponse()
        page = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {page[:200]!r}")
        seconds.append(time.monotonic() - begun)
    connection.close()
    return seconds


def read_seconds(process: int) -> dict[str, float]:
    """Seconds of a core that the web, the workers and the scorers have taken so far."""
    web = psutil.Process(process)
    taken = {"web": sum(web.cpu_times()[:2]), "workers": 0.0, "scorers": 0.0}
    for one in web.children(recursive=True):
        try:
            is_worker = "overtrace.host.local_worker" in one.cmdline()
            times = one.cpu_times()
        except psutil.Error:
            continue
        # Scorers fork for each answer: what those have taken is their parent's once they have ended.
        taken["workers" if is_worker else "scorers"] += sum(times[:2] if is_worker else times[:4])
    return taken


def describe_load(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> str:
    """How busy each part was, and which of them was the limit."""
    shares = {name: (after[name] - before[name]) / seconds for name in before}
    said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    busiest = max(shares, key=lambda name: shares[name])
    reached = busiest if shares[busiest] >= FULL else "none of them: the machine, or who asks"
    return f"of one core: {said}; reached first: {reached}"


def describe(seconds: list[float]) -> str:
    """Median and the slowest in a hundred, of sorted seconds."""
    return (
        f"{1000 * seconds[len(seconds) // 2]:.0f} ms at p50, {1000 * seconds[len(seconds) * 99 // 100]:.0f} ms at p99"
    )


def count(database: Database, where: ColumnElement[bool]) -> int:
    """How many submissions are so."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Submission).where(where)) or 0


def wait_until(is_so: Callable[[], object]) -> None:
    """Until something is so."""
    deadline = time.monotonic() + MOST_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(is_so)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
