"""``python -m overtrace.host.local_worker``: the worker beside a host, which alone is told where the truth lies.

Its orders come in one line of JSON on its input, so that no list of processes shows the password of a database.
"""

import logging
import os
import socket
import sys
import threading
from pathlib import Path

from overtrace.errors import OvertraceError
from overtrace.host.blobs import open_blobs
from overtrace.host.contest import Frozen
from overtrace.host.contest_file import read_contest
from overtrace.host.database import Database, open_database
from overtrace.host.scorer import die_with_parent
from overtrace.host.truths import digest_truths, state_truths
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
    scores: bool = True
    """Not if all workers are elsewhere: they are told what to score against, too."""


def main() -> None:
    """Work until told to stop."""
    die_with_parent()
    logging.basicConfig(format="%(name)s: %(message)s")
    stop = threading.Event()
    stop_when_told(stop)
    try:
        work(Orders.model_validate_json(sys.stdin.readline()), stop)
    except OvertraceError as error:
        print(f"overtrace: worker: {error}", file=sys.stderr)
        sys.exit(1)


def work(orders: Orders, stop: threading.Event) -> None:
    """Tell the host what answers are scored against, and score."""
    file = read_contest(orders.contest)
    database, blobs = Database(open_database(orders.db)), open_blobs(orders.store)
    with database.write() as session:
        state_truths(session, digest_truths(file.contest, file.folder))
    if not orders.scores:
        return
    if orders.demo:
        from overtrace.host.demo import fill

        threading.Thread(target=fill, args=(file, database, blobs, orders.spool, stop), daemon=True).start()
    queue = LocalQueue(database, blobs, file.contest)
    Worker(name_worker(orders.number), queue, file.contest, file.folder, stop).run()


def name_worker(number: int = 1) -> str:
    """Such as ``machine-1``."""
    return f"{socket.gethostname()[:40]}-{number or os.getpid()}"


if __name__ == "__main__":
    main()
