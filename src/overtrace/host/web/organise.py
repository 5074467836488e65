"""The pages of the organisers."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from overtrace.host import organising
from overtrace.host import submissions as store
from overtrace.host.copies import list_leaks
from overtrace.host.dossiers import find_lacks
from overtrace.host.organising import Filter
from overtrace.host.rescoring import list_changed
from overtrace.host.results import describe_results
from overtrace.host.standings import is_shown, list_boards, read_released, release
from overtrace.host.tables import State, Team
from overtrace.host.teams import find_members
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Organiser

router = APIRouter(prefix="/organise")


@router.get("")
def overview(request: Request, host: Host, known: Organiser) -> Response:
    """Boards, workers, letters that did not leave."""
    with host.database.read() as session:
        released = read_released(session)
        boards = [
            (phase, board, is_shown(phase, board, released, known.at)) for phase, board in list_boards(host.contest)
        ]
        facts = {
            "workers": organising.list_workers(session, known.at),
            "letters": organising.list_letters(session),
            "counts": organising.count_states(session),
            "changed": list_changed(session, host.contest),
            "leaks": list_leaks(session),
        }
        return render(request, "organise.html", {"boards": boards, **facts})


@router.get("/submissions")
def submissions(
    request: Request,
    host: Host,
    known: Organiser,
    phase: str = "",
    state: str = "",
    team: str = "",
    before: str = "",
) -> Response:
    """All of them."""
    wanted = Filter(phase, state, team)
    with host.database.read() as session:
        found = organising.list_submissions(session, wanted, before)
        results = describe_results(session, host.contest, found, known.at, organises=True)
        jobs = {one.id: organising.find_job(session, one.id) for one in found if one.state == State.FAILED}
        teams = session.scalars(select(Team).order_by(Team.name)).all()
        facts = {"states": list(State), "teams": teams, "jobs": jobs, "more": len(found) == organising.MOST_SHOWN}
        return render(request, "organise_submissions.html", {"results": results, "wanted": wanted, **facts})


@router.get("/submissions/{submission_id}/file")
def file(host: Host, known: Organiser, submission_id: str) -> Response:
    """What was sent in."""
    with host.database.read() as session:
        submission = store.find(session, submission_id)
    headers = {"Content-Disposition": f'attachment; filename="{submission.id}"'}
    return StreamingResponse(host.blobs.read(submission.sha256), media_type="application/octet-stream", headers=headers)


@router.post("/submissions/{submission_id}/hide")
def hide(request: Request, host: Host, known: Organiser, submission_id: str) -> Response:
    """Take one off the boards."""
    with host.database.write() as session:
        store.hide(session, submission_id, known.at, known.actor)
    return go(request, "/organise/submissions", "It is off the boards, until you show it again.")


@router.post("/submissions/{submission_id}/show")
def show(request: Request, host: Host, known: Organiser, submission_id: str) -> Response:
    """Put it back."""
    with host.database.write() as session:
        store.unhide(session, submission_id, known.at, known.actor)
    return go(request, "/organise/submissions", "It is on the boards again.")


@router.post("/submissions/{submission_id}/requeue")
def requeue(request: Request, host: Host, known: Organiser, submission_id: str) -> Response:
    """Let one be scored once more that has failed."""
    with host.database.write() as session:
        organising.requeue(session, submission_id, known.at, known.actor)
    return go(request, "/organise/submissions", "It waits in the queue again.")


@router.post("/boards/{phase}/{board}/release")
def release_board(request: Request, host: Host, known: Organiser, phase: str, board: str) -> Response:
    """Let everyone see a board."""
    with host.database.write() as session:
        release(session, host.contest, phase, board, known.at, known.actor)
    return go(request, "/organise", "Everyone sees the board now.")


@router.get("/teams")
def teams(request: Request, host: Host, known: Organiser) -> Response:
    """All of them, with their contacts and what they lack."""
    with host.database.read() as session:
        found = [
            (team, find_members(team), find_lacks(team, host.contest, known.at))
            for team in organising.list_teams(session)
        ]
        return render(request, "organise_teams.html", {"teams": found})


@router.post("/teams/{team_id}/disqualify")
def disqualify(
    request: Request, host: Host, known: Organiser, team_id: str, why: Annotated[str, Form()] = ""
) -> Response:
    """Take one off all boards."""
    with host.database.write() as session:
        organising.disqualify(session, team_id, why, known.at, known.actor)
    return go(request, "/organise/teams", "The team is off all boards, until you take that back.")


@router.post("/teams/{team_id}/reinstate")
def reinstate(request: Request, host: Host, known: Organiser, team_id: str) -> Response:
    """Put it back."""
    with host.database.write() as session:
        organising.reinstate(session, team_id, known.at, known.actor)
    return go(request, "/organise/teams", "The team is on the boards again.")


@router.get("/log")
def log(
    request: Request,
    host: Host,
    known: Organiser,
    actor: str = "",
    action: str = "",
    subject: str = "",
    before: int = 0,
) -> Response:
    """What was done, by whom, to what."""
    with host.database.read() as session:
        events = organising.read_log(session, actor, action, subject, before)
    wanted = {"actor": actor, "action": action, "subject": subject}
    return render(
        request, "organise_log.html", {"events": events, "wanted": wanted, "more": len(events) == organising.MOST_SHOWN}
    )
