"""What may be a copy, or one person with several accounts; for organisers."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from overtrace.host import copies as store
from overtrace.host.organising import list_teams
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Organiser

router = APIRouter(prefix="/organise/copies")


@router.get("")
def copies(request: Request, host: Host, known: Organiser) -> Response:
    """What is alike of different teams."""
    with host.database.read() as session:
        found, seen = store.find_alike(session), store.read_seen(session)
        names = {team.id: team.name for team in list_teams(session)}
    fresh = [one for one in found if one.key not in seen]
    known_ones = [(one, seen[one.key]) for one in found if one.key in seen]
    return render(request, "organise_copies.html", {"fresh": fresh, "seen": known_ones, "names": names})


@router.post("/{key}")
def mark(request: Request, host: Host, known: Organiser, key: str, said: Annotated[str, Form()] = "") -> Response:
    """Note that one was looked into."""
    with host.database.write() as session:
        store.mark_seen(session, key, said, known.at, known.actor)
    return go(request, "/organise/copies", "It stands below, among those that were looked into.")
