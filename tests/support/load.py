"""Processes that take in and score many answers, made to be killed at any moment."""

import logging
import threading
import time
from pathlib import Path

from overtrace.errors import Refused, Unavailable
from overtrace.host.jobs import Patience
from overtrace.host.schema import open_store
from overtrace.host.worker import LocalQueue, Worker, stop_when_told
from tests.support.hosted import NOON, answer, make_host

PATIENCE = Patience(lease_s=2, back_off_s=0.2, attempts=3)
Item = tuple[str, int]
"""A team, and the number of an answer."""


def take_in(address: str, folder: Path, limits: dict, items: list[Item], journal: Path) -> None:
    """What the host does with each answer, for clients that ask again whenever they hear nothing.

    Like a client, it keeps the name of each upload before it goes on, so that it completes the same one.
    """
    host = make_host(open_store(address), folder, limits)
    known = {}
    if journal.exists():
        # A line that a kill cut short is none.
        rows = [line.split() for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
        known = {(team, int(number)): upload for team, number, upload, *_ in rows}
    rest = list(items)
    while rest:
        team, number = rest.pop(0)
        content = answer(number)
        try:
            upload = known.get((team, number)) or host.announce(team, content)
            known[team, number] = upload
            with journal.open("a") as file:
                file.write(f"{team} {number} {upload}\n")
            if host.uploads.find(upload).ended_at is None:
                host.uploads.append(upload, 0, content[:5])
                host.uploads.append(upload, 5, content[5:])
            host.uploads.complete(upload, NOON)
        except (Refused, Unavailable):
            rest.append((team, number))
            time.sleep(0.2)


def work(address: str, folder: Path, limits: dict, name: str) -> None:
    """A worker with little patience."""
    logging.disable()
    stop = threading.Event()
    stop_when_told(stop)
    host = make_host(open_store(address), folder, limits)
    queue = LocalQueue(host.database, host.uploads.blobs, host.contest, PATIENCE)
    Worker(name, queue, host.contest, host.folder, stop, idle_s=0.05, again_s=0.05).run()
