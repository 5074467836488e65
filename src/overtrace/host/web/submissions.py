"""One's own submissions."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, Response

from overtrace.errors import NotAllowed
from overtrace.host import submissions as store
from overtrace.host.contest import Contest
from overtrace.host.plot import draw_own
from overtrace.host.receipts import make_receipt
from overtrace.host.results import Result, find_own, find_result, list_results
from overtrace.host.teams import find_team
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Someone

LEAST_PLOTTED = 2
"""Submissions."""
router = APIRouter(prefix="/submissions")


@router.get("")
def own(request: Request, host: Host, known: Someone) -> Response:
    """All of them."""
    with host.database.read() as session:
        team = find_team(session, known.id)
        results = list_results(session, host.contest, known.id, known.at)
        plots = plot_results(host.contest, results, known.at)
        return render(request, "submissions.html", {"results": results, "team": team, "plots": plots})


def plot_results(contest: Contest, results: Sequence[Result], at: datetime) -> list[tuple[str, str]]:
    """The scores of a team by time, as far as it may see them: a heading and a drawing for each board."""
    plots: list[tuple[str, str]] = []
    for phase in contest.phases:
        for board in phase.boards:
            sent = [
                (one.submission.received_at, score.value, f"#{one.submission.number}: {score.value:.4f}")
                for one in results
                for other, score in one.marks
                if one.submission.phase == phase.name and other.name == board.name
            ]
            times = [time for time, _, _ in sent]
            if len(sent) >= LEAST_PLOTTED:
                drawn = draw_own(sent, min(times), max(min(at, phase.end), *times))
                plots.append((f"{board.title}, {phase.title}", drawn))
    return plots


@router.get("/{submission_id}/receipt.json")
def receipt(host: Host, known: Someone, submission_id: str) -> Response:
    """What the host signs that it was given."""
    with host.database.write() as session:
        submission = find_own(session, known.id, submission_id)
        made = make_receipt(session, host.contest, submission)
    headers = {"Content-Disposition": f'attachment; filename="receipt-{submission.number}.json"'}
    return Response(json.dumps(made, indent=1) + "\n", media_type="application/json", headers=headers)


@router.get("/{submission_id}/verdict.json")
def verdict(host: Host, known: Someone, submission_id: str) -> Response:
    """All that the scorer said, in a phase whose truth is not hidden for good."""
    with host.database.read() as session:
        result = find_result(session, host.contest, known.id, submission_id, known.at)
        if not result.detailed:
            raise NotAllowed("of this phase no more is shown than the boards do")
        return JSONResponse({board.name: score.verdict for board, score in result.marks})


@router.post("/{submission_id}/cancel")
def cancel(request: Request, host: Host, known: Someone, submission_id: str) -> Response:
    """Take one back that waits."""
    with host.database.write() as session:
        find_own(session, known.id, submission_id)
        store.cancel(session, submission_id, known.at, known.actor)
    return go(request, "/submissions", "The submission is cancelled, and costs no try.")


@router.post("/{submission_id}/choose")
def choose(request: Request, host: Host, known: Someone, submission_id: str) -> Response:
    """Let it stand for the team."""
    with host.database.write() as session:
        find_own(session, known.id, submission_id)
        store.choose(session, host.contest, submission_id, known.at, known.actor)
    return go(request, "/submissions", "This submission stands for your team, unless you choose another one.")


@router.post("/{submission_id}/note")
def note(
    request: Request, host: Host, known: Someone, submission_id: str, note: Annotated[str, Form()] = ""
) -> Response:
    """Say something of it."""
    with host.database.write() as session:
        find_own(session, known.id, submission_id)
        store.annotate(session, submission_id, note.strip(), known.at, known.actor)
    return go(request, "/submissions", "The note is saved.")
