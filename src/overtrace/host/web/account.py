"""One's own account."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, Response

from overtrace.errors import BadOption
from overtrace.host import people
from overtrace.host.announcement import read_announcement
from overtrace.host.certificates import list_certificates
from overtrace.host.passwords import hash_password
from overtrace.host.person_data import erase_person, export_person
from overtrace.host.tokens import list_tokens
from overtrace.host.visits import end_visits
from overtrace.host.web.errors import TooOften
from overtrace.host.web.settings import Host
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import VISIT, Someone, drop_cookie

router = APIRouter(prefix="/account")
Field = Annotated[str, Form()]


@router.get("")
def account(request: Request, host: Host, known: Someone) -> Response:
    """What can be changed."""
    with host.database.read() as session:
        found = read_announcement(session)
        has = found is not None and any(known.id == person for person, _ in list_certificates(host.site, found))
        return render(request, "account.html", {"tokens": list_tokens(session, known.id), "certificate": has})


@router.post("")
def change(request: Request, host: Host, known: Someone, name: Field = "", affiliation: Field = "") -> Response:
    """Change name and affiliation."""
    with host.database.write() as session:
        people.change_person(session, known.id, name, affiliation, known.at)
    return go(request, "/account", "Saved.")


@router.post("/password/change")
def change_password(request: Request, host: Host, known: Someone, old: Field = "", new: Field = "") -> Response:
    """Change the password."""
    TooOften.check(host.traffic.guesses, known.at, known.id)
    hashed = hash_password(new, known.person.email, known.person.name)
    people.change_password(host.database, host.site, known.id, old, hashed, known.cookie, known.at)
    return go(request, "/account", "Your password is changed; all other browsers are logged out.")


@router.post("/email/change")
def ask_email(request: Request, host: Host, known: Someone, email: Field = "", password: Field = "") -> Response:
    """Move the account to another address."""
    TooOften.check(host.traffic.guesses, known.at, known.id)
    TooOften.check(host.traffic.letters, known.at, known.id, email)
    people.ask_email(host.database, host.site, known.id, password, email, known.at)
    return go(request, "/account", "A letter is on its way to the new address: open the link in it.")


@router.get("/email")
def email_page(request: Request, known: Someone, code: str = "") -> Response:
    """Where that letter leads."""
    return render(request, "email.html", {"code": code})


@router.post("/email")
def change_email(request: Request, host: Host, known: Someone, code: Field = "") -> Response:
    """Use the new address from now on."""
    TooOften.check(host.traffic.guesses, known.at, known.id)
    with host.database.write() as session:
        people.change_email(session, host.site, known.id, code, known.at)
    return go(request, "/account", "Your account has the new address.")


@router.get("/export.json")
def export(host: Host, known: Someone) -> Response:
    """All that is kept of someone."""
    with host.database.read() as session:
        kept = export_person(session, known.id)
    headers = {"Content-Disposition": 'attachment; filename="account.json"'}
    return JSONResponse(kept, headers=headers)


@router.post("/logout/everywhere")
def log_out_everywhere(request: Request, host: Host, known: Someone) -> Response:
    """End all other visits."""
    with host.database.write() as session:
        end_visits(session, known.id, known.at, known.cookie)
    return go(request, "/account", "All other browsers are logged out.")


@router.post("/erase")
def erase(request: Request, host: Host, known: Someone, password: Field = "", sure: Field = "") -> Response:
    """Forget who someone is."""
    TooOften.check(host.traffic.guesses, known.at, known.id)
    if sure != "yes":
        raise BadOption("tick the box: an account that is erased does not come back")
    people.check_password(host.database, known.id, password)
    with host.database.write() as session:
        erase_person(session, host.site, known.id, known.at)
    response = go(request, "/", "Your account is erased.")
    drop_cookie(response, host, VISIT)
    return response
