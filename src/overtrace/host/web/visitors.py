"""Who asks: someone's browser by its cookie, a program by its token; and that a form is one of this site."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from overtrace.errors import NotAllowed
from overtrace.host.secret import new_secret
from overtrace.host.tables import Person
from overtrace.host.tables_access import Token
from overtrace.host.tokens import find_token
from overtrace.host.visits import LONGEST, find_visit
from overtrace.host.web.errors import Failed, LogInFirst, TooOften
from overtrace.host.web.settings import SAFE, Settings, find_settings

VISIT = "overtrace"
FORM = "overtrace_form"
FIELD = "form_token"
HEADER = "X-Form-Token"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone who looks at a page."""

    at: datetime
    """When the request came."""
    network: str
    person: Person | None
    cookie: str
    """Of the visit; empty without one."""

    @property
    def organises(self) -> bool:
        """Whether they run the contest."""
        return self.person is not None and self.person.organises


@dataclass(frozen=True, slots=True)
class Known:
    """Someone with an account."""

    at: datetime
    person: Person
    cookie: str
    """Of the visit; empty for a program."""

    @property
    def id(self) -> str:
        """Of the person."""
        return self.person.id

    @property
    def actor(self) -> str:
        """As the log names them."""
        return f"person:{self.person.id}"


def find_visitor(request: Request) -> Visitor:
    """Who looks at a page; asked for once a request."""
    known = getattr(request.state, "visitor", None)
    if isinstance(known, Visitor):
        return known
    at, settings = request.state.at, find_settings(request)
    cookie = request.cookies.get(name_cookie(settings, VISIT), "")
    visit = find_visit(settings.database, cookie, at) if cookie else None
    visitor = Visitor(at, request.state.network, visit.person if visit else None, cookie if visit else "")
    request.state.visitor = visitor
    return visitor


def find_known(visitor: Annotated[Visitor, Depends(find_visitor)]) -> Known:
    """Who looks at a page that needs an account."""
    if visitor.person is None:
        raise LogInFirst("log in first")
    return Known(visitor.at, visitor.person, visitor.cookie)


def find_organiser(known: Annotated[Known, Depends(find_known)]) -> Known:
    """Who looks at a page of the organisers."""
    if not known.person.organises:
        raise NotAllowed("this page is for the organisers: ask them")
    return known


Anyone = Annotated[Visitor, Depends(find_visitor)]
Someone = Annotated[Known, Depends(find_known)]
Organiser = Annotated[Known, Depends(find_organiser)]


def find_caller(scope: str) -> Callable[[Request], Known]:
    """Who calls the API for a purpose: by a token, or from a page here by its cookie and the token of its form."""

    def find(request: Request) -> Known:
        settings: Settings = find_settings(request)
        if "authorization" in request.headers:
            token = read_token(request, settings, scope)
            if token.person is None:
                raise NotAllowed("this token is of a worker: make one of your account")
            return Known(request.state.at, token.person, "")
        visitor = find_visitor(request)
        if visitor.person is None:
            raise Failed(401, "show a token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        if request.method not in SAFE:
            check_form_token(request, request.headers.get(HEADER, ""))
        return Known(visitor.at, visitor.person, visitor.cookie)

    return find


def read_token(request: Request, settings: Settings, scope: str) -> Token:
    """The token that a program shows.

    Raises:
        NotAllowed: if it is not good for this.
    """
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        raise Failed(401, "show a token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
    token = find_token(settings.database, secret.strip(), scope, request.state.at)
    TooOften.check(settings.traffic.calls, request.state.at, token.id)
    return token


def find_worker(request: Request) -> Token:
    """The token of a worker elsewhere."""
    return read_token(request, find_settings(request), "work")


Reader = Annotated[Known, Depends(find_caller("read"))]
Submitter = Annotated[Known, Depends(find_caller("submit"))]
RemoteWorker = Annotated[Token, Depends(find_worker)]


def make_form_token(request: Request) -> str:
    """What a form of this browser and this visit carries; a cookie is made for it where there is none."""
    settings = find_settings(request)
    secret = request.cookies.get(name_cookie(settings, FORM)) or getattr(request.state, "form_cookie", "")
    if not secret:
        secret = request.state.form_cookie = new_secret()
    visit = request.cookies.get(name_cookie(settings, VISIT), "")
    return hmac.new(secret.encode(), visit.encode(), hashlib.sha256).hexdigest()


def check_form_token(request: Request, shown: str) -> None:
    """Raise Failed unless a form is of this browser and this visit."""
    form = name_cookie(find_settings(request), FORM)
    if form not in request.cookies or not hmac.compare_digest(make_form_token(request).encode(), shown.encode()):
        raise Failed(403, "the form is too old, or of another site: open its page again, and send it from there")


async def guard_form(request: Request) -> None:
    """Before each page that changes something."""
    if request.method in SAFE:
        return
    settings = find_settings(request)
    TooOften.check(settings.traffic.changes, request.state.at, request.state.network)
    shown = request.headers.get(HEADER)
    if shown is None:
        form: Any = await request.form(max_files=1, max_fields=100)
        shown = str(form.get(FIELD, ""))
    check_form_token(request, shown)


def keep_visit(response: Response, settings: Settings, cookie: str) -> None:
    """Give a browser the cookie of a visit."""
    set_cookie(response, settings, VISIT, cookie, int(LONGEST.total_seconds()))


def set_cookie(response: Response, settings: Settings, name: str, value: str, lasts_s: int | None) -> None:
    """A cookie that scripts cannot read and other sites cannot use."""
    place = name_cookie(settings, name)
    response.set_cookie(place, value, max_age=lasts_s, httponly=True, samesite="lax", secure=settings.is_secure)


def drop_cookie(response: Response, settings: Settings, name: str) -> None:
    """Let a browser forget a cookie."""
    response.delete_cookie(name_cookie(settings, name), httponly=True, samesite="lax", secure=settings.is_secure)


def name_cookie(settings: Settings, name: str) -> str:
    """What a cookie is called: over TLS such that no other host of the domain can set one for this (RFC 6265bis)."""
    return f"__Host-{name}" if settings.is_secure else name
