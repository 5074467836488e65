"""``python -m overtrace.host.local_worker``: the worker beside a host, which alone is told where the truth lies.

Its orders come in one line of JSON on its input, so that no list of processes shows the password of a database.
"""

import logging
import os
import socket
import sys
import threading
from pathlib import Path

from overtrace.errors import BadAnswer, BadOption, OvertraceError
from overtrace.host.blobs import Blobs, open_blobs
from overtrace.host.canaries import find_canaries, state_canaries
from overtrace.host.contest import Frozen
from overtrace.host.contest_file import ContestFile, read_contest
from overtrace.host.database import Database, now, open_database
from overtrace.host.events import record
from overtrace.host.marking import name_scorer
from overtrace.host.rescoring import list_changed
from overtrace.host.scorer import die_with_parent
from overtrace.host.site import Site
from overtrace.host.truths import digest_truths, find_readable, state_truths
from overtrace.host.worker import LocalQueue, Worker, stop_when_told


class Orders(Frozen):
    """What a worker is told."""

    contest: Path
    """Its file."""
    db: str
    store: str
    spool: Path
    number: int = 1
    demo: bool = False
    """Whether to fill the contest, too."""
    replicates: bool = False
    """Whether to run containers of winners, and not to score."""
    address: str = ""
    """Of the host, for letters."""
    parent: int = 0
    """The process of the host; 0 for any."""
    scores: bool = True
    """Not if all workers are elsewhere: they are told what to score against, too."""


def main() -> None:
    """Work until told to stop."""
    die_with_parent()
    logging.basicConfig(format="%(name)s: %(message)s")
    stop = threading.Event()
    stop_when_told(stop)
    try:
        orders = Orders.model_validate_json(sys.stdin.readline())
        if orders.parent in (0, os.getppid()):  # else it has ended before it could take this one with it
            work(orders, stop)
    except OvertraceError as error:
        print(f"overtrace: worker: {error}", file=sys.stderr)
        sys.exit(1)


def work(orders: Orders, stop: threading.Event) -> None:
    """Tell the host what answers are scored against, and score."""
    file = read_contest(orders.contest)
    database, blobs = Database(open_database(orders.db)), open_blobs(orders.store)
    if orders.replicates:
        _replicate(orders, file, database, blobs, stop)
        return
    tell_host(database, file)
    if not orders.scores:
        return
    if orders.demo:
        from overtrace.host.demo import fill

        threading.Thread(target=fill, args=(file, database, blobs, orders.spool, stop), daemon=True).start()
    queue = LocalQueue(database, blobs, file.contest)
    Worker(name_worker(orders.number), queue, file.contest, file.folder, stop).run()


def tell_host(database: Database, file: ContestFile) -> None:
    """What is true, and by which code answers are scored; and say which boards show something else."""
    digests, scorer = digest_truths(file.contest, file.folder), name_scorer()
    canaries = _find_canaries(file)
    with database.write() as session:
        state_canaries(session, file.contest, canaries)
        if state_truths(session, digests, scorer):
            record(session, "host", "truth.stated", "host", now(), scorer=scorer, truths=digests)
        changed = list_changed(session, file.contest)
    readable = find_readable(file.contest, file.folder)
    if readable:
        print(
            f"overtrace: what is true can be read by other users of this machine: {len(readable):,} files, such as "
            f"{readable[0]}: chmod -R go= what the contest file names as truth",
            flush=True,
        )
    for phase in changed:
        print(
            f"overtrace: phase {phase}: truth, rule or scorer has changed since its boards were scored: they stay as "
            "they are, and new answers are set aside, until you rescore it on the page Organise, Scorings",
            flush=True,
        )


def _find_canaries(file: ContestFile) -> dict[str, frozenset[str]]:
    """Of a truth that is not ready yet, none: its phase may begin much later."""
    try:
        return find_canaries(file.contest, file.folder)
    except BadAnswer as error:
        print(f"overtrace: canaries are not watched, as a truth is not in order: {error}", flush=True)
        return {}


def _replicate(orders: Orders, file: ContestFile, database: Database, blobs: Blobs, stop: threading.Event) -> None:
    """Run containers of winners; on a machine that cannot hold them in, say so once, and run none."""
    from overtrace.host.isolation import find_engine
    from overtrace.host.replicating import state_refusal
    from overtrace.host.replicator import Replicator

    why = ""
    try:
        find_engine()
    except BadOption as error:
        why = str(error)
        print(f"overtrace: containers of winners are not run here: {why}", file=sys.stderr)
    with database.write() as session:
        state_refusal(session, why)
    if why:
        stop.wait()
        return
    site = Site(file.contest, orders.address)
    Replicator(name_worker(orders.number), database, blobs, file, site, stop).run()


def name_worker(number: int = 1) -> str:
    """Such as ``machine-1``."""
    return f"{socket.gethostname()[:40]}-{number or os.getpid()}"


if __name__ == "__main__":
    main()
