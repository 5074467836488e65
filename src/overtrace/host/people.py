"""People: accounts, and the e-mail addresses and passwords that they are entered by.

Nobody learns here whether someone else has an account: what differs is said in a letter to the address alone.
A password is only looked at outside transactions, because that takes long; inside, it must still be the same one.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from overtrace.errors import NotAllowed, NotFound, Refused
from overtrace.host import letters
from overtrace.host.codes import find_code, make_code, spend_code, void_codes
from overtrace.host.contest import Contest
from overtrace.host.database import Database, add_if_new
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.mails import post
from overtrace.host.names import clean_email, clean_line, clean_name
from overtrace.host.passwords import Hashed, is_outdated, is_right, rehash
from overtrace.host.site import Site
from overtrace.host.tables import Person
from overtrace.host.tokens import revoke_tokens
from overtrace.host.visits import end_visits, open_visit

MOST_AFFILIATION = 200


@dataclass(frozen=True, slots=True)
class Registration:
    """What someone who wants an account types."""

    email: str
    name: str
    affiliation: str
    password: Hashed


def register(session: Session, site: Site, registration: Registration, at: datetime) -> None:
    """Make an account that is not confirmed yet, and send a letter; the same to the eye if there is one already.

    Raises:
        BadOption: if the address or the name is none.
    """
    email = clean_email(registration.email)
    facts = {
        "name": clean_name(registration.name, "your name"),
        "affiliation": clean_line(registration.affiliation, "your affiliation", MOST_AFFILIATION),
        "password": registration.password,
    }
    person = Person(id=new_id(at), email=email, created_at=at, **facts)
    if not add_if_new(session, person):
        person = _lock_by_email(session, email)
        if person.confirmed_at is not None:
            post(session, email, letters.known(site), at)
            record(session, "host", "person.registered again", f"person:{person.id}", at)
            return
        # Who registered first may not be who reads letters to this address: the last one to type a password may try.
        for key, value in facts.items():
            setattr(person, key, value)
    record(session, "host", "person.registered", f"person:{person.id}", at)
    _send_confirmation(session, site, person, at)


def ask_confirmation(session: Session, site: Site, email: str, at: datetime) -> None:
    """Send the letter once more, if there is an account that waits for it."""
    person = _find_by_email(session, email)
    record(session, "host", "confirmation.asked", "host" if person is None else f"person:{person.id}", at)
    if person is not None and person.confirmed_at is None:
        _send_confirmation(session, site, person, at)


def confirm(database: Database, site: Site, code: str, password: str, at: datetime) -> str:
    """Confirm an address by a code and the password of the registration, and log in.

    The code shows who reads letters to the address, the password that they are who registered.

    Returns:
        The cookie of a new visit.
    Raises:
        Refused: if the code does not count.
        NotAllowed: if the password is wrong; the code still counts then.
    """
    with database.read() as session:
        seen = find_code(session, code, "confirm", at).person
    _check_password(seen, password)
    with database.write() as session:
        spent = spend_code(session, code, "confirm", at)
        person = lock_person(session, spent.person_id)
        if person.password != seen.password or person.email != spent.email:
            raise Refused("the account has changed meanwhile: open the last letter")
        mark_confirmed(session, site.contest, person, at)
        return open_visit(session, person.id, at)


def log_in(database: Database, email: str, password: str, at: datetime) -> str:
    """Log in, and hash the password anew if it was hashed with other parameters.

    Returns:
        The cookie of a new visit.
    Raises:
        NotAllowed: if there is no such account or the password is wrong, without saying which.
        Refused: if the address is not confirmed yet.
    """
    with database.read() as session:
        seen = _find_by_email(session, email)
    _check_password(seen, password)
    assert seen is not None
    if seen.confirmed_at is None:
        raise Refused("your e-mail address is not confirmed yet: open the letter, or ask for another one")
    anew = rehash(password) if is_outdated(seen.password) else None
    with database.write() as session:
        person = lock_person(session, seen.id)
        if person.password != seen.password:
            raise _refuse_log_in()
        if anew is not None:
            person.password = anew
        return open_visit(session, person.id, at)


def ask_password(session: Session, site: Site, email: str, at: datetime) -> None:
    """Send a letter by which the password can be set anew, if there is such an account."""
    person = _find_by_email(session, email)
    # Something is written either way: the time that it takes tells nothing.
    record(session, "host", "password.asked", "host" if person is None else f"person:{person.id}", at)
    if person is not None:
        code, until = make_code(session, person, "password", person.email, at)
        post(session, person.email, letters.password(site, code, until), at)


def reset_password(session: Session, site: Site, code: str, password: Hashed, at: datetime) -> None:
    """Set a password by a code; whoever else was logged in is so no more, and no token of theirs counts.

    Raises:
        Refused: if the code does not count.
    """
    spent = spend_code(session, code, "password", at)
    person = lock_person(session, spent.person_id)
    if person.email != spent.email:
        raise Refused("the account has another e-mail address meanwhile: ask for a letter there")
    person.password = password
    void_codes(session, person.id, at)
    end_visits(session, person.id, at)
    revoke_tokens(session, person.id, at)
    mark_confirmed(session, site.contest, person, at)
    record(session, f"person:{person.id}", "password.reset", f"person:{person.id}", at)
    post(session, person.email, letters.password_changed(site), at)


def change_password(
    database: Database, site: Site, person_id: str, old: str, new: Hashed, keep: str, at: datetime
) -> None:
    """Change a password; all visits end but the one with the cookie to keep.

    Raises:
        NotAllowed: if the old one is wrong.
    """
    seen = check_password(database, person_id, old)
    with database.write() as session:
        person = lock_person(session, person_id)
        if person.password != seen.password:
            raise _refuse_password()
        person.password = new
        void_codes(session, person.id, at)
        end_visits(session, person.id, at, keep)
        record(session, f"person:{person.id}", "password.changed", f"person:{person.id}", at)
        post(session, person.email, letters.password_changed(site), at)


def change_person(session: Session, person_id: str, name: str, affiliation: str, at: datetime) -> None:
    """Change a name and an affiliation.

    Raises:
        BadOption: if the name is none.
    """
    person = lock_person(session, person_id)
    person.name = clean_name(name, "your name")
    person.affiliation = clean_line(affiliation, "your affiliation", MOST_AFFILIATION)
    record(session, f"person:{person.id}", "person.changed", f"person:{person.id}", at)


def ask_email(database: Database, site: Site, person_id: str, password: str, email: str, at: datetime) -> None:
    """Send a code to a new address, by which the account can be moved there; someone else's is only told of it.

    Raises:
        NotAllowed: if the password is wrong.
        BadOption: if the address is none.
    """
    email = clean_email(email)
    seen = check_password(database, person_id, password)
    with database.write() as session:
        person = lock_person(session, person_id)
        if person.password != seen.password:
            raise _refuse_password()
        record(session, f"person:{person.id}", "email.asked", f"person:{person.id}", at)
        holder = _find_by_email(session, email)
        if holder is not None and holder.confirmed_at is not None:
            post(session, email, letters.known(site), at)
            return
        code, until = make_code(session, person, "email", email, at)
        post(session, email, letters.move(site, code, until), at)


def change_email(session: Session, site: Site, person_id: str, code: str, at: datetime) -> None:
    """Move an account to the address that its code was sent to.

    Only the person who asked can do so: a link in a letter gives nobody else's account an address.

    Raises:
        Refused: if the code does not count, is someone else's, or the address was taken meanwhile.
    """
    spent = spend_code(session, code, "email", at)
    if spent.person_id != person_id:
        raise Refused("this code is of another account: log in there")
    person = lock_person(session, person_id)
    holder = _find_by_email(session, spent.email)
    if holder is not None and holder.confirmed_at is None:
        # A registration that nobody confirmed keeps no address from whom it belongs to.
        void_codes(session, holder.id, at)
        blank(holder, at)
    old = person.email
    try:
        with session.begin_nested():
            person.email = spent.email
    except IntegrityError as error:
        raise Refused("an account with this address was made meanwhile: log in there") from error
    post(session, old, letters.moved(site), at)
    void_codes(session, person.id, at)
    appoint(session, site.contest, person, at)
    record(session, f"person:{person.id}", "email.changed", f"person:{person.id}", at)


def appoint(session: Session, contest: Contest, person: Person, at: datetime) -> None:
    """Make a person an organiser if their confirmed address is one of the contest file, and only then."""
    addresses = {organiser.email.lower() for organiser in contest.organisers}
    organises = person.confirmed_at is not None and person.erased_at is None and person.email in addresses
    if organises != person.organises:
        person.organises = organises
        action = "organiser.appointed" if organises else "organiser.dismissed"
        record(session, "host", action, f"person:{person.id}", at)


def appoint_organisers(session: Session, contest: Contest, at: datetime) -> None:
    """Do so for all people: whenever a host starts, for the file may have changed."""
    addresses = [organiser.email.lower() for organiser in contest.organisers]
    for person in session.scalars(select(Person).where(or_(Person.organises, Person.email.in_(addresses)))):
        appoint(session, contest, person, at)


def mark_confirmed(session: Session, contest: Contest, person: Person, at: datetime) -> None:
    """Note that someone reads letters to their address."""
    if person.confirmed_at is None:
        person.confirmed_at = at
        record(session, f"person:{person.id}", "person.confirmed", f"person:{person.id}", at)
    appoint(session, contest, person, at)


def check_password(database: Database, person_id: str, password: str) -> Person:
    """A person as they are, if this is their password; where an OpenID provider vouches, there is none to be asked.

    Raises:
        NotAllowed: if it is wrong.
    """
    with database.read() as session:
        seen = session.get(Person, person_id)
    if seen is None or ((seen.password or not seen.openid) and not is_right(password, seen.password)):
        raise _refuse_password()
    return seen


def lock_person(session: Session, person_id: str) -> Person:
    """Someone with an account, locked until the transaction ends.

    Raises:
        NotFound: if it is not there, or erased.
    """
    person = session.get(Person, person_id, with_for_update=True, populate_existing=True)
    if person is None or person.erased_at is not None:
        raise NotFound("there is no such account: register")
    return person


def blank(person: Person, at: datetime) -> None:
    """Leave a pseudonym of a person, by which no one can log in."""
    person.email = f"{person.id.lower()}@erased.invalid"
    person.name = f"Former participant {person.id[-6:]}"
    person.affiliation = person.password = ""
    person.openid = None
    person.organises = False
    person.erased_at = at


def _send_confirmation(session: Session, site: Site, person: Person, at: datetime) -> None:
    code, until = make_code(session, person, "confirm", person.email, at)
    post(session, person.email, letters.confirm(site, code, until), at)


def _check_password(person: Person | None, password: str) -> None:
    if not is_right(password, "" if person is None else person.password):
        raise _refuse_log_in()


def _refuse_log_in() -> NotAllowed:
    return NotAllowed("the e-mail address or the password is wrong: try again, or ask for a new password")


def _refuse_password() -> NotAllowed:
    return NotAllowed("the password is wrong: try again")


def _find_by_email(session: Session, email: str) -> Person | None:
    return session.scalar(select(Person).where(Person.email == email.strip().lower()))


def _lock_by_email(session: Session, email: str) -> Person:
    return session.scalars(select(Person).where(Person.email == email).with_for_update()).one()
