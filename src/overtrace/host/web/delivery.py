"""What one's own team delivers as a winner."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import Response

from overtrace.errors import BadOption
from overtrace.host import deliveries
from overtrace.host.sending import send_file
from overtrace.host.tables import FileKind
from overtrace.host.tables_after import PENDING
from overtrace.host.web.guard import MOST_FORM_BYTES, MOST_PART_BYTES
from overtrace.host.web.settings import Host
from overtrace.host.web.team import find_own_team
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Someone

router = APIRouter(prefix="/team/delivery")
HERE = "/team/delivery"


@router.get("")
def delivery(request: Request, host: Host, known: Someone) -> Response:
    """What is asked for, what is here, and what is missing."""
    with host.database.read() as session:
        team = find_own_team(session, known)
        found = deliveries.find_delivery(session, team.id)
        facts = {"team": team, "one": found, "is_contact": team.contact_id == known.id, "address": host.address}
        gaps = [] if found is None else deliveries.find_gaps(found, host.site, known.at)
        is_open = found is not None and found.state in PENDING
        sizes = {"form_bytes": MOST_FORM_BYTES, "part_bytes": MOST_PART_BYTES}
        return render(request, "delivery.html", {"gaps": gaps, "is_open": is_open, **facts, **sizes})


@router.post("/file")
def file(request: Request, host: Host, known: Someone, file: UploadFile, kind: Annotated[FileKind, Form()]) -> Response:
    """Send one of its files in one piece; a script sends large ones in parts by the API."""
    if kind not in deliveries.FILES:
        raise BadOption(f"{kind}: wanted {' or '.join(deliveries.FILES)}")
    with host.database.read() as session:
        team = find_own_team(session, known)
    upload = send_file(host.uploads, team.id, known.id, "", file.filename or "", file.file, known.at, kind)
    kept = host.uploads.complete_file(upload.id, host.clock())
    with host.database.write() as session:
        deliveries.attach(session, kept, host.clock())
    return go(request, HERE, "It is here.")


@router.post("/hand-over")
def hand_over(request: Request, host: Host, known: Someone) -> Response:
    """Say that it is complete."""
    with host.database.write() as session:
        deliveries.hand_over(session, host.site, known.id, known.at)
    return go(request, HERE, "The delivery is handed over.")


@router.post("/decline")
def decline(request: Request, host: Host, known: Someone, sure: Annotated[str, Form()] = "") -> Response:
    """Deliver nothing."""
    if sure != "yes":
        raise BadOption("tick the box: your team has no rank then, and the next one moves up")
    with host.database.write() as session:
        deliveries.decline(session, host.site, known.id, known.at)
    return go(request, HERE, "Your team does not deliver; the next one moves up.")
