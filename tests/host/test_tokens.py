"""Tokens: for some purposes, for some time."""

from datetime import datetime

import pytest
from sqlalchemy import select

from overtrace.errors import BadOption, NotAllowed, NotFound
from overtrace.host.database import Database
from overtrace.host.tables import Person
from overtrace.host.tables_access import Token
from overtrace.host.tokens import find_token, list_tokens, make_token, revoke_token
from tests.support.people import AT, add_person, after, read_log


def make(database: Database, person: Person | None, *scopes: str, until: datetime | None = None) -> tuple[Token, str]:
    with database.write() as session:
        return make_token(session, person, "laptop", scopes, until, AT)


def test_a_token_is_good_for_its_scopes_alone(database):
    ada = add_person(database, "Ada")
    _, secret = make(database, ada, "submit", "read")
    assert find_token(database, secret, "submit", AT).person.id == ada.id
    with pytest.raises(NotAllowed, match="for read, submit, not for work"):
        find_token(database, secret, "work", AT)


def test_a_token_is_kept_as_its_digest_alone(database):
    _, secret = make(database, add_person(database, "Ada"), "read")
    with database.read() as session:
        token = session.scalars(select(Token)).one()
    assert secret.startswith("overtrace_")
    assert secret not in (token.digest, token.id, token.name)


def test_a_token_ends_on_time(database):
    _, secret = make(database, add_person(database, "Ada"), "read", until=after(days=1))
    find_token(database, secret, "read", after(days=1, microseconds=-1))
    with pytest.raises(NotAllowed, match="too old"):
        find_token(database, secret, "read", after(days=1))


def test_a_token_notes_when_it_was_used(database):
    _, secret = make(database, add_person(database, "Ada"), "read")
    find_token(database, secret, "read", after(hours=1))
    assert find_token(database, secret, "read", after(hours=1)).used_at == after(hours=1)


def test_a_revoked_token_is_good_for_nothing(database):
    ada = add_person(database, "Ada")
    token, secret = make(database, ada, "read")
    with database.write() as session:
        revoke_token(session, ada, token.id, AT)
    with pytest.raises(NotAllowed):
        find_token(database, secret, "read", AT)
    with database.read() as session:
        assert list_tokens(session, ada.id) == []
    assert [event.action for event in read_log(database)] == ["token.made", "token.revoked"]


def test_nobody_revokes_the_token_of_someone_else(database):
    ada, eve, olga = (add_person(database, name) for name in ("Ada", "Eve", "Olga"))
    tokens = [make(database, ada, "read")[0], make(database, None, "work")[0]]
    for token in tokens:
        with pytest.raises(NotFound), database.write() as session:
            revoke_token(session, eve, token.id, AT)
    with pytest.raises(NotFound), database.write() as session:
        revoke_token(session, olga, tokens[0].id, AT)
    with database.write() as session:
        revoke_token(session, olga, tokens[1].id, AT)


def test_tokens_for_workers_are_made_by_organisers_and_the_host(database):
    with pytest.raises(NotAllowed, match="organisers"):
        make(database, add_person(database, "Ada"), "work")
    for person in (add_person(database, "Olga"), None):
        _, secret = make(database, person, "work")
        assert find_token(database, secret, "work", AT).scopes == ["work"]


def test_who_organises_no_longer_has_no_workers(database):
    olga = add_person(database, "Olga")
    _, secret = make(database, olga, "work")
    with database.write() as session:
        session.get_one(Person, olga.id).organises = False
    with pytest.raises(NotAllowed):
        find_token(database, secret, "work", AT)


@pytest.mark.parametrize(
    ("scopes", "until", "message"),
    [((), None, "none: wanted"), (("write",), None, "write: wanted"), (("read",), AT, "which is over")],
)
def test_a_token_for_nothing_or_the_past_is_refused(database, scopes, until, message):
    with pytest.raises(BadOption, match=message):
        make(database, add_person(database, "Ada"), *scopes, until=until)
