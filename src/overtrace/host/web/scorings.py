"""Rescoring: for organisers, what boards show, what they would show, and the switch."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from overtrace.host import rescoring
from overtrace.host.contest import Contest, Phase
from overtrace.host.differences import compare
from overtrace.host.rescoring import find_scoring, look, switch
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Organiser

router = APIRouter(prefix="/organise/scorings")


@router.get("")
def scorings(request: Request, host: Host, known: Organiser) -> Response:
    """Of all phases."""
    with host.database.read() as session:
        found = [(phase, rescoring.describe(session, phase.name)) for phase in list_scored(host.contest)]
        return render(request, "organise_scorings.html", {"phases": found})


@router.post("/{phase}/rescore")
def rescore(request: Request, host: Host, known: Organiser, phase: str) -> Response:
    """Score all submissions of a phase once more."""
    with host.database.write() as session:
        scoring = rescoring.ask(session, phase, known.at, known.actor)
    return go(request, f"/organise/scorings/{scoring.id}", "All are scored once more; boards stay as they are.")


@router.get("/{scoring_id}.json")
def difference_json(host: Host, known: Organiser, scoring_id: str) -> Response:
    """What would change, for programs."""
    with host.database.read() as session:
        return JSONResponse(compare(session, host.contest, find_scoring(session, scoring_id)).as_json())


@router.get("/{scoring_id}")
def difference(request: Request, host: Host, known: Organiser, scoring_id: str) -> Response:
    """What would change."""
    with host.database.read() as session:
        scoring = find_scoring(session, scoring_id)
        facts = {"progress": look(session, scoring), "found": compare(session, host.contest, scoring)}
        return render(request, "organise_scoring.html", facts)


@router.post("/{scoring_id}/apply")
def apply(request: Request, host: Host, known: Organiser, scoring_id: str) -> Response:
    """Let boards show it."""
    with host.database.write() as session:
        scoring = switch(session, scoring_id, known.at, known.actor)
    said = f"Boards of {scoring.phase} show scoring {scoring.number} from now on; you can go back to the one before."
    return go(request, "/organise/scorings", said)


def list_scored(contest: Contest) -> list[Phase]:
    """The phases in which something is sent in."""
    return [phase for phase in contest.phases if phase.truth is not None]
