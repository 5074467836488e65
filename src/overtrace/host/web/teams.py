"""Teams as everyone sees them."""

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse

from overtrace.errors import NotFound
from overtrace.host.board import Place
from overtrace.host.contest import Board, Phase
from overtrace.host.deliveries import find_delivery
from overtrace.host.dossiers import find_declarations, find_lacks
from overtrace.host.organising import list_teams
from overtrace.host.removals import say_wait
from overtrace.host.standings import is_shown, list_boards, read_released
from overtrace.host.tables import Team
from overtrace.host.teams import find_members
from overtrace.host.web.boards import load_standing
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Anyone, Visitor

router = APIRouter()


@router.get("/teams")
def teams(request: Request, host: Host, visitor: Anyone) -> Response:
    """All of them."""
    with host.database.read() as session:
        found = [
            (team, find_members(team), find_lacks(team, host.contest, visitor.at))
            for team in list_teams(session)
            if team.withdrawn_at is None
        ]
        return render(request, "teams.html", {"teams": found})


@router.get("/teams/{team_id}")
def team(request: Request, team_id: str, host: Host, visitor: Anyone) -> Response:
    """One of them."""
    with host.database.read() as session:
        found = find_public_team(session, team_id)
        track = next((track for track in host.contest.tracks if track.name == found.track), None)
        facts: dict[str, object] = {
            "members": find_members(found),
            "declarations": find_declarations(found),
            "track": track,
        }
        delivery = find_delivery(session, team_id)
        lacks = find_lacks(found, host.contest, visitor.at) + say_wait(delivery)
        facts["delivery"] = delivery
        facts["places"] = find_places(request, host, visitor, team_id)
        return render(request, "team_public.html", {"team": found, "lacks": lacks, **facts})


def find_places(request: Request, host: Settings, visitor: Visitor, team_id: str) -> list[tuple[Phase, Board, Place]]:
    """Where a team stands on each board that everyone may see."""
    with host.database.read() as session:
        released = read_released(session)
    shown = [one for one in list_boards(host.contest) if is_shown(*one, released, visitor.at)]
    return [
        (phase, board, place)
        for phase, board in shown
        for place in load_standing(request, host, phase, board, visitor).places
        if place.row.team == team_id
    ]


@router.get("/teams/{team_id}/document")
def document(team_id: str, host: Host) -> Response:
    """The description that a team has attached, never opened in the browser by itself."""
    with host.database.read() as session:
        found = find_public_team(session, team_id)
        digest = found.document
    if not digest:
        raise NotFound("this team has attached no description")
    headers = {"Content-Disposition": f'attachment; filename="{team_id}.bin"'}
    if found.document_name.lower().endswith(".pdf"):
        headers["Content-Disposition"] = f'attachment; filename="{team_id}.pdf"'
    return StreamingResponse(host.blobs.read(digest), media_type="application/octet-stream", headers=headers)


def find_public_team(session: Session, team_id: str) -> Team:
    """A team that was not withdrawn.

    Raises:
        NotFound: if there is none.
    """
    found = session.get(Team, team_id)
    if found is None or found.withdrawn_at is not None:
        raise NotFound("there is no such team: look at the list of teams")
    return found
