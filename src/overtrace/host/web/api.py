"""The API for programs: what the pages do, as JSON, under ``/api/v1``.

Programs show a token: ``Authorization: Bearer TOKEN``. What everyone may see needs none.
"""

import os
import shutil
import tempfile
from datetime import datetime
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from overtrace import __version__
from overtrace.errors import NotFound, Refused
from overtrace.host import deliveries
from overtrace.host import submissions as store
from overtrace.host.canaries import watch_check
from overtrace.host.contest import Phase
from overtrace.host.deliveries import FILES, find_delivery, find_gaps
from overtrace.host.outcome import Outcome
from overtrace.host.preflight import find_scored_phase
from overtrace.host.queue import read_queue
from overtrace.host.receipts import find_key, make_receipt, show_public_key
from overtrace.host.results import find_own, find_result, list_results
from overtrace.host.standings import is_shown, read_released
from overtrace.host.tables import FileKind, Upload
from overtrace.host.tables_after import Delivery
from overtrace.host.uploads import Offer
from overtrace.host.web.boards import choose_board, see_standing
from overtrace.host.web.errors import TooOften
from overtrace.host.web.front import find_state
from overtrace.host.web.guard import MOST_PART_BYTES
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.team import find_own_team
from overtrace.host.web.visitors import Anyone, Known, Reader, Submitter, find_caller

router = APIRouter(prefix="/api/v1")
Json = dict[str, Any]


class Announcement(BaseModel):
    """A file that is about to come."""

    phase: str = Field(default="", max_length=64)
    kind: FileKind = FileKind.ANSWER
    name: str = Field(max_length=200)
    size: int
    sha256: str = Field(max_length=64)


class Note(BaseModel):
    """What a team says of a submission."""

    note: str = ""


@router.get("/contest")
def contest(host: Host, visitor: Anyone) -> Json:
    """What the contest is, its phases, the board to look at first, and the time here."""
    facts, chosen = host.contest, choose_board(host, visitor)
    return {
        "name": facts.name,
        "title": facts.title,
        "challenge": facts.challenge,
        "profile": facts.profile,
        "tracks": [track.model_dump() for track in facts.tracks],
        "phases": _show_phases(host, visitor.at),
        "board": None if chosen is None else {"phase": chosen[0].name, "board": chosen[1].name},
        "server_time": visitor.at.isoformat(),
        "part_bytes": MOST_PART_BYTES,
        "version": __version__,
    }


@router.get("/phases")
def phases(host: Host, visitor: Anyone) -> Json:
    """The phases, and the time here."""
    return {"phases": _show_phases(host, visitor.at), "server_time": visitor.at.isoformat()}


@router.get("/boards/{phase}/{board}")
def board(request: Request, phase: str, board: str, host: Host, visitor: Anyone) -> Json:
    """A board that is shown."""
    return see_standing(request, host, phase, board, visitor).as_json()


@router.get("/queue")
def queue(host: Host, visitor: Anyone) -> Json:
    """What waits, and for how long."""
    with host.database.read() as session:
        found = read_queue(session, visitor.at)
    rows = [
        {
            "team": one.submission.team.name,
            "number": one.submission.number,
            "phase": one.submission.phase,
            "state": one.submission.state.value,
            "age_s": one.age.total_seconds(),
            "attempts": one.attempts,
        }
        for one in found.waiting
    ]
    oldest_s = None if found.oldest is None else found.oldest.total_seconds()
    return {"waiting": rows, "oldest_s": oldest_s, "median_s": found.wait.total_seconds() if found.wait else None}


@router.get("/key")
def key(host: Host) -> Json:
    """What receipts are checked with."""
    with host.database.write() as session:
        return {"ed25519": show_public_key(find_key(session))}


@router.get("/team")
def team(host: Host, known: Reader) -> Json:
    """Whose token it is, and their team."""
    with host.database.read() as session:
        found = find_own_team(session, known)
        return {"id": found.id, "name": found.name, "track": found.track, "person": known.person.name}


@router.post("/uploads", status_code=201)
def begin(file: Announcement, host: Host, known: Submitter) -> Json:
    """Announce a file, or go on with it: deadlines go by the first time."""
    if file.kind == FileKind.ANSWER:
        find_scored_phase(host.contest, file.phase)
    with host.database.read() as session:
        own = find_own_team(session, known)
    phase = file.phase if file.kind == FileKind.ANSWER else ""
    offer = Offer(file.name, file.size, file.sha256, phase, file.kind)
    return _show_upload(host.uploads.begin(own.id, known.id, offer, known.at))


@router.get("/uploads/{upload_id}")
def look(upload_id: str, host: Host, known: Submitter) -> Json:
    """How many bytes of it are safe: where to go on."""
    return _show_upload(find_upload(host, known, upload_id))


@router.head("/uploads/{upload_id}")
def look_shortly(upload_id: str, host: Host, known: Submitter) -> Response:
    """The same in a header."""
    upload = find_upload(host, known, upload_id)
    return Response(headers={"Upload-Offset": str(upload.received), "Upload-Length": str(upload.size)})


@router.put("/uploads/{upload_id}")
async def append(request: Request, upload_id: str, offset: Annotated[int, Query(ge=0)], host: Host) -> Json:
    """A part of it; what is there already is passed over."""
    known = await run_sync(find_caller("submit"), request)
    await run_sync(find_upload, host, known, upload_id)
    data = await request.body()
    return {"received": await run_sync(host.uploads.append, upload_id, offset, data)}


@router.post("/uploads/{upload_id}/check")
def check_upload(request: Request, upload_id: str, host: Host, known: Submitter) -> Json:
    """What is wrong with a file that is here whole; costs no try, and the file stays on its way."""
    TooOften.check(host.traffic.checks, known.at, known.id)
    upload = find_upload(host, known, upload_id)
    if upload.received < upload.size or upload.ended_at is not None:
        raise Refused(f"upload {upload_id} has {upload.received:,} of {upload.size:,} bytes, or has ended: send it")
    place = host.uploads.spool / upload_id
    phase = find_scored_phase(host.contest, upload.phase)
    outcome = request.app.state.preflight.check(phase, upload.name, lambda path: os.link(place, path))
    watch_check(host.database, phase.name, outcome, known.id, known.at)
    return _show_check(outcome)


@router.post("/uploads/{upload_id}/complete")
def complete(upload_id: str, host: Host, known: Submitter, note: Note | None = None) -> Json:
    """Make a submission of a file that is here whole, or a part of a delivery; again, and it is the same one."""
    if find_upload(host, known, upload_id).kind in FILES:
        return complete_delivery(host, known, upload_id)
    submission = host.uploads.complete(upload_id, host.clock())
    with host.database.write() as session:
        if note is not None and note.note.strip():
            store.annotate(session, submission.id, note.note.strip(), host.clock(), known.actor)
        receipt = make_receipt(session, host.contest, submission)
    return {**_show(host, known, submission.id), "receipt": receipt}


@router.get("/delivery")
def show_delivery(host: Host, known: Reader) -> Json:
    """What one's team is asked to deliver, and what is missing."""
    with host.database.read() as session:
        found = find_delivery(session, find_own_team(session, known).id)
        if found is None:
            raise NotFound("your team was not asked for a container: the first places are, after the last phase")
        return _show_delivery(host, found, known.at)


@router.post("/delivery/hand-over")
def hand_over(host: Host, known: Submitter) -> Json:
    """Say that it is complete."""
    with host.database.write() as session:
        deliveries.hand_over(session, host.site, known.id, known.at)
    return show_delivery(host, known)


@router.delete("/uploads/{upload_id}", status_code=204)
def give_up(upload_id: str, host: Host, known: Submitter) -> None:
    """Do not send the rest."""
    find_upload(host, known, upload_id)
    host.uploads.give_up(upload_id, known.at)


@router.post("/check/{phase}")
async def check(request: Request, phase: str, name: Annotated[str, Query(max_length=200)], host: Host) -> Json:
    """What is wrong with an answer that is sent with this request alone; it is not kept, and costs no try."""
    known = await run_sync(find_caller("submit"), request)
    TooOften.check(host.traffic.checks, known.at, known.id)
    found = find_scored_phase(host.contest, phase)
    aside = await _read_aside(request, host)
    try:
        preflight = request.app.state.preflight
        outcome = await run_sync(preflight.check, found, name, lambda path: shutil.move(aside, path))
        await run_sync(watch_check, host.database, found.name, outcome, known.id, known.at)
        return _show_check(outcome)
    finally:
        if os.path.exists(aside):
            os.unlink(aside)


@router.get("/submissions")
def submissions(host: Host, known: Reader) -> Json:
    """Those of one's team, the newest first."""
    with host.database.read() as session:
        return {"submissions": [one.as_json() for one in list_results(session, host.contest, known.id, known.at)]}


@router.get("/submissions/{submission_id}")
def submission(submission_id: str, host: Host, known: Reader) -> Json:
    """One of them."""
    return _show(host, known, submission_id)


@router.get("/submissions/{submission_id}/receipt")
def receipt(submission_id: str, host: Host, known: Reader) -> Json:
    """What the host signs that it was given."""
    with host.database.write() as session:
        found = find_own(session, known.id, submission_id)
        return dict(make_receipt(session, host.contest, found))


@router.post("/submissions/{submission_id}/cancel")
def cancel(submission_id: str, host: Host, known: Submitter) -> Json:
    """Take one back that waits."""
    with host.database.write() as session:
        find_own(session, known.id, submission_id)
        store.cancel(session, submission_id, known.at, known.actor)
    return _show(host, known, submission_id)


@router.post("/submissions/{submission_id}/choose")
def choose(submission_id: str, host: Host, known: Submitter) -> Json:
    """Let it stand for the team."""
    with host.database.write() as session:
        find_own(session, known.id, submission_id)
        store.choose(session, host.contest, submission_id, known.at, known.actor)
    return _show(host, known, submission_id)


@router.post("/submissions/{submission_id}/note")
def note(submission_id: str, note: Note, host: Host, known: Submitter) -> Json:
    """Say something of it."""
    with host.database.write() as session:
        find_own(session, known.id, submission_id)
        store.annotate(session, submission_id, note.note.strip(), known.at, known.actor)
    return _show(host, known, submission_id)


def find_upload(host: Settings, known: Known, upload_id: str) -> Upload:
    """An upload of the team that someone is in.

    Raises:
        NotFound: if it is none of theirs, or there is none.
    """
    upload = host.uploads.find(upload_id)
    with host.database.read() as session:
        if find_own_team(session, known).id != upload.team_id:
            raise NotFound(f"there is no upload {upload_id}: begin a new one")
    return upload


def complete_delivery(host: Settings, known: Known, upload_id: str) -> Json:
    """Let a file that is here whole be part of a delivery."""
    upload = host.uploads.complete_file(upload_id, host.clock())
    with host.database.write() as session:
        return _show_delivery(host, deliveries.attach(session, upload, host.clock()), known.at)


def _show_delivery(host: Settings, one: Delivery, at: datetime) -> Json:
    return {
        "state": one.state.value,
        "reason": one.reason,
        "place": one.place,
        "due_at": one.due_at.isoformat(),
        "image": one.image,
        "weights": one.weights,
        "missing": find_gaps(one, host.site, at),
    }


def _show(host: Settings, known: Known, submission_id: str) -> Json:
    with host.database.read() as session:
        return find_result(session, host.contest, known.id, submission_id, host.clock()).as_json()


def _show_upload(upload: Upload) -> Json:
    ended = upload.ended_at is not None
    return {"id": upload.id, "received": upload.received, "size": upload.size, "name": upload.name, "ended": ended}


def _show_check(outcome: Outcome) -> Json:
    return {"in_order": outcome.kind == "scored", "faults": [flaw.model_dump() for flaw in outcome.faults]}


def _show_phases(host: Settings, at: datetime) -> list[Json]:
    with host.database.read() as session:
        released = read_released(session)
    return [_show_phase(phase, released, at) for phase in host.contest.phases]


def _show_phase(phase: Phase, released: frozenset[str], at: datetime) -> Json:
    boards = [
        {"name": board.name, "title": board.title, "is_shown": is_shown(phase, board, released, at)}
        for board in phase.boards
    ]
    return {
        "name": phase.name,
        "title": phase.title,
        "start": phase.start.isoformat(),
        "end": phase.end.isoformat(),
        "state": find_state(phase, at),
        "takes_answers": phase.is_open(at),
        "limits": phase.limits.model_dump() if phase.truth is not None else None,
        "boards": boards,
    }


async def _read_aside(request: Request, host: Settings) -> str:
    """The body of a request in a file; it is bounded by the guard."""
    host.spool.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(dir=host.spool, prefix="check-")
    with os.fdopen(handle, "wb") as file:
        async for part in request.stream():
            file.write(part)
    return path
