"""Which account someone enters for whom an OpenID provider vouches."""

from functools import partial

import pytest
from sqlalchemy import select

from overtrace.errors import NotAllowed, Refused
from overtrace.host import people
from overtrace.host.database import Database
from overtrace.host.identities import enter, link
from overtrace.host.openid import Identity
from overtrace.host.passwords import hash_password
from overtrace.host.tables import Person
from overtrace.host.visits import find_visit
from tests.support.people import AT, PASSWORD, SITE, add_person, after, read_code, read_letters, sign_up
from tests.support.races import race

ADA = Identity("https://id.example 1", "Ada@example.org", "Ada  Lovelace")


def go_in(database: Database, identity: Identity) -> Person:
    with database.write() as session:
        cookie = enter(session, SITE, identity, AT)
    return find_visit(database, cookie, AT).person


def test_who_is_new_has_an_account_whose_address_is_confirmed(database):
    person = go_in(database, ADA)
    assert (person.email, person.name, person.confirmed_at, person.password) == (
        "ada@example.org",
        "Ada Lovelace",
        AT,
        "",
    )
    assert go_in(database, ADA).id == person.id


def test_an_account_is_the_same_when_address_and_name_change_there(database):
    person = go_in(database, ADA)
    assert go_in(database, Identity(ADA.openid, "king@example.org", "Ada King")).id == person.id
    assert go_in(database, Identity(ADA.openid, "", "")).id == person.id


def test_a_verified_address_leads_to_its_account_and_a_letter_says_so(database):
    ada = add_person(database, "Ada")
    assert go_in(database, ADA).id == ada.id
    people.log_in(database, "ada@example.org", PASSWORD, AT)
    assert "by OpenID" in read_letters(database, "ada@example.org")[0].subject


def test_the_password_of_a_registration_that_nobody_confirmed_goes(database):
    """Eve registers Ada's address and waits for Ada to come by OpenID."""
    code = sign_up(database, "ada@example.org")
    person = go_in(database, ADA)
    assert person.name == "Ada Lovelace"
    with pytest.raises(NotAllowed):
        people.log_in(database, "ada@example.org", PASSWORD, AT)
    with pytest.raises(Refused):
        people.confirm(database, SITE, code, PASSWORD, AT)


def test_an_address_that_is_not_verified_leads_nowhere(database):
    add_person(database, "Ada")
    with pytest.raises(Refused, match="vouches for no e-mail address"):
        go_in(database, Identity(ADA.openid, "", "Ada"))


def test_an_account_of_another_identity_is_not_entered(database):
    go_in(database, ADA)
    with pytest.raises(Refused, match="another log-in"):
        go_in(database, Identity("https://id.example 2", "ada@example.org", "Eve"))


def test_who_is_logged_in_links_an_identity_without_an_address(database):
    ada, bob = add_person(database, "Ada"), add_person(database, "Bob")
    orcid = Identity("https://orcid.org 0000-0001", "", "")
    with database.write() as session:
        link(session, SITE, ada.id, orcid, AT)
    assert go_in(database, orcid).id == ada.id
    with pytest.raises(Refused, match="another account"), database.write() as session:
        link(session, SITE, bob.id, orcid, AT)


def test_an_organiser_may_come_by_openid(database):
    assert go_in(database, Identity("https://id.example 3", "olga@example.org", "Olga")).organises


def test_a_name_that_cannot_be_shown_is_replaced(database):
    assert go_in(database, Identity(ADA.openid, "ada@example.org", "\x00")).name == "ada"


def test_who_has_no_password_is_not_asked_for_it_and_can_set_one(database):
    ada = go_in(database, ADA)
    people.ask_email(database, SITE, ada.id, "", "king@example.org", AT)
    assert read_code(database, "king@example.org")
    with database.write() as session:
        people.ask_password(session, SITE, "ada@example.org", after(hours=1))
    code = read_code(database, "ada@example.org")
    with database.write() as session:
        people.reset_password(session, SITE, code, hash_password("a long new password"), after(hours=1))
    people.log_in(database, "ada@example.org", "a long new password", after(hours=1))
    with pytest.raises(NotAllowed):
        people.ask_email(database, SITE, ada.id, "", "king@example.org", after(hours=2))


def test_nobody_logs_in_with_the_empty_password_of_such_an_account(database):
    go_in(database, ADA)
    with pytest.raises(NotAllowed):
        people.log_in(database, "ada@example.org", "", AT)


def test_one_identity_that_comes_in_eight_times_at_once_has_one_account(database):
    found = race(*[partial(go_in, database, ADA)] * 8)
    assert len({person.id for person in found}) == 1
    with database.read() as session:
        assert len(session.scalars(select(Person)).all()) == 1
