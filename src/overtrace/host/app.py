"""The web application of a host: pages, API, and what runs beside them."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from overtrace import __version__
from overtrace.errors import OvertraceError
from overtrace.host import replicating
from overtrace.host.jobs import Patience, reap
from overtrace.host.mails import keep_sending
from overtrace.host.preflight import Preflight
from overtrace.host.sheets import read_sheet
from overtrace.host.ties import Ties
from overtrace.host.web import (
    account,
    announcement,
    api,
    appeals,
    boards,
    certificates,
    copies,
    delivery,
    embed,
    entry,
    front,
    live,
    log,
    organise,
    pictures,
    scorings,
    submissions,
    submit,
    team,
    teams,
    tokens,
    undo,
    winners,
    work,
)
from overtrace.host.web.guard import Guard
from overtrace.host.web.live import Ticker, find_newest
from overtrace.host.web.settings import Settings
from overtrace.host.web.views import STATIC, answer_error
from overtrace.host.web.visitors import guard_form
from overtrace.host.winners import is_due, sweep

PAGES = (
    *(front, boards, entry, account, tokens, team, teams, submit, submissions, delivery, winners),
    *(organise, scorings, announcement, certificates, appeals, embed, copies, undo),
    pictures,
)
EXPIRE_S = 3600.0
REAP_S = 10.0
SWEEP_S = 1.0
COMPARE_S = 1.0
SHEETS = 4
"""With pictures of errors, that are held in memory: a page asks for each picture by itself."""
LOG = logging.getLogger("overtrace.web")


def create_app(settings: Settings) -> FastAPI:
    """The application of a host, which has no way to the truth."""
    app = FastAPI(
        title=settings.contest.title,
        version=__version__,
        lifespan=_live,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.settings = settings
    app.state.ticker = Ticker(settings)
    app.state.standings = {}
    app.state.read_sheet = lru_cache(SHEETS)(partial(read_sheet, settings.blobs))
    app.state.preflight = Preflight(settings.public, settings.spool)
    for pages in PAGES:
        app.include_router(pages.router, include_in_schema=False, dependencies=[Depends(guard_form)])
    for calls in (live, api, log, work):
        app.include_router(calls.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    for kind in (OvertraceError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer_error)
    app.add_middleware(Guard, settings=settings)
    return app


@asynccontextmanager
async def _live(app: FastAPI) -> AsyncIterator[None]:
    """What runs while the application does."""
    settings: Settings = app.state.settings
    stop = threading.Event()
    chores = (
        (_expire, EXPIRE_S),
        (_reap, REAP_S),
        (Sweeper().sweep, SWEEP_S),
        (Referee(settings).compare, COMPARE_S),
    )
    wanted = () if settings.read_only else chores
    threads = [threading.Thread(target=_repeat, args=(settings, stop, *chore), daemon=True) for chore in wanted]
    if settings.sender is not None:
        letters = (settings.database, settings.sender, stop)
        threads.append(threading.Thread(target=keep_sending, args=letters, daemon=True))
    for thread in threads:
        thread.start()
    ticker = asyncio.create_task(app.state.ticker.run())
    try:
        yield
    finally:
        stop.set()
        ticker.cancel()
        with suppress(asyncio.CancelledError):
            await ticker
        app.state.preflight.close()
        for thread in threads:
            thread.join(timeout=5)


def _repeat(settings: Settings, stop: threading.Event, do: Callable[[Settings], object], every_s: float) -> None:
    while not stop.is_set():
        try:
            do(settings)
        except OvertraceError as error:
            LOG.warning("%s", error)
        except Exception:
            # It is tried again: no chore ends before the host.
            LOG.exception("a chore broke off")
        stop.wait(every_s)


class Sweeper:
    """Moves on what waits for winners: when something has happened, or a time has come."""

    def __init__(self) -> None:
        self._seen = ""

    def sweep(self, settings: Settings) -> None:
        """At most one process does so at a time, and it does not matter which."""
        newest = find_newest(settings.database)
        with settings.database.read() as session:
            if newest == self._seen and not is_due(session, settings.contest, settings.clock()):
                return
        with settings.database.write() as session:
            # It may wait here for others: by an older time than theirs, whom it asks now would be late already.
            session.connection()
            sweep(session, settings.site, settings.clock())
        self._seen = newest


class Referee:
    """Compares the teams of boards when something has happened."""

    def __init__(self, settings: Settings) -> None:
        self._ties = Ties(settings.database, settings.blobs, settings.contest)
        self._seen = ""

    def compare(self, settings: Settings) -> None:
        """Several processes may do so, and come to the same."""
        newest = find_newest(settings.database)
        if newest != self._seen:
            self._ties.settle()
            self._seen = newest


def _expire(settings: Settings) -> None:
    settings.uploads.expire(settings.clock())


def _reap(settings: Settings) -> None:
    """Workers do so, too; but the last of them may be lost."""
    with settings.database.write() as session:
        reap(session, settings.clock())
        replicating.reap(session, settings.clock(), Patience())
