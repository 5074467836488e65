"""Boards for pages of other sites, in a frame: what everyone may see, whoever looks."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from overtrace.host.web.boards import see_standing
from overtrace.host.web.settings import Host
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Visitor

router = APIRouter()


@router.get("/embed/board/{phase}/{board}")
def board(request: Request, host: Host, phase: str, board: str) -> Response:
    """A board that is shown."""
    nobody = Visitor(request.state.at, request.state.network, None, "")
    standing = see_standing(request, host, phase, board, nobody)
    return render(request, "embed_board.html", {"standing": standing, "address": host.address})
