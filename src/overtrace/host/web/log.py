"""The log for programs: its head for everyone, who can save it; its lines for organisers."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import select

from overtrace.errors import NotAllowed
from overtrace.host.audit import AT_ONCE
from overtrace.host.events import show_line
from overtrace.host.receipts import make_head
from overtrace.host.tables import Event
from overtrace.host.web.settings import Host
from overtrace.host.web.visitors import Anyone, Reader

router = APIRouter(prefix="/api/v1/log")


@router.get("/head")
def head(host: Host, visitor: Anyone) -> dict[str, Any]:
    """The last line of the log, signed: it stands for all lines up to it."""
    with host.database.write() as session:
        return dict(make_head(session, host.contest, visitor.at))


@router.get("/holds")
def holds(
    host: Host, line: Annotated[int, Query(ge=1)], sha256: Annotated[str, Query(max_length=64)]
) -> dict[str, Any]:
    """Whether a line still has the digest that a receipt names."""
    with host.database.read() as session:
        found = session.get(Event, line)
    return {"holds": found is not None and found.digest == sha256}


@router.get("")
def lines(host: Host, known: Reader, after: Annotated[int, Query(ge=0)] = 0) -> dict[str, Any]:
    """Lines with their digests, from the one after a number; for organisers."""
    if not known.person.organises:
        raise NotAllowed("the lines of the log are for organisers: its head, /api/v1/log/head, is for everyone")
    with host.database.read() as session:
        found = session.scalars(select(Event).where(Event.id > after).order_by(Event.id).limit(AT_ONCE)).all()
    return {"lines": [{**show_line(line), "digest": line.digest} for line in found]}
