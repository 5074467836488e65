"""To send in an answer by a form; a script sends large ones in parts by the API."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import Response

from overtrace.errors import OvertraceError
from overtrace.host import submissions
from overtrace.host.canaries import watch_check
from overtrace.host.preflight import find_scored_phase
from overtrace.host.sending import send_file
from overtrace.host.teams import find_team
from overtrace.host.web.errors import TooOften
from overtrace.host.web.guard import MOST_FORM_BYTES, MOST_PART_BYTES
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.team import find_own_team
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Known, Someone

router = APIRouter(prefix="/submit")
COPY_BYTES = 2**20


@router.get("")
def submit_page(request: Request, host: Host, known: Someone) -> Response:
    """Where answers are sent in."""
    with host.database.read() as session:
        team = find_team(session, known.id)
    verdicts = {} if team is None else _judge(host, team.id, known)
    facts = {"address": host.address, "form_bytes": MOST_FORM_BYTES, "part_bytes": MOST_PART_BYTES}
    return render(request, "submit.html", {"team": team, "verdicts": verdicts, **facts})


@router.post("")
def submit(
    request: Request,
    host: Host,
    known: Someone,
    file: UploadFile,
    phase: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    """Send in an answer; what counts is when the request began to come."""
    with host.database.read() as session:
        team = find_own_team(session, known)
    find_scored_phase(host.contest, phase)
    upload = send_file(host.uploads, team.id, known.id, phase, file.filename or "", file.file, known.at)
    submission = host.uploads.complete(upload.id, host.clock())
    if note.strip():
        with host.database.write() as session:
            submissions.annotate(session, submission.id, note.strip(), host.clock(), known.actor)
    return go(request, "/submissions", f"Submission {submission.number} is accepted: {submission.reason}.")


@router.post("/check")
def check(
    request: Request, host: Host, known: Someone, file: UploadFile, phase: Annotated[str, Form()] = ""
) -> Response:
    """Only look what is wrong with an answer; it is not kept, and costs no try."""
    TooOften.check(host.traffic.checks, known.at, known.id)
    found = find_scored_phase(host.contest, phase)

    def write(path: object) -> None:
        with open(str(path), "wb") as copy:
            while part := file.file.read(COPY_BYTES):
                copy.write(part)

    outcome = request.app.state.preflight.check(found, file.filename or "answer", write)
    watch_check(host.database, found.name, outcome, known.id, known.at)
    return render(request, "checked.html", {"outcome": outcome, "name": file.filename, "phase": found})


def _judge(host: Settings, team_id: str, known: Known) -> dict[str, tuple[bool, str]]:
    """Of each phase that takes answers: whether one more may be sent now, and which try it is or why not."""
    verdicts = {}
    with host.database.read() as session:
        for phase in host.contest.phases:
            if phase.truth is None:
                continue
            try:
                verdicts[phase.name] = True, submissions.judge(session, host.contest, team_id, phase.name, known.at)
            except OvertraceError as error:
                verdicts[phase.name] = False, str(error)
    return verdicts
