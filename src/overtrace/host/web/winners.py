"""The first places after the end: as everyone sees them, and for organisers, who ask them to deliver."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import Response, StreamingResponse

from overtrace.errors import BadOption, NotFound, OvertraceError
from overtrace.host import replicating, winners
from overtrace.host.deliveries import find_gaps
from overtrace.host.removals import read_deliveries
from overtrace.host.tables_after import DROPPED, PENDING, Delivery
from overtrace.host.web.guard import MOST_BODY_BYTES
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Anyone, Known, Organiser

router = APIRouter()
HERE = "/organise/winners"


@router.get("/winners")
def public(request: Request, host: Host, visitor: Anyone) -> Response:
    """Who was asked, and what came of it."""
    with host.database.read() as session:
        return render(request, "winners.html", {"deliveries": read_deliveries(session)})


@router.get(HERE)
def organise(request: Request, host: Host, known: Organiser) -> Response:
    """The same, with all that organisers can do."""
    with host.database.read() as session:
        found = read_deliveries(session)
        gaps = {one.id: find_gaps(one, host.site, known.at) for one in found if one.state in PENDING}
        asked = winners.is_asked(session)
        why_not = "" if asked else _say_why_not(host, known)
        states = {"pending": PENDING, "dropped": DROPPED, "refusal": replicating.read_refusal(session)}
        facts = {"deliveries": found, "gaps": gaps, "asked": asked, "why_not": why_not, **states}
        return render(request, "organise_winners.html", facts)


@router.post(f"{HERE}/ask")
def ask(request: Request, host: Host, known: Organiser) -> Response:
    """Ask the first places to deliver."""
    with host.database.write() as session:
        winners.ask_winners(session, host.site, known.at, known.actor)
    return go(request, HERE, "The winners are asked, by letter. Reminders and the next in line follow by themselves.")


@router.post(f"{HERE}/{{delivery_id}}/deadline")
def deadline(
    request: Request, host: Host, known: Organiser, delivery_id: str, until: Annotated[str, Form()] = ""
) -> Response:
    """Give a team another time; one that has dropped out is asked again."""
    with host.database.write() as session:
        winners.move_deadline(session, host.site, delivery_id, read_time(until), known.at, known.actor)
    return go(request, HERE, "The team has a new deadline, and a letter that says so.")


@router.post(f"{HERE}/{{delivery_id}}/drop")
def drop(
    request: Request, host: Host, known: Organiser, delivery_id: str, reason: Annotated[str, Form()] = ""
) -> Response:
    """Take a team out, for a reason that everyone reads."""
    with host.database.write() as session:
        winners.drop_by_hand(session, host.site, delivery_id, reason, known.at, known.actor)
    return go(request, HERE, "The team has no final rank; the next one is asked.")


@router.post(f"{HERE}/{{delivery_id}}/run")
def run_again(request: Request, host: Host, known: Organiser, delivery_id: str) -> Response:
    """Let its container be run once more."""
    with host.database.write() as session:
        replicating.run_again(session, delivery_id, known.at, known.actor)
    return go(request, HERE, "It waits to be run.")


@router.post(f"{HERE}/{{delivery_id}}/verdict")
def verdict(request: Request, host: Host, known: Organiser, delivery_id: str, file: UploadFile) -> Response:
    """Record the verdict of another machine, by its report."""
    text = file.file.read(MOST_BODY_BYTES).decode("utf-8", "replace")
    with host.database.write() as session:
        report = replicating.record_verdict(session, host.site, delivery_id, text, known.at, known.actor)
    return go(request, HERE, f"The verdict is recorded: {report.verdict}.")


@router.get(f"{HERE}/{{delivery_id}}/log.txt")
def run_log(host: Host, known: Organiser, delivery_id: str) -> Response:
    """What the container wrote, as plain text."""
    with host.database.read() as session:
        one = session.get(Delivery, delivery_id)
        digest = "" if one is None else one.log
    if not digest:
        raise NotFound("there is no log: the container was not run here")
    headers = {"Content-Disposition": f'attachment; filename="{delivery_id}.txt"'}
    return StreamingResponse(host.blobs.read(digest), media_type="text/plain; charset=utf-8", headers=headers)


@router.get(f"{HERE}/{{delivery_id}}/{{kind}}.bin")
def file(host: Host, known: Organiser, delivery_id: str, kind: str) -> Response:
    """A file of a delivery."""
    with host.database.read() as session:
        one = session.get(Delivery, delivery_id)
        digest = {} if one is None else {"image": one.image, "weights": one.weights}
    if not digest.get(kind):
        raise NotFound("there is no such file: look at the list of winners")
    headers = {"Content-Disposition": f'attachment; filename="{delivery_id}-{kind}.bin"'}
    return StreamingResponse(host.blobs.read(digest[kind]), media_type="application/octet-stream", headers=headers)


def read_time(text: str) -> datetime:
    """A time of a form, which is UTC.

    Raises:
        BadOption: if it is none.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadOption(f"{text[:40]!r} is no time: wanted one in UTC, as in 2026-06-01 12:00") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _say_why_not(host: Settings, known: Known) -> str:
    with host.database.read() as session:
        try:
            winners.check_can_ask(session, host.contest, known.at)
        except OvertraceError as error:
            return str(error)
    return ""
