"""The front page, the rules, what participants are given, and the queue."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from overtrace.errors import NotFound
from overtrace.host.appeals import find_planned_window
from overtrace.host.contest import Contest, Download, Phase
from overtrace.host.queue import read_queue
from overtrace.host.web.live import find_newest
from overtrace.host.web.settings import Host
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Anyone

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Given:
    """A download as it is shown."""

    facts: Download
    address: str
    size: int | None
    """None for one that lies elsewhere."""


def find_state(phase: Phase, at: datetime) -> str:
    """Of a phase: ``to come``, ``open`` or ``closed``."""
    return "to come" if at < phase.start else "open" if at < phase.end else "closed"


def list_dates(contest: Contest) -> list[tuple[datetime, str]]:
    """What happens when, in order; of what comes at one time, ends stand first."""
    dates = [(phase.end, f"{phase.title} ends") for phase in contest.phases]
    if contest.teams.locks_at is not None:
        dates.append((contest.teams.locks_at, "Teams lock: members, order and track stand"))
    if contest.replication.reply_by is not None:
        dates.append((contest.replication.reply_by, "Winners have delivered their containers"))
    window = find_planned_window(contest)
    if window is not None:
        dates += [(window[0], "Teams may appeal"), (window[1], "Appeals end")]
    dates += [(phase.start, f"{phase.title} begins") for phase in contest.phases]
    return sorted(dates, key=lambda date: date[0])


@router.get("/")
def front(request: Request, host: Host, visitor: Anyone) -> Response:
    """What the contest is about, and where it stands."""
    states = {phase.name: find_state(phase, visitor.at) for phase in host.contest.phases}
    return render(request, "front.html", {"states": states, "dates": list_dates(host.contest)})


@router.get("/rules")
def rules(request: Request) -> Response:
    """The rules."""
    return render(request, "rules.html")


@router.get("/data")
def data(request: Request, host: Host, visitor: Anyone) -> Response:
    """What participants are given."""
    given = {
        phase.name: [
            _describe(host.public.downloads.get(f"{phase.name}/{number}"), download, f"/data/{phase.name}/{number}")
            for number, download in enumerate(phase.downloads, start=1)
        ]
        for phase in host.contest.phases
    }
    states = {phase.name: find_state(phase, visitor.at) for phase in host.contest.phases}
    return render(request, "data.html", {"given": given, "states": states, "seals": host.public.seals})


@router.get("/data/{phase}/{number}")
def download(phase: str, number: int, host: Host, visitor: Anyone) -> Response:
    """One of its files, once the phase has begun."""
    path, known = host.public.downloads.get(f"{phase}/{number}"), host.contest.find_phase(phase)
    if path is None or known is None or (visitor.at < known.start and not visitor.organises):
        raise NotFound("there is no such file, or its phase has not begun: look at the data page")
    return FileResponse(path, filename=path.name, content_disposition_type="attachment")


@router.get("/queue")
def queue(request: Request, host: Host, visitor: Anyone) -> Response:
    """What waits, and for how long."""
    with host.database.read() as session:
        found = read_queue(session, visitor.at)
    return render(request, "queue.html", {"queue": found})


@router.get("/healthz")
def healthz(host: Host, visitor: Anyone) -> Response:
    """For whoever watches: the database answers; the age of what waits longest, in seconds."""
    find_newest(host.database)
    with host.database.read() as session:
        oldest = read_queue(session, visitor.at).oldest
    return PlainTextResponse(f"ok {0 if oldest is None else oldest.total_seconds():.0f}\n")


def _describe(path: Path | None, facts: Download, address: str) -> Given:
    if path is None:
        return Given(facts, facts.address, None)
    return Given(facts, address, path.stat().st_size)
