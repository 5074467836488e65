"""One's own team: who is in it, what it says of its work, and what it lacks."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from overtrace.errors import BadOption, OvertraceError, Refused
from overtrace.host import dossiers, invitations
from overtrace.host import teams as rosters
from overtrace.host.deliveries import find_delivery
from overtrace.host.dossiers import find_declarations, find_lacks
from overtrace.host.markdown import count_words
from overtrace.host.sending import send_file
from overtrace.host.tables import FileKind, Team
from overtrace.host.web.errors import TooOften, describe
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import go, render
from overtrace.host.web.visitors import Anyone, Known, Someone

router = APIRouter()
Field = Annotated[str, Form()]
DOCUMENT = FileKind.DOCUMENT


@router.get("/team")
def team(request: Request, host: Host, known: Someone) -> Response:
    """All of it; or how to get into one."""
    with host.database.read() as session:
        found = rosters.find_team(session, known.id)
        if found is None:
            locked = rosters.is_locked(host.contest, known.at)
            return render(request, "no_team.html", {"locked": locked})
        return render(request, "team.html", _describe(session, host, known, found))


@router.post("/team")
def create(request: Request, host: Host, known: Someone, name: Field = "", track: Field = "") -> Response:
    """Make a team."""
    with host.database.write() as session:
        rosters.create_team(session, host.contest, known.id, name, track, known.at)
    return go(request, "/team", "The team is made: invite the others.")


@router.post("/team/change")
def change(request: Request, host: Host, known: Someone, name: Field = "", track: Field = "") -> Response:
    """Change its name or track."""
    with host.database.write() as session:
        rosters.change_team(session, host.contest, known.id, name, track, known.at)
    return go(request, "/team", "Saved.")


@router.post("/team/leave")
def leave(request: Request, host: Host, known: Someone, sure: Field = "") -> Response:
    """Leave it."""
    if sure != "yes":
        raise BadOption("tick the box: the others have to invite you again otherwise")
    with host.database.write() as session:
        rosters.leave(session, host.site, known.id, known.at)
    return go(request, "/team", "You have left the team.")


@router.post("/team/invite")
def invite(request: Request, host: Host, known: Someone, email: Field = "") -> Response:
    """Offer a place."""
    TooOften.check(host.traffic.letters, known.at, known.id, email)
    with host.database.write() as session:
        invitations.invite(session, host.site, known.id, email, known.at)
    return go(request, "/team", "A letter with the invitation is on its way.")


@router.post("/team/invitations/{invitation_id}/take-back")
def take_back(request: Request, host: Host, known: Someone, invitation_id: str) -> Response:
    """Offer it no more."""
    with host.database.write() as session:
        invitations.take_back(session, known.id, invitation_id, known.at)
    return go(request, "/team", "The invitation is taken back.")


@router.get("/teams/invitation")
def invitation(request: Request, host: Host, visitor: Anyone, code: str = "") -> Response:
    """Where the letter leads."""
    with host.database.read() as session:
        found = invitations.find_invitation(session, code, visitor.at)
        return render(
            request, "invitation.html", {"invitation": found, "code": code, "target": f"/teams/invitation?code={code}"}
        )


@router.post("/teams/invitation/accept")
def accept(request: Request, host: Host, known: Someone, code: Field = "") -> Response:
    """Join."""
    with host.database.write() as session:
        joined = invitations.accept(session, host.site, known.id, code, known.at)
    return go(request, "/team", f"You are in the team {joined.name}.")


@router.post("/teams/invitation/decline")
def decline(request: Request, host: Host, visitor: Anyone, code: Field = "") -> Response:
    """Do not."""
    with host.database.write() as session:
        invitations.decline(session, code, visitor.at)
    return go(request, "/", "The invitation is declined.")


@router.post("/team/order")
def order(
    request: Request,
    host: Host,
    known: Someone,
    person: Annotated[tuple[str, ...], Form()] = (),
    place: Annotated[tuple[int, ...], Form()] = (),
) -> Response:
    """Say who contributed most: each member has a field with their place."""
    if len(set(place)) < len(place) or len(place) != len(person):
        raise BadOption("two members have one place: give each another one, from 1")
    wanted = [one for _, one in sorted(zip(place, person, strict=True))]
    with host.database.write() as session:
        rosters.set_order(session, host.site, known.id, wanted, known.at)
    return go(request, "/team", "The order is saved; all members are asked to agree.")


@router.post("/team/agree")
def agree(request: Request, host: Host, known: Someone, order: Field = "") -> Response:
    """Agree to the order that was seen."""
    with host.database.write() as session:
        rosters.agree(session, known.id, order.split(","), known.at)
    return go(request, "/team", "You agree to the order.")


@router.post("/team/members/{member_id}/contact")
def contact(request: Request, host: Host, known: Someone, member_id: str) -> Response:
    """Name the member whom organisers write to."""
    with host.database.write() as session:
        rosters.set_contact(session, known.person, member_id, known.at)
    return go(request, "/team", "The contact is changed.")


@router.post("/team/members/{member_id}/remove")
def remove(request: Request, host: Host, known: Someone, member_id: str) -> Response:
    """Take someone out."""
    with host.database.write() as session:
        rosters.remove(session, host.site, known.person, member_id, known.at)
    return go(request, "/team", "The member is taken out.")


@router.post("/team/method")
def method(request: Request, host: Host, known: Someone, text: Field = "", preview: Field = "") -> Response:
    """Describe the method, or only look at how it will be shown; what is refused is not lost."""
    text = text.replace("\r\n", "\n")
    words = count_words(text)
    if preview:
        return render(request, "method.html", {"text": text, "words": words, "line": ""})
    try:
        with host.database.write() as session:
            dossiers.write_method(session, host.contest, known.id, text, known.at)
    except OvertraceError as error:
        status, line = describe(error)
        return render(request, "method.html", {"text": text, "words": words, "line": line}, status)
    return go(request, "/team", "The description is saved.")


@router.post("/team/document")
def document(request: Request, host: Host, known: Someone, file: UploadFile) -> Response:
    """Attach a description."""
    with host.database.read() as session:
        found = find_own_team(session, known)
    upload = send_file(host.uploads, found.id, known.id, "", file.filename or "", file.file, known.at, DOCUMENT)
    host.uploads.complete_file(upload.id, host.clock())
    with host.database.write() as session:
        dossiers.attach_document(session, known.id, upload.sha256, upload.name, host.clock())
    return go(request, "/team", "The description is attached.")


@router.post("/team/document/detach")
def detach(request: Request, host: Host, known: Someone) -> Response:
    """Take it away."""
    with host.database.write() as session:
        dossiers.detach_document(session, known.id, known.at)
    return go(request, "/team", "The description is taken away.")


@router.post("/team/declarations")
def declare(
    request: Request,
    host: Host,
    known: Someone,
    kind: Field = "",
    name: Field = "",
    address: Field = "",
    licence: Field = "",
    sha256: Field = "",
) -> Response:
    """Declare a pretrained model or other data."""
    with host.database.write() as session:
        dossiers.declare(session, known.id, kind, name, address, licence, sha256, known.at)
    return go(request, "/team", "Declared. Say once more that the list is complete.")


@router.post("/team/declarations/complete")
def complete(request: Request, host: Host, known: Someone) -> Response:
    """Say that nothing is missing."""
    with host.database.write() as session:
        dossiers.declare_complete(session, known.id, known.at)
    return go(request, "/team", "The declarations are complete.")


@router.post("/team/declarations/{declaration_id}/take-back")
def take_back_declaration(request: Request, host: Host, known: Someone, declaration_id: str) -> Response:
    """Take one back."""
    with host.database.write() as session:
        dossiers.take_back_declaration(session, known.id, declaration_id, known.at)
    return go(request, "/team", "Taken back. Say once more that the list is complete.")


def find_own_team(session: Session, known: Known) -> Team:
    """The team of someone.

    Raises:
        Refused: if in none.
    """
    found = rosters.find_team(session, known.id)
    if found is None:
        raise Refused("you are in no team: create one, or accept an invitation")
    return found


def _describe(session: Session, host: Settings, known: Known, found: Team) -> dict[str, object]:
    members = rosters.find_members(found)
    return {
        "team": found,
        "members": members,
        "order": ",".join(member.person_id for member in members),
        "agreed": all(member.agreed_at is not None for member in members if member.person_id == known.id),
        "is_contact": found.contact_id == known.id,
        "delivery": find_delivery(session, found.id),
        "locked": rosters.is_locked(host.contest, known.at),
        "invitations": invitations.list_invitations(session, found, known.at),
        "declarations": find_declarations(found),
        "lacks": find_lacks(found, host.contest, known.at),
        "words": count_words(found.method),
    }
