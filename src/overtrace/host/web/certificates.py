"""Certificates: to fetch one's own, to fetch all of them, and to check one."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import Response

from overtrace.errors import BadData, NotFound, Refused
from overtrace.host.announcement import read_announcement
from overtrace.host.certificate_page import draw_all, draw_certificate
from overtrace.host.certificates import list_certificates, say, verify_certificate
from overtrace.host.receipts import find_key, show_public_key
from overtrace.host.web.settings import Host, Settings
from overtrace.host.web.views import render
from overtrace.host.web.visitors import Anyone, Organiser, Someone

router = APIRouter()


@router.get("/account/certificate")
def own(host: Host, known: Someone) -> Response:
    """That of whoever asks."""
    with host.database.write() as session:
        found, key = read_announcement(session), find_key(session)
    given = dict(list_certificates(host.site, found)) if found is not None else {}
    if known.id not in given:
        raise NotFound("there is no certificate for you: look at the results")
    headers = {"Content-Disposition": 'attachment; filename="certificate.html"'}
    return Response(draw_certificate(key, given[known.id]), media_type="text/html; charset=utf-8", headers=headers)


@router.get("/organise/announcement/certificates.zip")
def all_of_them(host: Host, known: Organiser) -> Response:
    """Those of everyone, to be handed out."""
    with host.database.write() as session:
        found, key = read_announcement(session), find_key(session)
    if found is None:
        raise Refused("nothing is announced yet: publish the announcement first")
    headers = {"Content-Disposition": 'attachment; filename="certificates.zip"'}
    return Response(draw_all(key, host.site, found), media_type="application/zip", headers=headers)


@router.get("/certificate")
def check_page(request: Request, host: Host, visitor: Anyone) -> Response:
    """Where one is checked."""
    return render(request, "certificate_check.html", {"key": _find_public_key(host), "verdict": "", "fault": ""})


@router.post("/certificate")
def check(
    request: Request, host: Host, visitor: Anyone, file: UploadFile | None = None, code: Annotated[str, Form()] = ""
) -> Response:
    """What one says, if all of it is as this host has signed it."""
    key = _find_public_key(host)
    sent = file.file.read() if file is not None and file.filename else code.encode()
    verdict, fault = "", ""
    try:
        verdict = say(verify_certificate(sent.decode(errors="replace").strip(), key))
    except BadData as error:
        fault = str(error)
    return render(request, "certificate_check.html", {"key": key, "verdict": verdict, "fault": fault})


def _find_public_key(host: Settings) -> str:
    with host.database.write() as session:
        return show_public_key(find_key(session))
