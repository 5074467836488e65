"""Visits: how long a browser stays logged in."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from overtrace.host.secret import digest
from overtrace.host.tables_access import Visit
from overtrace.host.visits import IDLE, LONGEST, end_visit, end_visits, find_visit, open_visit
from tests.support.people import AT, add_person


@pytest.fixture
def cookie(database):
    ada = add_person(database, "Ada")
    with database.write() as session:
        return open_visit(session, ada.id, AT)


def test_a_cookie_is_kept_as_its_digest_alone(database, cookie):
    with database.read() as session:
        assert session.scalars(select(Visit.digest)).all() == [digest(cookie)]
    assert find_visit(database, digest(cookie), AT) is None


def test_a_visit_without_pages_ends(database, cookie):
    assert find_visit(database, cookie, AT + IDLE) is None
    assert find_visit(database, cookie, AT + IDLE - timedelta(microseconds=1)).person.name == "Ada"


def test_a_visit_ends_however_busy_it_is(database, cookie):
    day = timedelta(days=1)
    for passed in range(LONGEST // day):
        assert find_visit(database, cookie, AT + passed * day) is not None
    assert find_visit(database, cookie, AT + LONGEST) is None


def test_a_visit_is_not_written_at_each_page(database, cookie):
    find_visit(database, cookie, AT + timedelta(minutes=4))
    assert find_visit(database, cookie, AT).seen_at == AT
    find_visit(database, cookie, AT + timedelta(minutes=5))
    assert find_visit(database, cookie, AT).seen_at == AT + timedelta(minutes=5)


def test_logging_out_ends_one_visit_or_all_others(database, cookie):
    person_id = find_visit(database, cookie, AT).person_id
    with database.write() as session:
        second, third = (open_visit(session, person_id, AT) for _ in range(2))
        end_visit(session, cookie, AT)
    assert [find_visit(database, value, AT) is None for value in (cookie, second, third)] == [True, False, False]
    with database.write() as session:
        end_visits(session, person_id, AT, keep=third)
    assert [find_visit(database, value, AT) is None for value in (cookie, second, third)] == [True, True, False]


def test_what_is_no_cookie_finds_nobody(database, cookie):
    assert [find_visit(database, value, AT) for value in ("", "x", cookie + "x", "\ud800")] == [None] * 4
