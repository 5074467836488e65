"""A small contest on a host: its folder, its teams, and answers to it."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from overtrace.errors import Refused
from overtrace.host.blobs import open_blobs
from overtrace.host.contest import Contest
from overtrace.host.database import Database
from overtrace.host.ids import new_id
from overtrace.host.schema import open_store
from overtrace.host.tables import Person, Submission, Team, Upload
from overtrace.host.truths import digest_truths, state_truths
from overtrace.host.uploads import Offer, Uploads

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TRUTH = "x,y\n0,0\n100,0\n"
PERFECT = b"x,y\n0,0\n100,0\n"
BOARD = {"name": "all", "title": "All", "columns": [{"title": "precision", "path": "precision"}]}


def make_contest(folder: Path, limits: dict[str, Any] | None = None, **changes: Any) -> Contest:
    """Two trees on one image, to be found as points; times are those above unless ``phases`` says otherwise."""
    truth = folder / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    (truth / "a.csv").write_text(TRUTH)
    phase = {"name": "test", "title": "Test", "start": START, "end": END, "truth": "truth", "boards": [BOARD]}
    phase["limits"] = limits or {}
    content = {
        "name": "trees",
        "title": "Trees",
        "challenge": "trees",
        "organisers": [{"name": "Ada", "email": "ada@example.org"}],
        "phases": [phase],
        **changes,
    }
    return Contest.model_validate(content)


@dataclass(frozen=True)
class Host:
    """What a test of a host needs."""

    database: Database
    uploads: Uploads
    contest: Contest
    folder: Path

    def add_team(self, name: str, at: datetime = START) -> str:
        """A team of one; its id, which is the person's too."""
        team = new_id(at)
        with self.database.write() as session:
            session.add(Person(id=team, email=f"{name}@example.org", name=name, created_at=at))
            session.flush()
            session.add(Team(id=team, name=name, folded=name, contact_id=team, created_at=at))
        return team

    def announce(self, team: str, answer: bytes, at: datetime = NOON, **changes: Any) -> str:
        """Begin an upload; its id."""
        facts = {"name": "a.csv", "size": len(answer), "sha256": hashlib.sha256(answer).hexdigest(), "phase": "test"}
        return self.uploads.begin(team, team, Offer(**{**facts, **changes}), at).id

    def send(self, team: str, answer: bytes, at: datetime = NOON, **changes: Any) -> str:
        """Upload a whole answer without making a submission of it; the id of the upload."""
        upload = self.announce(team, answer, at, **changes)
        self.uploads.append(upload, 0, answer)
        return upload

    def submit(self, team: str, answer: bytes = PERFECT, at: datetime = NOON, **changes: Any) -> Submission:
        """Upload a whole answer and make a submission of it."""
        return self.uploads.complete(self.send(team, answer, at, **changes), at)

    def look(self, submission: str) -> Submission:
        """A submission as it is now, its scores loaded."""
        with self.database.read() as session:
            found = session.get_one(Submission, submission)
            assert found.scores is not None
            return found


def make_host(database: Database, folder: Path, limits: dict[str, Any] | None = None, **changes: Any) -> Host:
    """A host in a folder."""
    contest = make_contest(folder / "contest", limits, **changes)
    with database.write() as session:
        state_truths(session, digest_truths(contest, folder / "contest"))
    uploads = Uploads(database, open_blobs(str(folder / "blobs")), contest, folder / "spool")
    return Host(database, uploads, contest, folder / "contest")


def answer(number: int) -> bytes:
    """One of many different answers; each is worth 2 / 3."""
    return f"x,y\n0,{number % 5}\n{number + 1000},0\n".encode()


def announce_many(host: Host, team: str, number: int, at: datetime = NOON) -> list[str]:
    """Uploads whose bytes are all here, more than a team may have on their way."""
    host.uploads.spool.mkdir(parents=True, exist_ok=True)
    made = []
    with host.database.write() as session:
        for i in range(number):
            content = answer(i)
            facts = {"name": "a.csv", "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            upload = Upload(
                id=new_id(at), team_id=team, person_id=team, phase="test", received=len(content), started_at=at, **facts
            )
            session.add(upload)
            (host.uploads.spool / upload.id).write_bytes(content)
            made.append(upload.id)
    return made


def complete_many(address: str, folder: Path, limits: dict[str, Any], uploads: list[str]) -> list[str]:
    """Complete uploads at one time, each by a thread and connection of its own; the submissions, "" where refused.

    For a process of its own.
    """
    database = open_store(address)
    host = make_host(database, folder, limits)
    gate = threading.Barrier(len(uploads))

    def complete(upload: str) -> str:
        gate.wait()
        try:
            return host.uploads.complete(upload, NOON).id
        except Refused:
            return ""

    with ThreadPoolExecutor(len(uploads)) as pool:
        return list(pool.map(complete, uploads))


def append_parts(address: str, folder: Path, upload: str, content: bytes, part: int) -> int:
    """Send a file in parts from its begin, whoever else does; how many bytes are there in the end. For a process."""
    uploads = make_host(open_store(address), folder).uploads
    for at in range(0, len(content), part):
        received = uploads.append(upload, at, content[at : at + part])
    return received
