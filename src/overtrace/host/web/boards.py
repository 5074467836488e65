"""Boards: as pages, JSON and CSV."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from overtrace.errors import NotFound
from overtrace.host.contest import Board, Phase
from overtrace.host.plot import draw_history
from overtrace.host.standings import (
    Standing,
    find_board,
    is_shown,
    list_boards,
    read_released,
    read_standing,
)
from overtrace.host.teams import find_team
from overtrace.host.web.live import find_newest
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Anyone, Visitor

KEPT_S = 1.0
"""How long a board is kept that nothing has changed since: two writers may come into the log in another order than
they are seen."""
router = APIRouter()


@router.get("/board/{phase}/{board}.json")
def board_json(request: Request, phase: str, board: str, host: Host, visitor: Anyone) -> Response:
    """A board for programs."""
    return JSONResponse(see_standing(request, host, phase, board, visitor).as_json())


@router.get("/board/{phase}/{board}.csv")
def board_csv(request: Request, phase: str, board: str, host: Host, visitor: Anyone) -> Response:
    """A board for spreadsheets."""
    text = see_standing(request, host, phase, board, visitor).as_csv()
    headers = {"Content-Disposition": f'attachment; filename="{phase}-{board}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/board")
@router.get("/board/{phase}/{board}")
def board(request: Request, host: Host, visitor: Anyone, phase: str = "", board: str = "") -> Response:
    """A board; without a name, that of the phase that is open, or was last."""
    found = find_board(host.contest, phase, board) if phase else choose_board(host, visitor)
    with host.database.read() as session:
        released = read_released(session)
        own = find_team(session, visitor.person.id) if visitor.person else None
    shown = {
        (one.name, other.name): is_shown(one, other, released, visitor.at) for one, other in list_boards(host.contest)
    }
    if found is None:
        return render(request, "no_board.html", {"boards": []})
    is_open = shown[found[0].name, found[1].name]
    standing = load_standing(request, host, *found, visitor) if is_open or visitor.organises else None
    facts = {"phase": found[0], "board": found[1], "boards": list_boards(host.contest), "shown": shown}
    seal = host.public.seals.get(f"{found[0].name}/{found[1].name}", "")
    plot = "" if standing is None else _plot(standing, visitor)
    own_id = own.id if own else ""
    return render(
        request,
        "board.html",
        {"standing": standing, "is_open": is_open, "plot": plot, "own": own_id, "seal": seal, **facts},
    )


def see_standing(request: Request, host: Settings, phase: str, board: str, visitor: Visitor) -> Standing:
    """A board for someone.

    Raises:
        NotFound: if there is none, or it is not shown to them.
    """
    found = find_board(host.contest, phase, board)
    with host.database.read() as session:
        is_open = is_shown(*found, read_released(session), visitor.at)
    if not is_open and not visitor.organises:
        raise NotFound("this board is not shown yet: look at the phases")
    return load_standing(request, host, *found, visitor)


def load_standing(request: Request, host: Settings, phase: Phase, board: Board, visitor: Visitor) -> Standing:
    """A board as it is now; the same one again if nothing has changed and it is fresh."""
    kept = request.app.state.standings
    key, newest = (phase.name, board.name), find_newest(host.database)
    known = kept.get(key)
    if known is not None and known[0] == newest and 0 <= (visitor.at - known[1]).total_seconds() < KEPT_S:
        standing = known[2]
        assert isinstance(standing, Standing)
        return standing
    with host.database.read() as session:
        standing = read_standing(session, host.contest, phase, board, visitor.at)
    kept[key] = newest, visitor.at, standing
    return standing


def choose_board(host: Settings, visitor: Visitor) -> tuple[Phase, Board] | None:
    """The first board of the phase that is open, or else of the one that began last; None if there is no board."""
    boards = list_boards(host.contest)
    begun = [one for one in boards if one[0].start <= visitor.at]
    opened = [one for one in begun if visitor.at < one[0].end]
    if opened or not begun:
        return next(iter(opened or boards), None)
    last = max(one[0].start for one in begun)
    return next(one for one in begun if one[0].start == last)


def _plot(standing: Standing, visitor: Visitor) -> str:
    times = [time for steps in standing.history.values() for time, _ in steps]
    if not times:
        return ""
    start, end = min(times), min(visitor.at, standing.phase.end)
    order = [place.row.team for place in standing.places]
    return draw_history(standing.history, standing.names, order, start, max(end, *times))
