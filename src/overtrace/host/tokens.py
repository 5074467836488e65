"""Tokens: what a program shows in the place of a password, for some purposes and some time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from overtrace.errors import BadOption, NotAllowed, NotFound
from overtrace.host.database import Database
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.names import clean_name
from overtrace.host.secret import digest, new_secret
from overtrace.host.tables import Person
from overtrace.host.tables_access import Token

SCOPES = ("read", "submit", "work")
PREFIX = "overtrace_"
"""By which those who search for secrets in published code know one."""
SEEN_EVERY = timedelta(minutes=5)


def make_token(
    session: Session,
    person: Person | None,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    at: datetime,
) -> tuple[Token, str]:
    """A token and its value, which is not kept.

    Args:
        person: whose it is; None for a worker of the host itself.
        expires_at: None for a token that lasts until it is revoked.
    Raises:
        BadOption: if there is no such scope, or the time is over.
        NotAllowed: if the scope is ``work`` and the person no organiser.
    """
    if not scopes or not set(scopes) <= set(SCOPES):
        raise BadOption(f"scopes {', '.join(scopes) or 'none'}: wanted one or more of {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= at:
        raise BadOption(f"the token would end at {expires_at.isoformat()}, which is over: choose a later time")
    if "work" in scopes and person is not None and not person.organises:
        raise NotAllowed("tokens for workers are made by organisers: leave out the scope work")
    secret = PREFIX + new_secret()
    token = Token(
        digest=digest(secret),
        id=new_id(at),
        person_id=None if person is None else person.id,
        name=clean_name(name, "the name of the token"),
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_at=at,
        expires_at=expires_at,
    )
    session.add(token)
    record(session, _actor(person), "token.made", f"token:{token.id}", at, scopes=token.scopes)
    return token, secret


def find_token(database: Database, secret: str, scope: str, at: datetime) -> Token:
    """The token of this value, with its person, if it is good for a scope.

    Raises:
        NotAllowed: if it is not known, revoked, too old, or for other purposes.
    """
    with database.read() as session:
        token = session.get(Token, digest(secret), options=[joinedload(Token.person)])
    if token is None or token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= at):
        raise NotAllowed("this token is not known, was revoked, or is too old: make a new one")
    # Who organises no longer has no workers any more.
    lost = scope == "work" and token.person is not None and not token.person.organises
    if scope not in token.scopes or lost:
        raise NotAllowed(f"this token is for {', '.join(token.scopes)}, not for {scope}: make another one")
    if token.used_at is None or token.used_at <= at - SEEN_EVERY:
        with database.write() as session:
            session.execute(update(Token).where(Token.digest == token.digest).values(used_at=at))
    return token


def list_tokens(session: Session, person_id: str) -> list[Token]:
    """Those of a person that were not revoked, the oldest first."""
    own = select(Token).where(Token.person_id == person_id, Token.revoked_at.is_(None))
    return list(session.scalars(own.order_by(Token.id)))


def revoke_token(session: Session, person: Person, token_id: str, at: datetime) -> None:
    """Take a token back: one's own, or for organisers that of a worker.

    Raises:
        NotFound: if there is no such one.
    """
    token = session.scalar(select(Token).where(Token.id == token_id))
    if token is None or not (token.person_id == person.id or (token.person_id is None and person.organises)):
        raise NotFound("you have no such token: look at the list of them")
    if token.revoked_at is None:
        token.revoked_at = at
        record(session, _actor(person), "token.revoked", f"token:{token.id}", at)


def revoke_tokens(session: Session, person_id: str, at: datetime) -> None:
    """Take all tokens of a person back."""
    live = update(Token).where(Token.person_id == person_id, Token.revoked_at.is_(None))
    session.execute(live.values(revoked_at=at))


def _actor(person: Person | None) -> str:
    return "host" if person is None else f"person:{person.id}"
