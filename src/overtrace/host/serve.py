"""A whole host from one contest file: the web in this process, each worker in one of its own."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from overtrace.errors import BadOption
from overtrace.host.app import create_app
from overtrace.host.blobs import open_blobs
from overtrace.host.contest import Contest
from overtrace.host.contest_file import ContestFile, read_contest
from overtrace.host.database import Database, now
from overtrace.host.events import record
from overtrace.host.founder import make_first_link
from overtrace.host.local_worker import Orders
from overtrace.host.people import appoint_organisers
from overtrace.host.places import BLOBS, DATABASE
from overtrace.host.public import publish
from overtrace.host.replicating import can_run, foresee_refusal, state_refusal
from overtrace.host.schema import open_store
from overtrace.host.senders import open_sender
from overtrace.host.site import Site
from overtrace.host.web.settings import Settings

if TYPE_CHECKING:
    from overtrace.host.openid import Provider

WORKER = [sys.executable, "-P", "-m", "overtrace.host.local_worker"]
AGAIN_S = 2.0
"""Before a worker that ended is started again."""
STOP_S = 10.0
"""For a worker to give its job back."""
GRACE_S = 3
"""For answers that are on their way when the host is told to stop."""
LOG = logging.getLogger("overtrace.host")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a host is started with."""

    contest: Path
    """Its file."""
    folder: Path
    """For what the host keeps, where no other place is named."""
    db: str = ""
    store: str = ""
    interface: str = "127.0.0.1"
    port: int = 8000
    """0 for any that is free."""
    address: str = ""
    """As browsers see it; empty for that of interface and port."""
    mail: str = "console:"
    mail_from: str = ""
    """Empty for the first organiser."""
    workers: int = 1
    demo: bool = False
    read_only: bool = False
    """Only to be looked at: nothing is taken, scored or sent."""


def serve(plan: Plan, say: Callable[[str], None]) -> None:
    """Hold a contest until told to stop.

    Raises:
        BadContest: if the contest file is not in order.
        BadOption: if a place cannot be used.
    """
    logging.basicConfig(format="%(name)s: %(message)s")
    file = read_contest(plan.contest, truth=not plan.read_only)
    make_private(plan.folder)
    listener = listen(plan.interface, plan.port)
    address = plan.address.rstrip("/") or f"http://{plan.interface}:{listener.getsockname()[1]}"
    db, store = plan.db or f"sqlite:///{plan.folder / DATABASE}", plan.store or str(plan.folder / BLOBS)
    database = open_store(db)
    spool = plan.folder / "uploads"
    settings = Settings(
        publish(file),
        address,
        database,
        open_blobs(store),
        spool,
        None if plan.read_only else open_sender(plan.mail, plan.mail_from or file.contest.organisers[0].email),
        None if plan.read_only else find_provider(),
        read_only=plan.read_only,
    )
    say(f"{file.contest.title}: {address}")
    link = "" if plan.read_only else begin(database, settings.site, file, plan.workers)
    if link and not plan.demo:
        say(f"You are its first organiser: set your password, once and within an hour, at\n{link}")
    orders = Orders(contest=plan.contest.absolute(), db=db, store=store, spool=spool.absolute(), demo=plan.demo)
    workers = 0 if plan.read_only else plan.workers
    if not workers and not plan.read_only:
        tell_workers(orders)
    crew = Crew(
        [orders.model_copy(update={"number": i, "demo": plan.demo and i == 1}) for i in range(1, workers + 1)]
        + _order_replicator(plan, orders, file.contest, address)
    )
    config = uvicorn.Config(
        create_app(settings), log_level="warning", server_header=False, timeout_graceful_shutdown=GRACE_S, lifespan="on"
    )
    try:
        Server(config, crew).run(sockets=[listener])
    finally:
        crew.stop()
        database.engine.dispose()


def _order_replicator(plan: Plan, orders: Orders, contest: Contest, address: str) -> list[Orders]:
    """A worker that runs containers, if there will be any; it scores nothing, as one may take hours."""
    if not plan.workers or plan.read_only or not can_run(contest):
        return []
    facts = {"number": plan.workers + 1, "replicates": True, "demo": False, "address": address}
    return [orders.model_copy(update=facts)]


def find_provider() -> "Provider | None":
    """Whom the environment names; None for nobody."""
    if not any(name.startswith("OVERTRACE_OPENID_") for name in os.environ):
        return None
    from overtrace.host.openid import read_provider

    return read_provider(os.environ)


def begin(database: Database, site: Site, file: ContestFile, workers: int) -> str:
    """Note that the host has started, and by which file; the link for a first organiser, if there is none yet."""
    at = now()
    with database.write() as session:
        record(session, "host", "host.started", "host", at, contest=file.sha256)
        state_refusal(session, foresee_refusal(file.contest, workers))
        appoint_organisers(session, site.contest, at)
        return make_first_link(session, site, at)


def tell_workers(orders: Orders) -> None:
    """Let the host know what workers elsewhere are to score against; this process does not read it.

    Raises:
        BadOption: if it cannot be read.
    """
    said = orders.model_copy(update={"scores": False}).model_dump_json().encode() + b"\n"
    if subprocess.run(WORKER, input=said).returncode:
        raise BadOption("what is true cannot be read, as is said above: put it where the contest file names it")


class Server(uvicorn.Server):
    """Starts workers when it answers, and ends as it is told."""

    def __init__(self, config: uvicorn.Config, crew: "Crew") -> None:
        super().__init__(config)
        self._crew = crew

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer first: to load what workers need takes a while."""
        await super().startup(sockets)
        self._crew.start()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, which is then no error."""
        # uvicorn raises them anew when it has ended.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        super().run(sockets=sockets)


class Crew:
    """The workers beside a host, each started again whenever it ends."""

    def __init__(self, orders: list[Orders]) -> None:
        self._stopping = threading.Event()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        # A process ends with the thread that started it: these live as long as the host.
        self._threads = [threading.Thread(target=self._keep, args=(one,), daemon=True) for one in orders]

    def start(self) -> None:
        """Let them work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each give back its job, and end it."""
        self._stopping.set()
        for process in list(self._running.values()):
            process.terminate()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_S)
        for process in list(self._running.values()):
            process.kill()

    def _keep(self, orders: Orders) -> None:
        while not self._stopping.is_set():
            # In a session of its own: Ctrl-C is for the host, which then ends it.
            with subprocess.Popen(WORKER, stdin=subprocess.PIPE, start_new_session=True) as process:
                self._running[orders.number] = process
                assert process.stdin is not None
                told = orders.model_copy(update={"parent": os.getpid()})
                process.stdin.write(told.model_dump_json().encode() + b"\n")
                process.stdin.close()
                if self._stopping.is_set():
                    process.terminate()
                code = process.wait()
            del self._running[orders.number]
            if not self._stopping.is_set():
                LOG.warning("worker %d ended with %d: it is started again", orders.number, code)
                self._stopping.wait(AGAIN_S)


def make_private(folder: Path) -> None:
    """A folder that nobody else can look into.

    Raises:
        BadOption: if it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadOption(f"--folder {folder} cannot be made: {error.strerror}: name another one") from error


def listen(interface: str, port: int) -> socket.socket:
    """A socket.

    Raises:
        BadOption: if the port is taken.
    """
    try:
        return socket.create_server((interface, port), backlog=2048)
    except OSError as error:
        raise BadOption(f"--port {port} of {interface}: {error.strerror}: name another one, or 0 for any") from error
