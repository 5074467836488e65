"""What was taken back, and can be restored; for organisers."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from overtrace.host.undoing import list_gone, name_actors, restore
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Organiser

router = APIRouter(prefix="/organise/undo")


@router.get("")
def gone(request: Request, host: Host, known: Organiser) -> Response:
    """Who left or was taken out, and what teams have taken back."""
    with host.database.read() as session:
        found = list_gone(session, known.at)
        return render(request, "organise_undo.html", {"gone": found, "names": name_actors(session, found)})


@router.post("/{kind}/{number}")
def undo(request: Request, host: Host, known: Organiser, kind: str, number: str) -> Response:
    """Restore one."""
    with host.database.write() as session:
        restore(session, host.site, kind, number, known.at, known.actor)
    return go(request, "/organise/undo", "It is restored.")
