"""Which account a person enters for whom an OpenID provider vouches."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from overtrace.errors import BadOption, Refused
from overtrace.host import letters
from overtrace.host.codes import void_codes
from overtrace.host.database import add_if_new
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.mails import post
from overtrace.host.names import clean_email, clean_name
from overtrace.host.openid import Identity
from overtrace.host.people import lock_person, mark_confirmed
from overtrace.host.site import Site
from overtrace.host.tables import Person
from overtrace.host.visits import open_visit


def enter(session: Session, site: Site, identity: Identity, at: datetime) -> str:
    """Log in the person of this identity, or of its verified address, or make an account.

    Returns:
        The cookie of a new visit.
    Raises:
        Refused: if the identity is new and its provider has verified no address, or another identity has the account.
    """
    person = session.scalar(select(Person).where(Person.openid == identity.openid))
    if person is None:
        person = _adopt(session, site, identity, at)
    return open_visit(session, person.id, at)


def link(session: Session, site: Site, person_id: str, identity: Identity, at: datetime) -> None:
    """Let someone who is logged in enter by this identity from now on.

    Raises:
        Refused: if the identity is of another account.
    """
    person = lock_person(session, person_id)
    if session.scalar(select(Person.id).where(Person.openid == identity.openid, Person.id != person_id)) is not None:
        raise Refused("another account is entered by this log-in: log in there")
    _link(session, site, person, identity, at)


def _adopt(session: Session, site: Site, identity: Identity, at: datetime) -> Person:
    if not identity.email:
        raise Refused("your provider vouches for no e-mail address: register here, then link it to your account")
    email = clean_email(identity.email)
    new = Person(id=new_id(at), email=email, name=_choose_name(identity), openid=identity.openid, created_at=at)
    new.organises = False
    if add_if_new(session, new):
        record(session, "host", "person.registered", f"person:{new.id}", at)
        mark_confirmed(session, site.contest, new, at)
        return new
    person = session.scalars(select(Person).where(Person.email == email).with_for_update()).one_or_none()
    if person is None or person.openid not in (None, identity.openid):
        raise Refused("the account with your e-mail address is entered by another log-in: use that one")
    if person.confirmed_at is None:
        # Whoever registered may not have been who reads letters to this address: their password goes.
        person.password, person.name = "", new.name
        void_codes(session, person.id, at)
    _link(session, site, person, identity, at)
    mark_confirmed(session, site.contest, person, at)
    return person


def _link(session: Session, site: Site, person: Person, identity: Identity, at: datetime) -> None:
    person.openid = identity.openid
    record(session, f"person:{person.id}", "openid.linked", f"person:{person.id}", at)
    post(session, person.email, letters.linked(site), at)


def _choose_name(identity: Identity) -> str:
    try:
        return clean_name(identity.name, "your name")
    except BadOption:
        return identity.email.partition("@")[0][:100]
