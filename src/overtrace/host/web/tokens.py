"""Tokens of one's own, for programs."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from overtrace.host.tokens import make_token, revoke_token
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Someone

router = APIRouter(prefix="/account/tokens")
LONGEST_DAYS = 400


@router.post("")
def make(
    request: Request,
    host: Host,
    known: Someone,
    name: Annotated[str, Form()] = "",
    scopes: Annotated[tuple[str, ...], Form()] = (),
    days: Annotated[int, Form(ge=1, le=LONGEST_DAYS)] = 90,
) -> Response:
    """Make one; its value is shown once."""
    until = known.at + timedelta(days=days)
    with host.database.write() as session:
        token, secret = make_token(session, known.person, name, scopes, until, known.at)
    response = render(request, "token.html", {"token": token, "secret": secret})
    response.headers["Cache-Control"] = "no-store"
    return response


@router.post("/{token_id}/revoke")
def revoke(request: Request, host: Host, known: Someone, token_id: str) -> Response:
    """Take one back."""
    with host.database.write() as session:
        revoke_token(session, known.person, token_id, known.at)
    return go(request, "/account", "The token is revoked.")
