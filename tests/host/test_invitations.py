"""Invitations: to whom, for how long, and how many places there are."""

from functools import partial

import pytest

from overtrace.errors import BadOption, NotFound, OvertraceError, Refused
from overtrace.host.database import Database
from overtrace.host.invitations import accept, decline, find_invitation, invite, list_invitations, take_back
from overtrace.host.secret import digest
from overtrace.host.site import Site
from overtrace.host.tables import Person
from overtrace.host.teams import find_members, find_team, leave
from tests.support.people import SITE, add_person, add_team, after, make_invitation, make_site, read_letters, read_log
from tests.support.races import race

SMALL = make_site(teams={"most_members": 2})


@pytest.fixture
def people(database):
    return [add_person(database, name) for name in ("Ada", "Bob", "Cai", "Dan")]


def join(database: Database, site: Site, person: Person, code: str) -> str:
    with database.write() as session:
        return accept(session, site, person.id, code, after(hours=1)).name


def count_members(database: Database, person: Person) -> int:
    with database.read() as session:
        return len(find_members(find_team(session, person.id)))


def test_an_invitation_is_kept_as_its_digest_alone(database, people):
    add_team(database, "Forest", people[0])
    code = make_invitation(database, people[0], people[1].email)
    with database.read() as session:
        invitation = find_invitation(session, code, after(hours=1))
        assert (invitation.digest, invitation.team.name) == (digest(code), "Forest")


def test_whoever_has_the_code_joins_by_whatever_address_they_registered(database, people):
    add_team(database, "Forest", people[0])
    code = make_invitation(database, people[0], "Bob@university.example")
    assert join(database, SITE, people[1], code) == "Forest"


def test_a_code_lets_in_once(database, people):
    add_team(database, "Forest", people[0])
    code = make_invitation(database, people[0], people[1].email)
    join(database, SITE, people[1], code)
    with pytest.raises(Refused, match="ask for another one"):
        join(database, SITE, people[2], code)


def test_a_declined_or_withdrawn_or_old_invitation_lets_nobody_in(database, people):
    add_team(database, "Forest", people[0])
    declined, taken, old = (
        make_invitation(database, people[0], f"{name}@example.net", at=after(days=-number))
        for number, name in ((1, "declined"), (2, "taken"), (14, "old"))
    )
    with database.write() as session:
        decline(session, declined, after(hours=0))
        take_back(session, people[0].id, find_invitation(session, taken, after(hours=0)).id, after(hours=0))
    for code in (declined, taken, old, "unknown"):
        with pytest.raises(Refused):
            join(database, SITE, people[1], code)
    assert [event.action for event in read_log(database)][-2:] == ["invitation.declined", "invitation.taken back"]


def test_who_is_invited_again_has_one_invitation(database, people):
    add_team(database, "Forest", people[0])
    first = make_invitation(database, people[0], people[1].email)
    second = make_invitation(database, people[0], people[1].email, at=after(minutes=1))
    with pytest.raises(Refused):
        join(database, SITE, people[1], first)
    join(database, SITE, people[1], second)


def test_who_is_in_the_team_is_not_invited(database, people):
    add_team(database, "Forest", people[0])
    with pytest.raises(Refused, match="in the team already"):
        make_invitation(database, people[0], people[0].email.upper())


def test_what_is_no_address_is_not_invited(database, people):
    add_team(database, "Forest", people[0])
    with pytest.raises(BadOption):
        make_invitation(database, people[0], "bob@example.org\nBcc: all@example.org")


def test_a_stranger_neither_invites_nor_takes_back(database, people):
    add_team(database, "Forest", people[0])
    add_team(database, "Meadow", people[2])
    code = make_invitation(database, people[0], people[1].email)
    with pytest.raises(Refused, match="in no team"):
        make_invitation(database, people[3], people[1].email)
    with pytest.raises(NotFound), database.write() as session:
        take_back(session, people[2].id, find_invitation(session, code, after(hours=1)).id, after(hours=1))


def test_a_team_sends_ten_open_invitations_at_most(database, people):
    add_team(database, "Forest", people[0])
    for number in range(10):
        make_invitation(database, people[0], f"friend{number}@example.net")
    with pytest.raises(Refused, match="10 invitations are open"):
        make_invitation(database, people[0], "one.more@example.net")
    with database.read() as session:
        assert len(list_invitations(session, find_team(session, people[0].id), after(hours=1))) == 10
        assert list_invitations(session, find_team(session, people[0].id), after(days=14)) == []


def test_a_full_team_neither_invites_nor_lets_in(database, people):
    add_team(database, "Forest", people[0], site=SMALL)
    codes = [make_invitation(database, people[0], person.email, SMALL) for person in people[1:3]]
    join(database, SMALL, people[1], codes[0])
    with pytest.raises(Refused, match="at most 2 members"):
        join(database, SMALL, people[2], codes[1])
    with pytest.raises(Refused, match="at most 2 members"):
        make_invitation(database, people[0], people[3].email, SMALL)
    with database.write() as session:
        leave(session, SMALL, people[1].id, after(hours=2))
    assert join(database, SMALL, people[2], codes[1]) == "Forest"


def test_a_withdrawn_team_lets_nobody_in(database, people):
    add_team(database, "Forest", people[0])
    code = make_invitation(database, people[0], people[1].email)
    with database.write() as session:
        leave(session, SITE, people[0].id, after(hours=0))
    with pytest.raises(Refused, match="withdrawn"):
        join(database, SITE, people[1], code)


def test_the_letter_does_not_tell_whether_the_address_is_known(database, people):
    add_team(database, "Forest", people[0])
    bodies = []
    for email in (people[1].email, "new@example.net"):
        code = make_invitation(database, people[0], email)
        bodies.append(read_letters(database, email)[0].body.replace(code, "CODE"))
    assert bodies[0] == bodies[1]


def test_two_who_accept_the_last_place_at_once_get_one(database, people):
    add_team(database, "Forest", people[0], site=SMALL)
    codes = [make_invitation(database, people[0], person.email, SMALL) for person in people[1:]]
    calls = [partial(join, database, SMALL, person, code) for person, code in zip(people[1:], codes, strict=True)]
    answers = race(*calls)
    assert sorted(isinstance(answer, OvertraceError) for answer in answers) == [False, True, True]
    assert count_members(database, people[0]) == 2


def test_one_person_who_joins_two_teams_at_once_is_in_one(database, people):
    add_team(database, "Forest", people[0])
    add_team(database, "Meadow", people[1])
    codes = [
        make_invitation(database, person, people[2].email, at=after(minutes=minute))
        for minute, person in enumerate(people[:2])
    ]
    answers = race(*(partial(join, database, SITE, people[2], code) for code in codes))
    assert sorted(type(answer).__name__ for answer in answers) == ["Refused", "str"]
    assert count_members(database, people[0]) + count_members(database, people[1]) == 3


def test_a_code_that_is_used_by_three_at_once_lets_one_in(database, people):
    add_team(database, "Forest", people[0])
    code = make_invitation(database, people[0], people[1].email)
    answers = race(*(partial(join, database, SITE, person, code) for person in people[1:]))
    assert sorted(type(answer).__name__ for answer in answers) == ["Refused", "Refused", "str"]
    assert count_members(database, people[0]) == 2


def test_accepting_and_declining_at_once_ends_in_one_of_them(database, people):
    add_team(database, "Forest", people[0])
    code = make_invitation(database, people[0], people[1].email)

    def turn_down() -> None:
        with database.write() as session:
            decline(session, code, after(hours=1))

    answers = race(partial(join, database, SITE, people[1], code), turn_down)
    assert sum(isinstance(answer, Refused) for answer in answers) == 1
    assert count_members(database, people[0]) == (1 if isinstance(answers[0], Refused) else 2)


def test_inviting_is_over_once_teams_are_locked(database, people):
    site = make_site(teams={"locks_at": after(days=1)})
    add_team(database, "Forest", people[0], site=site)
    with pytest.raises(Refused, match="locked"), database.write() as session:
        invite(session, site, people[0].id, people[1].email, after(days=1))
