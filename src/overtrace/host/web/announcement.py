"""The announcement: as everyone sees it, and as organisers prepare it."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, Response

from overtrace.errors import BadOption, NotFound
from overtrace.host import announcement as store
from overtrace.host.announcement import Announcement, Draft, Entry, Honour
from overtrace.host.heralding import TOLD, herald, list_readers
from overtrace.host.organising import list_teams
from overtrace.host.standings import list_boards
from overtrace.host.tables import Fact
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Anyone, Organiser

router = APIRouter()
HERE = "/organise/announcement"
Field = Annotated[str, Form()]
Fields = Annotated[list[str] | None, Form()]


@router.get("/announcement")
def announcement(request: Request, host: Host, visitor: Anyone) -> Response:
    """The results."""
    with host.database.read() as session:
        found = store.read_announcement(session)
    return render(request, "announcement.html", {"found": found, "preview": False})


@router.get("/announcement.json")
def announcement_json(host: Host, visitor: Anyone) -> Response:
    """The results for programs."""
    with host.database.read() as session:
        found = store.read_announcement(session)
    if found is None:
        raise NotFound("the results are not announced yet: look at the boards")
    return JSONResponse(describe(host.contest.title, found))


@router.get(HERE)
def prepare(request: Request, host: Host, known: Organiser) -> Response:
    """What organisers prepare."""
    with host.database.read() as session:
        draft = store.read_draft(session, host.contest)
        facts = {
            "draft": draft,
            "boards": list_boards(host.contest),
            "teams": [team for team in list_teams(session) if team.withdrawn_at is None],
            "obstacles": store.find_obstacles(session, host.contest, draft, known.at),
            "left_out": store.find_left_out(session, host.contest, draft, known.at),
            "published": store.read_announcement(session),
            "told": session.get(Fact, TOLD),
            "readers": len(list_readers(session)),
        }
        return render(request, "organise_announcement.html", facts)


@router.post(HERE)
def save(
    request: Request,
    host: Host,
    known: Organiser,
    board: Field = "",
    text: Field = "",
    title: Fields = None,
    prize: Fields = None,
    team: Fields = None,
    reason: Fields = None,
) -> Response:
    """Keep it."""
    try:
        rows = list(zip(title or [], prize or [], team or [], reason or [], strict=True))
    except ValueError as error:
        raise BadOption("the form is not whole: open its page again, and send it from there") from error
    honours = tuple(Honour(title=a, prize=b, team=c, reason=d) for a, b, c, d in rows if any((a, b, c, d)))
    draft = Draft(board=board, text=text.replace("\r\n", "\n"), honours=honours)
    with host.database.write() as session:
        store.save_draft(session, host.contest, draft, known.at, known.actor)
    return go(request, HERE, "Saved. Nobody else sees it yet.")


@router.get(f"{HERE}/preview")
def preview(request: Request, host: Host, known: Organiser) -> Response:
    """What everyone would see."""
    with host.database.read() as session:
        found = store.draw_up(session, host.contest, store.read_draft(session, host.contest), known.at)
    return render(request, "announcement.html", {"found": found, "preview": True})


@router.post(f"{HERE}/publish")
def publish(request: Request, host: Host, known: Organiser, sure: Field = "") -> Response:
    """Let everyone see it."""
    if sure != "yes":
        raise BadOption("tick the box: everyone sees the announcement at once")
    with host.database.write() as session:
        store.publish(session, host.contest, known.at, known.actor)
    return go(request, "/announcement", "Everyone sees the announcement now.")


@router.post(f"{HERE}/take-down")
def take_down(request: Request, host: Host, known: Organiser) -> Response:
    """Let nobody see it until it is published again."""
    with host.database.write() as session:
        store.take_down(session, known.at, known.actor)
    return go(request, HERE, "Nobody sees the announcement now.")


@router.post(f"{HERE}/letters")
def write_letters(request: Request, host: Host, known: Organiser) -> Response:
    """Write to the members of all teams."""
    with host.database.write() as session:
        count = herald(session, host.site, known.at, known.actor)
    return go(request, HERE, f"{count:,} letters are written, and on their way.")


def describe(title: str, found: Announcement) -> dict[str, Any]:
    """The results as JSON."""
    return {
        "contest": title,
        "phase": found.phase,
        "board": found.board,
        "published_at": found.published_at.isoformat(),
        "corrected_at": found.corrected_at.isoformat() if found.corrected_at else None,
        "text": found.text,
        "ranks": [_describe_entry(entry) for entry in found.ranked],
        "awards": [
            {"title": one.title, "prize": one.prize, "reason": one.reason, "team": found.names[one.team]}
            for one in found.honours
        ],
        "participation": [_describe_entry(entry) for entry in found.entries if entry.delivered],
    }


def _describe_entry(entry: Entry) -> dict[str, Any]:
    members = [{"name": member.name, "affiliation": member.affiliation} for member in entry.members]
    return {**entry.model_dump(exclude={"delivered"}), "members": members}
