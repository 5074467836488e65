"""The way in: registration, its confirmation, log-in, forgotten passwords, OpenID."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from overtrace.errors import NotFound
from overtrace.host import people
from overtrace.host.browsers import find_browser, make_browser
from overtrace.host.codes import find_code
from overtrace.host.passwords import hash_password
from overtrace.host.people import Registration
from overtrace.host.visits import end_visit
from overtrace.host.web.errors import TooOften
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import VISIT, Anyone, drop_cookie, find_visitor, keep_visit, name_cookie, set_cookie

if TYPE_CHECKING:
    # It takes a while to load, and few hosts have one.
    from overtrace.host.openid import Provider

OPENID = "overtrace_openid"
OPENID_S = 600
BROWSER = "overtrace_browser"
BROWSER_S = 180 * 86_400
RETURN = "/account/openid/return"
LETTER = "A letter is on its way to this address, unless it is none that we may write to: open the link in it."
router = APIRouter(prefix="/account")
Field = Annotated[str, Form()]


@router.get("/register")
def register_page(request: Request) -> Response:
    """To make an account."""
    return render(request, "register.html")


@router.post("/register")
def register(
    request: Request,
    host: Host,
    visitor: Anyone,
    email: Field = "",
    name: Field = "",
    affiliation: Field = "",
    password: Field = "",
) -> Response:
    """Make an account."""
    TooOften.check(host.traffic.letters, visitor.at, visitor.network, email)
    hashed = hash_password(password, email, name)
    with host.database.write() as session:
        people.register(session, host.site, Registration(email, name, affiliation, hashed), visitor.at)
    return go(request, "/account/confirm", LETTER)


@router.get("/confirm")
def confirm_page(request: Request, code: str = "") -> Response:
    """Where the letter leads."""
    return render(request, "confirm.html", {"code": code})


@router.post("/confirm")
def confirm(request: Request, host: Host, visitor: Anyone, code: Field = "", password: Field = "") -> Response:
    """Confirm an address, and log in."""
    TooOften.check(host.traffic.guesses, visitor.at, visitor.network, code)
    cookie = people.confirm(host.database, host.site, code.strip(), password, visitor.at)
    return _enter(request, host, cookie, "/team", "Your address is confirmed, and you are logged in.")


@router.post("/confirm/again")
def confirm_again(request: Request, host: Host, visitor: Anyone, email: Field = "") -> Response:
    """Send the letter once more."""
    TooOften.check(host.traffic.letters, visitor.at, visitor.network, email)
    with host.database.write() as session:
        people.ask_confirmation(session, host.site, email, visitor.at)
    return go(request, "/account/confirm", LETTER)


@router.get("/login")
def log_in_page(request: Request, next: str = "/") -> Response:
    """To log in."""
    return render(request, "login.html", {"next": clean_target(next)})


@router.post("/login")
def log_in(
    request: Request,
    host: Host,
    visitor: Anyone,
    email: Field = "",
    password: Field = "",
    next: Field = "/",
) -> Response:
    """Log in."""
    TooOften.check(host.traffic.guesses, visitor.at, visitor.network)
    # Guesses of strangers shall not keep out whom an account belongs to, in a browser that has been in it before.
    known = find_browser(host.database, request.cookies.get(name_cookie(host, BROWSER), ""), email)
    TooOften.check(host.traffic.guesses, visitor.at, known or email)
    cookie = people.log_in(host.database, email, password, visitor.at)
    response = _enter(request, host, cookie, clean_target(next))
    set_cookie(response, host, BROWSER, make_browser(host.database, email), BROWSER_S)
    return response


@router.post("/logout")
def log_out(request: Request, host: Host, visitor: Anyone) -> Response:
    """End this visit."""
    with host.database.write() as session:
        end_visit(session, visitor.cookie, visitor.at)
    response = go(request, "/", "You are logged out.")
    drop_cookie(response, host, VISIT)
    return response


@router.get("/forgotten")
def forgotten_page(request: Request) -> Response:
    """For whoever does not know the password any more."""
    return render(request, "forgotten.html")


@router.post("/forgotten")
def forgotten(request: Request, host: Host, visitor: Anyone, email: Field = "") -> Response:
    """Send a letter with a link to set another one."""
    TooOften.check(host.traffic.letters, visitor.at, visitor.network, email)
    with host.database.write() as session:
        people.ask_password(session, host.site, email, visitor.at)
    return go(request, "/account/login", LETTER)


@router.get("/password")
def password_page(request: Request, host: Host, visitor: Anyone, code: str = "") -> Response:
    """Where that letter leads."""
    with host.database.read() as session:
        person = find_code(session, code, "password", visitor.at).person
    return render(request, "password.html", {"code": code, "email": person.email})


@router.post("/password")
def set_password(request: Request, host: Host, visitor: Anyone, code: Field = "", password: Field = "") -> Response:
    """Set another password."""
    TooOften.check(host.traffic.guesses, visitor.at, visitor.network, code)
    with host.database.read() as session:
        person = find_code(session, code, "password", visitor.at).person
    hashed = hash_password(password, person.email, person.name)
    with host.database.write() as session:
        people.reset_password(session, host.site, code, hashed, visitor.at)
    return go(request, "/account/login", "Your password is set: log in.")


@router.get("/openid")
def openid(host: Host, visitor: Anyone) -> Response:
    """To the provider."""
    from overtrace.host.openid import begin

    TooOften.check(host.traffic.guesses, visitor.at, visitor.network)
    address, secret = begin(_find_provider(host), host.address + RETURN)
    response = RedirectResponse(address, 303)
    set_cookie(response, host, OPENID, secret, OPENID_S)
    return response


@router.get("/openid/return")
def openid_return(request: Request, host: Host, visitor: Anyone) -> Response:
    """Back from there: log in, or link the account that is logged in."""
    from overtrace.host.identities import enter, link
    from overtrace.host.openid import finish

    secret = request.cookies.get(name_cookie(host, OPENID), "")
    identity = finish(_find_provider(host), host.address + RETURN, secret, dict(request.query_params), visitor.at)
    if visitor.person is not None:
        with host.database.write() as session:
            link(session, host.site, visitor.person.id, identity, visitor.at)
        response = go(request, "/account", "You can log in by OpenID from now on.")
    else:
        with host.database.write() as session:
            cookie = enter(session, host.site, identity, visitor.at)
        response = _enter(request, host, cookie, "/")
    drop_cookie(response, host, OPENID)
    return response


def clean_target(target: str) -> str:
    """Where to go on after a log-in: a page of this site."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain else "/"


def _enter(request: Request, host: Settings, cookie: str, path: str, said: str = "") -> RedirectResponse:
    old = find_visitor(request).cookie
    if old:
        with host.database.write() as session:
            end_visit(session, old, request.state.at)
    response = go(request, path, said)
    keep_visit(response, host, cookie)
    return response


def _find_provider(host: Settings) -> "Provider":
    if host.provider is None:
        raise NotFound("this host knows no OpenID provider: use a password")
    return host.provider
