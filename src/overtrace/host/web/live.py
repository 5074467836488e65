"""Server-sent events: a page is told that something has changed, and asks for its own parts again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from sse_starlette.sse import EventSourceResponse

from overtrace.errors import OvertraceError
from overtrace.host.database import Database
from overtrace.host.events import Head, find_head
from overtrace.host.ties import count_revisions
from overtrace.host.web.errors import Failed
from overtrace.host.web.settings import Host, Settings

EVERY_S = 0.5
"""Between two looks at the log: so often at most a page is told something."""
PING_S = 15
LOG = logging.getLogger("overtrace.web")
router = APIRouter(include_in_schema=False)


class Ticker:
    """Looks whether the log has grown, or a phase has begun or ended; once for all pages."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = asyncio.Event()
        self.newest = ""
        """Another text whenever something has changed."""
        self.head: Head | None = None
        """The last line of the log; None before the first look."""
        self.listeners = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                newest = await run_sync(self.look)
            except OvertraceError as error:
                LOG.warning("%s", error)
            else:
                if newest != self.newest:
                    self.newest = newest
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(EVERY_S)

    def look(self) -> str:
        """What stands for all that pages show."""
        at = self._settings.clock()
        times = [time for phase in self._settings.contest.phases for time in (phase.start, phase.end)]
        with self._settings.database.read() as session:
            self.head, compared = find_head(session), count_revisions(session)
        return f"{self.head.number}.{compared}.{sum(time <= at for time in times)}"

    async def listen(self) -> AsyncIterator[dict[str, Any]]:
        """What one page is told."""
        self.listeners += 1
        try:
            while True:
                changed = self._changed
                yield {"event": "changed", "data": self.newest}
                await changed.wait()
        finally:
            self.listeners -= 1


def find_newest(database: Database) -> str:
    """The number of the last line of the log, and how often places have been compared."""
    with database.read() as session:
        return f"{find_head(session).number}.{count_revisions(session)}"


@router.get("/events")
async def events(request: Request, host: Host) -> EventSourceResponse:
    """The stream of a page."""
    ticker: Ticker = request.app.state.ticker
    if ticker.listeners >= host.traffic.listeners:
        raise Failed(503, "too many pages are open: reload this one now and then")
    return EventSourceResponse(ticker.listen(), ping=PING_S)
