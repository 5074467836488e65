"""Accounts: nobody gets in who should not, and nobody learns who is here."""

import statistics
import time
from functools import partial

import pytest
from argon2 import extract_parameters
from sqlalchemy import func, select

from overtrace.errors import BadOption, NotAllowed, Refused
from overtrace.host import people
from overtrace.host.database import Database
from overtrace.host.passwords import HASHER, hash_password
from overtrace.host.tables import Event, Mail, Person
from overtrace.host.tables_access import Code
from overtrace.host.visits import find_visit
from tests.support.people import (
    AT,
    CHEAP,
    PASSWORD,
    SITE,
    add_person,
    after,
    make_contest,
    read_code,
    read_letters,
    read_log,
    sign_up,
)
from tests.support.races import race

NEW = "another long password"


def find_person(database: Database, email: str) -> Person:
    with database.read() as session:
        return session.scalars(select(Person).where(Person.email == email)).one()


def test_a_person_registers_confirms_and_is_logged_in(database):
    code = sign_up(database, "Ada@Example.org")
    cookie = people.confirm(database, SITE, code, PASSWORD, after(hours=1))
    visit = find_visit(database, cookie, after(hours=1))
    assert (visit.person.email, visit.person.name, visit.person.confirmed_at) == (
        "ada@example.org",
        "Ada Lovelace",
        after(hours=1),
    )


def test_log_in_waits_for_the_address_to_be_confirmed(database):
    sign_up(database, "ada@example.org")
    with pytest.raises(Refused, match="not confirmed yet"):
        people.log_in(database, "ada@example.org", PASSWORD, AT)


def test_log_in_takes_an_address_in_any_case(database):
    ada = add_person(database, "Ada")
    cookie = people.log_in(database, " ADA@example.org ", PASSWORD, AT)
    assert find_visit(database, cookie, AT).person_id == ada.id


def test_log_in_does_not_say_whether_address_or_password_is_wrong(database):
    add_person(database, "Ada")
    said = set()
    for email, password in (("ada@example.org", "wrong password"), ("nobody@example.org", PASSWORD)):
        with pytest.raises(NotAllowed) as refused:
            people.log_in(database, email, password, AT)
        said.add(str(refused.value))
    assert len(said) == 1


def test_an_unknown_address_takes_as_long_as_a_wrong_password(database):
    with database.write() as session:
        session.add(
            Person(id="a", email="ada@example.org", name="Ada", password=hash_password(PASSWORD), created_at=AT)
        )

    def measure(email: str) -> float:
        begun = time.process_time()
        with pytest.raises(NotAllowed):
            people.log_in(database, email, "wrong password", AT)
        return time.process_time() - begun

    measure("ada@example.org")
    known = statistics.median(measure("ada@example.org") for _ in range(5))
    unknown = statistics.median(measure("nobody@example.org") for _ in range(5))
    assert 0.6 < unknown / known < 1.7


def test_registration_does_not_tell_whether_an_address_is_known(database):
    add_person(database, "Ada")
    registrations = [people.Registration(f"{name}@example.org", "Eve", "", CHEAP) for name in ("ada", "new")]
    for registration in registrations:
        with database.write() as session:
            assert people.register(session, SITE, registration, AT) is None
    assert "have an account already" in read_letters(database, "ada@example.org")[0].subject
    assert "Confirm" in read_letters(database, "new@example.org")[0].subject
    assert find_person(database, "ada@example.org").name == "Ada"


def test_a_code_confirms_nothing_without_the_password_of_the_registration(database):
    """Eve registers Ada's address; Ada opens the letter, but Eve's account does not become hers, nor Ada's Eve's."""
    code = sign_up(database, "ada@example.org")
    with pytest.raises(NotAllowed):
        people.confirm(database, SITE, code, "what Ada would type", AT)
    assert find_person(database, "ada@example.org").confirmed_at is None
    people.confirm(database, SITE, code, PASSWORD, AT)


def test_who_registers_once_more_before_confirming_has_the_last_password(database):
    old = sign_up(database, "ada@example.org")
    new = sign_up(database, "ada@example.org", hash_password(NEW), at=after(hours=1))
    with pytest.raises(Refused, match="ask for a new letter"):
        people.confirm(database, SITE, old, NEW, after(hours=1))
    people.confirm(database, SITE, new, NEW, after(hours=1))


def test_the_letter_is_sent_again_to_who_waits_and_to_nobody_else(database):
    old = sign_up(database, "ada@example.org")
    add_person(database, "Bob")
    for email in ("ada@example.org", "bob@example.org", "nobody@example.org"):
        with database.write() as session:
            people.ask_confirmation(session, SITE, email, after(hours=1))
    assert read_code(database, "ada@example.org") != old
    assert read_letters(database, "bob@example.org") == read_letters(database, "nobody@example.org") == []


def test_a_code_ends_on_time(database):
    code = sign_up(database, "ada@example.org")
    with pytest.raises(Refused):
        people.confirm(database, SITE, code, PASSWORD, after(days=3))
    people.confirm(database, SITE, code, PASSWORD, after(days=3, microseconds=-1))


def test_codes_are_kept_as_their_digest_alone(database):
    code = sign_up(database, "ada@example.org")
    with database.read() as session:
        kept = session.scalars(select(Code)).one()
    assert code not in (kept.digest, kept.person_id)
    assert len(kept.digest) == 64


@pytest.mark.parametrize(
    "email", ["", "ada", "a@b", "a b@example.org", "ada@example.org\nBcc: x@y.org", "ä@example.org"]
)
def test_what_is_no_address_is_refused(database, email):
    with database.write() as session, pytest.raises(BadOption, match="no e-mail address"):
        people.register(session, SITE, people.Registration(email, "Ada", "", CHEAP), AT)


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaa", "ada@example.org"])
def test_passwords_that_are_short_endless_or_easy_are_refused(password):
    with pytest.raises(BadOption):
        hash_password(password, "Ada@example.org")


def test_a_password_is_the_same_however_the_keyboard_composes_it(database):
    code = sign_up(database, "ada@example.org", hash_password("pa\u0308ssword here"))
    people.confirm(database, SITE, code, "p\u00e4ssword here", AT)


def test_a_password_is_hashed_anew_when_the_parameters_change(database):
    add_person(database, "Ada")
    people.log_in(database, "ada@example.org", PASSWORD, AT)
    stored = find_person(database, "ada@example.org").password
    assert extract_parameters(stored) == extract_parameters(HASHER.hash("any")) != extract_parameters(CHEAP)
    people.log_in(database, "ada@example.org", PASSWORD, AT)
    assert find_person(database, "ada@example.org").password == stored


def test_a_password_is_reset_by_a_letter_and_all_else_ends(database):
    add_person(database, "Ada")
    cookie = people.log_in(database, "ada@example.org", PASSWORD, AT)
    with database.write() as session:
        people.ask_password(session, SITE, "ada@example.org", AT)
    code = read_code(database, "ada@example.org")
    with database.write() as session:
        people.reset_password(session, SITE, code, hash_password(NEW), after(minutes=1))
    assert find_visit(database, cookie, AT) is None
    with pytest.raises(NotAllowed):
        people.log_in(database, "ada@example.org", PASSWORD, AT)
    people.log_in(database, "ada@example.org", NEW, AT)
    assert "password was changed" in read_letters(database, "ada@example.org")[1].subject
    with database.write() as session, pytest.raises(Refused):
        people.reset_password(session, SITE, code, hash_password(NEW), AT)


def test_asking_for_a_password_tells_nothing_and_writes_in_either_case(database):
    add_person(database, "Ada")
    for email in ("ada@example.org", "nobody@example.org"):
        with database.write() as session:
            assert people.ask_password(session, SITE, email, AT) is None
    assert len(read_log(database, "password.asked")) == 2
    assert read_letters(database, "nobody@example.org") == []


def test_a_reset_confirms_the_address_too(database):
    sign_up(database, "ada@example.org")
    with database.write() as session:
        people.ask_password(session, SITE, "ada@example.org", after(hours=1))
    with database.write() as session:
        people.reset_password(session, SITE, read_code(database, "ada@example.org"), CHEAP, after(hours=1))
    people.log_in(database, "ada@example.org", PASSWORD, after(hours=1))


def test_a_password_is_changed_by_the_old_one_and_other_browsers_are_logged_out(database):
    ada = add_person(database, "Ada")
    here, there = (people.log_in(database, ada.email, PASSWORD, AT) for _ in range(2))
    with pytest.raises(NotAllowed):
        people.change_password(database, SITE, ada.id, "wrong password", hash_password(NEW), here, AT)
    people.change_password(database, SITE, ada.id, PASSWORD, hash_password(NEW), here, AT)
    assert find_visit(database, here, AT) is not None
    assert find_visit(database, there, AT) is None


def test_name_and_affiliation_change(database):
    ada = add_person(database, "Ada")
    with database.write() as session:
        people.change_person(session, ada.id, "Ada  King", "Ockham\u00a0Park", AT)
    changed = find_person(database, ada.email)
    assert (changed.name, changed.affiliation) == ("Ada King", "Ockham Park")


def move(database: Database, person: Person, email: str) -> str:
    people.ask_email(database, SITE, person.id, PASSWORD, email, after(minutes=1))
    return read_code(database, email)


def test_an_address_changes_once_the_new_one_is_confirmed(database):
    ada = add_person(database, "Ada")
    code = move(database, ada, "King@example.org")
    people.log_in(database, "ada@example.org", PASSWORD, AT)
    with database.write() as session:
        people.change_email(session, SITE, ada.id, code, after(minutes=2))
    people.log_in(database, "king@example.org", PASSWORD, AT)
    assert "new e-mail address" in read_letters(database, "ada@example.org")[0].subject


def test_an_address_changes_for_who_knows_the_password_only(database):
    ada = add_person(database, "Ada")
    with pytest.raises(NotAllowed):
        people.ask_email(database, SITE, ada.id, "wrong password", "king@example.org", AT)
    assert read_letters(database, "king@example.org") == []


def test_a_link_in_a_letter_gives_nobody_elses_account_an_address(database):
    """Eve asks to move to the organiser's address; Olga opens the link, logged in as herself."""
    eve, bob = add_person(database, "Eve"), add_person(database, "Bob")
    code = move(database, eve, "new@example.org")
    with pytest.raises(Refused, match="another account"), database.write() as session:
        people.change_email(session, SITE, bob.id, code, AT)
    assert find_person(database, eve.email).id == eve.id


def test_the_address_of_someone_else_is_not_taken_and_not_told_of(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    people.ask_email(database, SITE, ada.id, PASSWORD, bob.email, AT)
    assert "?code=" not in read_letters(database, bob.email)[0].body


def test_a_registration_that_nobody_confirmed_keeps_no_address_from_its_owner(database):
    ada = add_person(database, "Ada")
    sign_up(database, "king@example.org")
    code = move(database, ada, "king@example.org")
    with database.write() as session:
        people.change_email(session, SITE, ada.id, code, after(minutes=2))
    assert find_person(database, "king@example.org").id == ada.id


def test_organisers_are_those_of_the_contest_file_once_confirmed(database):
    code = sign_up(database, "olga@example.org")
    assert not find_person(database, "olga@example.org").organises
    people.confirm(database, SITE, code, PASSWORD, AT)
    assert find_person(database, "olga@example.org").organises
    people.confirm(database, SITE, sign_up(database, "ada@example.org"), PASSWORD, AT)
    assert not find_person(database, "ada@example.org").organises


def test_organisers_change_with_the_contest_file(database):
    olga, ada = add_person(database, "Olga"), add_person(database, "Ada")
    sign_up(database, "new@example.org")
    organisers = [{"name": name, "email": f"{name}@example.org"} for name in ("Ada", "New")]
    with database.write() as session:
        people.appoint_organisers(session, make_contest(organisers=organisers), AT)
    named = [find_person(database, email).organises for email in (olga.email, ada.email, "new@example.org")]
    assert named == [False, True, False]
    assert [event.action for event in read_log(database, "organiser.dismissed")] == ["organiser.dismissed"]


def test_an_organiser_who_moves_to_another_address_is_none_any_more(database):
    olga = add_person(database, "Olga")
    code = move(database, olga, "private@example.org")
    with database.write() as session:
        people.change_email(session, SITE, olga.id, code, AT)
    assert not find_person(database, "private@example.org").organises


def test_the_log_holds_no_address_and_no_name(database):
    code = sign_up(database, "ada@example.org")
    people.confirm(database, SITE, code, PASSWORD, AT)
    ada = find_person(database, "ada@example.org")
    with database.write() as session:
        people.change_person(session, ada.id, "Ada King", "Ockham", AT)
    people.ask_email(database, SITE, ada.id, PASSWORD, "king@example.org", AT)
    text = " ".join(f"{event.actor} {event.subject} {event.details}" for event in read_log(database))
    assert "person:" in text
    assert not any(word in text for word in ("ada@", "Ada", "king", "Ockham", PASSWORD))


def test_two_who_register_one_address_at_once_make_one_account(database):
    def register(name: str) -> None:
        with database.write() as session:
            people.register(session, SITE, people.Registration("ada@example.org", name, "", CHEAP), AT)

    assert race(*(partial(register, f"Ada {number}") for number in range(8))) == [None] * 8
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Person)) == 1
        assert session.scalar(select(func.count()).select_from(Mail)) == 8
        assert session.scalar(select(func.count()).select_from(Code).where(Code.used_at.is_(None))) == 1


def test_a_code_that_is_used_eight_times_at_once_counts_once(database):
    code = sign_up(database, "ada@example.org")
    answers = race(*[partial(people.confirm, database, SITE, code, PASSWORD, AT)] * 8)
    assert sorted(type(answer).__name__ for answer in answers) == ["Refused"] * 7 + ["str"]


def test_a_reset_and_a_log_in_at_once_leave_no_visit_by_the_old_password(database):
    add_person(database, "Ada")
    with database.write() as session:
        people.ask_password(session, SITE, "ada@example.org", AT)
    code, hashed = read_code(database, "ada@example.org"), hash_password(NEW)

    def reset() -> None:
        with database.write() as session:
            people.reset_password(session, SITE, code, hashed, AT)

    answers = race(reset, *[partial(people.log_in, database, "ada@example.org", PASSWORD, AT)] * 4)
    cookies = [answer for answer in answers[1:] if isinstance(answer, str)]
    assert answers[0] is None
    assert [find_visit(database, cookie, AT) for cookie in cookies] == [None] * len(cookies)


def test_what_fails_leaves_neither_row_nor_letter_nor_event(database):
    with pytest.raises(BadOption), database.write() as session:
        people.register(session, SITE, people.Registration("ada@example.org", "\x00", "", CHEAP), AT)
    with database.read() as session:
        assert [session.scalar(select(func.count()).select_from(table)) for table in (Person, Mail, Event)] == [0, 0, 0]
