"""Teams as everyone sees them."""

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse

from overtrace.errors import NotFound
from overtrace.host.dossiers import find_declarations, find_lacks
from overtrace.host.organising import list_teams
from overtrace.host.tables import Team
from overtrace.host.teams import find_members
from overtrace.host.web.settings import Host
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Anyone

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
        facts = {"members": find_members(found), "declarations": find_declarations(found), "track": track}
        lacks = find_lacks(found, host.contest, visitor.at)
        return render(request, "team_public.html", {"team": found, "lacks": lacks, **facts})


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
