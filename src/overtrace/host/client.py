"""Answers sent in from a command line: in parts, so that whoever is killed goes on where the host has stopped.

The id of its upload is noted aside until the receipt is saved: whoever was killed between the two gets the receipt of
the submission that the host has made, and spends no second try.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from overtrace.errors import BadOption, BadOutput, NotFound, Refused, Unavailable
from overtrace.host.connection import Connection

API = "/api/v1"
PART_BYTES = 4 * 2**20
WAITS_S = (1, 2, 4, 8, 15, 30, 30, 30, 30, 30)
"""Before the host is asked again that did not answer."""
OPEN = ("asked", "reminded")
"""States of a delivery that is not handed over."""


class Display(Protocol):
    """Where is shown how far it is."""

    def begin(self, task: str, total: int) -> None:
        """So many bytes are to come."""

    def advance(self, count: int) -> None:
        """So many more are done."""

    def say(self, text: str) -> None:
        """Something has happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A file that is to be sent in."""

    path: Path
    phase: str
    note: str
    size: int
    sha256: str
    kind: str = "answer"
    """Or ``image`` or ``weights`` of a delivery, which have no phase."""


def read_answer(path: Path, phase: str, note: str, display: Display, kind: str = "answer") -> Answer:
    """A file and its digest.

    Raises:
        BadOption: if it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            display.begin("reading", path.stat().st_size)
            while part := file.read(PART_BYTES):
                digest.update(part)
                size += len(part)
                display.advance(len(part))
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}: name one file, and pack a folder first") from error
    return Answer(path, phase, note, size, digest.hexdigest(), kind)


def find_note(server: str, answer: Answer) -> Path:
    """Where the id of its upload is noted."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    key = hashlib.sha256(f"{server}\n{answer.phase or answer.kind}\n{answer.sha256}".encode()).hexdigest()
    return state / "overtrace" / "uploads" / key


def submit(connection: Connection, answer: Answer, noted: Path, display: Display) -> dict[str, Any]:
    """Send in an answer, or go on with it.

    Args:
        noted: from ``find_note``; whoever has saved the receipt removes it.
    Returns:
        The submission with its receipt, as the host describes it.
    Raises:
        NotAllowed: if the token is not good for it.
        Refused: if the rules do not allow it.
        Unavailable: if the host does not answer for minutes; the same call goes on then.
    """
    made = _find_made(connection, noted)
    if made is not None:
        return made
    part_bytes = min(PART_BYTES, int(connection.ask("GET", f"{API}/contest")["part_bytes"]))
    offer: dict[str, str | int] = {"phase": answer.phase, "kind": answer.kind, "name": answer.path.name}
    offer |= {"size": answer.size, "sha256": answer.sha256}
    upload = connection.ask("POST", f"{API}/uploads", offer)
    _write_note(noted, upload["id"])
    place = f"{API}/uploads/{upload['id']}"
    _send_rest(connection, answer, place, int(upload["received"]), part_bytes, display)
    return dict(_insist(connection, display, "POST", f"{place}/complete", {"note": answer.note}))


def deliver(connection: Connection, server: str, files: Sequence[Answer], display: Display) -> dict[str, Any]:
    """Send the files of a delivery, or go on with them, and hand it over.

    Returns:
        The delivery, as the host describes it.
    Raises:
        NotFound: if the team was not asked.
        Refused: if it is too late, or something else is missing; the files stay.
    """
    there = connection.ask("GET", f"{API}/delivery")
    missing = [file for file in files if there[file.kind] != file.sha256]
    if not missing and there["state"] not in OPEN:
        return dict(there)
    for file in missing:
        noted = find_note(server, file)
        submit(connection, file, noted, display)
        noted.unlink(missing_ok=True)
    return dict(_insist(connection, display, "POST", f"{API}/delivery/hand-over"))


def _find_made(connection: Connection, noted: Path) -> dict[str, Any] | None:
    """The submission that was made of an upload already; None if none was."""
    upload = noted.read_text() if noted.exists() else ""
    if not upload:
        return None
    place = f"{API}/uploads/{upload}"
    try:
        # One that is still on its way is found again by what is in it.
        return dict(connection.ask("POST", f"{place}/complete")) if connection.ask("GET", place)["ended"] else None
    except (NotFound, Refused):
        return None


def _write_note(noted: Path, upload: str) -> None:
    try:
        noted.parent.mkdir(parents=True, exist_ok=True)
        noted.write_text(upload)
    except OSError as error:
        raise BadOutput(f"{noted} cannot be written: {error.strerror}: set XDG_STATE_HOME to another folder") from error


def _send_rest(
    connection: Connection, answer: Answer, place: str, received: int, part_bytes: int, display: Display
) -> None:
    if received:
        display.say(f"goes on at {received:,} of {answer.size:,} bytes")
    display.begin("sending", answer.size)
    display.advance(received)
    with answer.path.open("rb") as file:
        while received < answer.size:
            file.seek(received)
            part = file.read(part_bytes)
            if not part:
                raise BadOption(f"{answer.path} became shorter while it was sent: send it again")
            there = int(_insist(connection, display, "PUT", f"{place}?offset={received}", content=part)["received"])
            display.advance(there - received)
            received = there


def _insist(
    connection: Connection, display: Display, method: str, path: str, json: Any = None, content: bytes | None = None
) -> Any:
    """Ask again and again, if it is the host that does not answer; whatever is asked here may be asked twice."""
    for wait_s in WAITS_S:
        try:
            return connection.ask(method, path, json, content)
        except Unavailable as error:
            display.say(f"{error}; again in {wait_s} s")
            time.sleep(wait_s)
    return connection.ask(method, path, json, content)


def save_receipt(answer: Answer, submission: dict[str, Any]) -> Path:
    """Write the receipt of a submission beside its answer.

    Raises:
        BadOutput: if it cannot be written; the submission counts all the same.
    """
    place = answer.path.with_name(f"{answer.path.name}.receipt-{submission['number']}.json")
    try:
        place.write_text(json.dumps(submission["receipt"], indent=1) + "\n")
    except OSError as error:
        raise BadOutput(
            f"submission {submission['number']} is accepted, but {place} cannot be written: {error.strerror}: "
            "get its receipt from the page My submissions"
        ) from error
    return place
