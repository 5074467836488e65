"""A host on a port of this machine, with a clock that tests turn, and those who use it."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml

from overtrace.host.app import create_app
from overtrace.host.blobs import open_blobs
from overtrace.host.canaries import find_canaries, state_canaries
from overtrace.host.contest_file import ContestFile, read_contest
from overtrace.host.database import now
from overtrace.host.jobs import Claimed
from overtrace.host.marking import name_scorer
from overtrace.host.openid import Provider
from overtrace.host.outcome import Flaw, Mark, Outcome
from overtrace.host.public import publish
from overtrace.host.rates import Rates
from overtrace.host.schema import open_store
from overtrace.host.senders import open_sender
from overtrace.host.tables import Person, Submission, Team
from overtrace.host.tokens import make_token
from overtrace.host.truths import digest_truths, state_truths
from overtrace.host.visits import open_visit
from overtrace.host.web.settings import Settings, Traffic
from overtrace.host.web.visitors import VISIT
from overtrace.host.worker import LocalQueue, Worker
from tests.support.people import add_person, add_team

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CANARY = "7173.57241"
"""Stands in the truth and nowhere else."""
SECRET_IMAGE = "canaryimage"
"""Stands in a list of a board and nowhere else."""
CANARY_IMAGE = "plot_7173"
"""An image that stands in the truth, and in no list, where the phases have the list ``ids.txt``."""
PERFECT = f"x,y\n0,0\n{CANARY},0\n".encode()
GOOD = b"x,y\n0,0\n7173,0\n5000,0\n"
POOR = b"x,y\n0,0\n900,0\n5000,0\n"
BROKEN = b"x,y\n0,zero\n"
COLUMNS = [{"title": "precision", "path": "precision"}, {"title": "recall", "path": "recall"}]
KINDS = ("requests", "calls", "changes", "guesses", "letters", "checks")
# Their clock may be turned back, by years.
FREE = {kind: Rates(10**15, 1e-6) for kind in KINDS}


def make_board(name: str = "all", **facts: Any) -> dict[str, Any]:
    return {"name": name, "title": name.title(), "columns": COLUMNS, **facts}


def make_phase(name: str = "test", start: datetime = START, end: datetime = END, **facts: Any) -> dict[str, Any]:
    whole = {"name": name, "title": name.title(), "start": start.isoformat(), "end": end.isoformat()}
    return {**whole, "truth": "truth", "boards": [make_board()], "limits": {"per_day": 5, "at_once": 5}, **facts}


def write_contest(folder: Path, *phases: dict[str, Any], **facts: Any) -> ContestFile:
    """Trees on one image, to be found as points; its organiser is Olga."""
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    (folder / "truth" / "a.csv").write_bytes(PERFECT)
    (folder / "private.txt").write_text(f"a\n{SECRET_IMAGE}\n")
    (folder / "ids.txt").write_text("a\n")
    if all(phase.get("ids") for phase in phases) and phases:
        (folder / "truth" / f"{CANARY_IMAGE}.csv").write_text("x,y\n11,12\n")
    (folder / "images.zip").write_bytes(b"images")
    content = {
        "name": "trees",
        "title": "Trees",
        "challenge": "trees",
        "about": "Find **trees**.",
        "rules": "Be fair.",
        "organisers": [{"name": "Olga", "email": "olga@example.org"}],
        "phases": list(phases) or [make_phase()],
        **facts,
    }
    (folder / "contest.yaml").write_text(yaml.safe_dump(content))
    return read_contest(folder / "contest.yaml")


@dataclass
class Clock:
    """This machine's clock, or a time at which it stands still."""

    fixed: datetime | None = NOON
    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return (self.fixed or now()) + self.shift


@dataclass
class Served:
    """A host that answers."""

    address: str
    settings: Settings
    file: ContestFile
    clock: Clock
    mails: Path
    opened: list[httpx.Client] = field(default_factory=list)
    claims: dict[str, Claimed] = field(default_factory=dict)
    """Jobs by submission that a worker holds; those of one millisecond come in any order."""

    def client(self, **headers: str) -> httpx.Client:
        """A browser without cookies, that follows no redirects."""
        client = httpx.Client(base_url=self.address, headers=headers, timeout=20)
        self.opened.append(client)
        return client

    def enter(self, person: Person) -> httpx.Client:
        """A browser in which someone is logged in."""
        client = self.client()
        with self.settings.database.write() as session:
            client.cookies.set(VISIT, open_visit(session, person.id, self.clock()), domain="127.0.0.1")
        return client

    def program(self, person: Person, *scopes: str) -> httpx.Client:
        """A program with a token of someone."""
        with self.settings.database.write() as session:
            _, secret = make_token(session, person, "test", scopes, None, self.clock())
        return self.client(Authorization=f"Bearer {secret}")

    def add_person(self, name: str) -> Person:
        """Someone with an account."""
        return add_person(self.settings.database, name, self.clock())

    def add_team(self, name: str, *people: Person) -> Team:
        """A team of people."""
        track = self.settings.contest.tracks[0].name if self.settings.contest.tracks else ""
        return add_team(self.settings.database, name, *people, site=self.settings.site, track=track, at=self.clock())

    def give(self, submission: str, outcome: Outcome | float) -> None:
        """What came of a submission that waits, as a worker would say it."""
        queue = LocalQueue(self.settings.database, self.settings.blobs, self.settings.contest)
        while submission not in self.claims:
            job = queue.claim("test")
            assert job is not None
            self.claims[job.submission] = job
        claimed = self.claims.pop(submission)
        queue.finish(claimed, outcome if isinstance(outcome, Outcome) else self.mark(claimed, outcome))

    def mark(self, claimed: Claimed, value: float) -> Outcome:
        """The same score on all boards of a phase."""
        phase = self.settings.contest.find_phase(claimed.phase)
        assert phase is not None
        verdict = {"score": value, "parts": {"recall": value}}
        marks = [
            Mark(board=board.name, value=value, columns={"recall": value}, verdict=verdict) for board in phase.boards
        ]
        return Outcome(kind="scored", marks=tuple(marks), scorer=name_scorer(), truth=claimed.truth)

    def submit(self, person: Person, answer: bytes = PERFECT, phase: str = "test") -> str:
        """Send in an answer by the API; its id."""
        program = self.program(person, "submit")
        return str(send(program, answer, phase).json()["id"])

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a worker scores."""
        stop = threading.Event()
        queue = LocalQueue(self.settings.database, self.settings.blobs, self.file.contest)
        worker = Worker("near", queue, self.file.contest, self.file.folder, stop, idle_s=0.05)
        thread = threading.Thread(target=worker.run)
        thread.start()
        yield
        stop.set()
        thread.join()

    def look(self, submission: str) -> Submission:
        """A submission as it is now."""
        with self.settings.database.read() as session:
            return session.get_one(Submission, submission)


def reject(*found: str) -> Outcome:
    """An answer with faults."""
    flaws = tuple(
        Flaw(file="a.csv", where=f"row {i}", found=text, wanted="a number") for i, text in enumerate(found, 2)
    )
    return Outcome(kind="rejected", faults=flaws, reason=f"{len(flaws)} faults")


@contextmanager
def serve_contest(
    folder: Path,
    *phases: dict[str, Any],
    traffic: dict[str, Any] | None = None,
    provider: Provider | None = None,
    **facts: Any,
) -> Iterator[Served]:
    """A host of such a contest on a free port."""
    file = write_contest(folder / "contest", *phases, **facts)
    database, clock = open_store(f"sqlite:///{folder / 'host.db'}"), Clock()
    with database.write() as session:
        state_truths(session, digest_truths(file.contest, file.folder))
        state_canaries(session, file.contest, find_canaries(file.contest, file.folder))
    settings = Settings(
        publish(file),
        "http://127.0.0.1",
        database,
        open_blobs(str(folder / "blobs")),
        folder / "spool",
        open_sender(f"file:{folder / 'mails'}", "olga@example.org"),
        provider,
        Traffic(**{**FREE, **(traffic or {})}),
        clock,
    )
    config = uvicorn.Config(create_app(settings), port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    served = Served(f"http://127.0.0.1:{port}", settings, file, clock, folder / "mails")
    try:
        yield served
    finally:
        for client in served.opened:
            client.close()
        server.should_exit = True
        thread.join()
        database.engine.dispose()


def wait_for(is_so: Any, most_s: float = 60.0) -> None:
    """Until something is so; what takes a second takes a minute on a machine that others use up."""
    deadline = time.monotonic() + most_s
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def read_token(client: httpx.Client, page: str) -> str:
    """What the forms of a page carry."""
    found = re.search(r'name="form_token" value="(\w+)"', client.get(page).text)
    assert found is not None, f"{page} has no form"
    return found[1]


def post(client: httpx.Client, page: str, to: str, files: Any = None, **fields: Any) -> httpx.Response:
    """Send a form of a page."""
    return client.post(to, data={"form_token": read_token(client, page), **fields}, files=files)


def send(program: httpx.Client, answer: bytes, phase: str = "test", name: str = "a.csv") -> httpx.Response:
    """Send in an answer by the API in one part; the last answer, or the first refusal."""
    announced = announce(program, answer, phase, name)
    if announced.is_error:
        return announced
    upload = announced.json()["id"]
    put = program.put(f"/api/v1/uploads/{upload}?offset=0", content=answer)
    return put if put.is_error else program.post(f"/api/v1/uploads/{upload}/complete")


def announce(program: httpx.Client, answer: bytes, phase: str = "test", name: str = "a.csv") -> httpx.Response:
    """Begin to send in an answer by the API."""
    facts = {"phase": phase, "name": name, "size": len(answer), "sha256": hashlib.sha256(answer).hexdigest()}
    return program.post("/api/v1/uploads", json=facts)
