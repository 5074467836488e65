"""Appeals: what everyone reads of them, one's own, the thread, and the decision."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from starlette.responses import Response

from overtrace.errors import BadOption, OvertraceError
from overtrace.host import appeals
from overtrace.host.appeals import Decision
from overtrace.host.tables import State, Submission, Team
from overtrace.host.tables_after import AppealState, Effect
from overtrace.host.teams import find_team
from overtrace.host.web.errors import TooOften
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Anyone, Known, Organiser, Someone, Visitor

router = APIRouter()
Field = Annotated[str, Form()]


@router.get("/appeals")
def public(request: Request, host: Host, visitor: Anyone) -> Response:
    """What was decided; and for members of a team their own, and whether they may appeal now."""
    with host.database.read() as session:
        found = appeals.list_appeals(session)
        decided = [(one, appeals.describe_effect(session, one)) for one in found if one.summary]
        facts = {"decided": decided, "open": sum(one.state == AppealState.OPEN for one in found)}
        window = appeals.find_window(session, host.contest)
        return render(request, "appeals.html", {"window": window, **facts, **_describe_own(session, host, visitor)})


@router.post("/appeals")
def open_appeal(request: Request, host: Host, known: Someone, subject: Field = "", text: Field = "") -> Response:
    """Contest something."""
    TooOften.check(host.traffic.letters, known.at, known.id)
    with host.database.write() as session:
        made = appeals.open_appeal(session, host.site, known.id, subject, text, known.at)
    return go(request, f"/appeals/{made.id}", f"Appeal {made.number} is open: the organisers have a letter.")


@router.get("/organise/appeals")
def organise(request: Request, host: Host, known: Organiser) -> Response:
    """All of them."""
    with host.database.read() as session:
        return render(request, "organise_appeals.html", {"appeals": appeals.list_appeals(session)})


@router.get("/appeals/{appeal_id}")
def thread(request: Request, host: Host, known: Someone, appeal_id: str) -> Response:
    """What was said, and what can be done."""
    with host.database.read() as session:
        one = appeals.find_appeal(session, appeal_id, known.person)
        facts = {"one": one, "is_member": appeals.is_member(one, known.person), "effects": list(Effect)}
        facts["effect"] = appeals.describe_effect(session, one)
        return render(request, "appeal.html", {**facts, **_list_targets(session, known)})


@router.post("/appeals/{appeal_id}/say")
def say(request: Request, host: Host, known: Someone, appeal_id: str, text: Field = "") -> Response:
    """Add to it."""
    TooOften.check(host.traffic.letters, known.at, known.id)
    with host.database.write() as session:
        appeals.say(session, host.site, appeal_id, known.person, text, known.at)
    return go(request, f"/appeals/{appeal_id}", "It is added; the other side has a letter.")


@router.post("/appeals/{appeal_id}/withdraw")
def withdraw(request: Request, host: Host, known: Someone, appeal_id: str, sure: Field = "") -> Response:
    """Take it back."""
    if sure != "yes":
        raise BadOption("tick the box: an appeal that is taken back stays so")
    with host.database.write() as session:
        appeals.withdraw(session, host.site, appeal_id, known.person, known.at)
    return go(request, f"/appeals/{appeal_id}", "The appeal is taken back.")


@router.post("/appeals/{appeal_id}/decide")
def decide(
    request: Request,
    host: Host,
    known: Organiser,
    appeal_id: str,
    upheld: Annotated[bool, Form()],
    text: Field = "",
    summary: Field = "",
    effect: Annotated[Effect, Form()] = Effect.NONE,
    target: Field = "",
) -> Response:
    """Decide it."""
    decision = Decision(upheld, text, summary, effect, target)
    with host.database.write() as session:
        appeals.decide(session, host.site, appeal_id, known.person, decision, known.at)
    return go(request, f"/appeals/{appeal_id}", "The appeal is decided; those concerned have letters.")


def _describe_own(session: Session, host: Settings, visitor: Visitor) -> dict[str, object]:
    team = find_team(session, visitor.person.id) if visitor.person else None
    if team is None:
        return {"own": [], "until": None, "why_not": ""}
    until, why_not = None, ""
    try:
        until = appeals.find_end(session, host.contest, team, visitor.at)
    except OvertraceError as error:
        why_not = str(error)
    return {"own": appeals.list_appeals(session, team.id), "until": until, "why_not": why_not}


def _list_targets(session: Session, known: Known) -> dict[str, object]:
    """What a decision may have an effect on; for organisers."""
    if not known.person.organises:
        return {"teams": [], "submissions": []}
    sent = select(Submission).where(Submission.state == State.SCORED).options(joinedload(Submission.team))
    ordered = sent.order_by(Submission.phase, Submission.team_id, Submission.number)
    teams = select(Team).where(Team.withdrawn_at.is_(None)).order_by(Team.name)
    return {"teams": session.scalars(teams).all(), "submissions": session.scalars(ordered).all()}
