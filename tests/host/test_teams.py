"""Teams: one a person, in an order that all agree to, until they are locked."""

from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from overtrace.errors import BadOption, NotAllowed, Refused
from overtrace.host.database import Database
from overtrace.host.invitations import accept
from overtrace.host.tables import Member, Person, Team
from overtrace.host.teams import (
    agree,
    change_team,
    create_team,
    find_members,
    find_team,
    leave,
    remove,
    set_contact,
    set_order,
)
from tests.support.people import (
    AT,
    SITE,
    TRACKS,
    add_person,
    add_team,
    after,
    make_contest,
    make_invitation,
    make_site,
    read_letters,
    read_log,
    sign_up,
)
from tests.support.races import race

LOCKED = make_site(teams={"locks_at": after(days=1)})


@pytest.fixture
def people(database):
    return [add_person(database, name) for name in ("Ada", "Bob", "Cai")]


def show(database: Database, person: Person) -> tuple[Team, list[str], list[bool]]:
    """Someone's team, the names of its members, and who agreed to their order."""
    with database.read() as session:
        team = find_team(session, person.id)
        members = find_members(team)
        return team, [member.person.name for member in members], [member.agreed_at is not None for member in members]


def find_member(database: Database, person: Person) -> str:
    with database.read() as session:
        return session.scalars(select(Member.id).where(Member.person_id == person.id, Member.left_at.is_(None))).one()


def agree_all(database: Database, *people: Person) -> None:
    for person in people:
        with database.write() as session:
            agree(session, person.id, [one.id for one in people], AT)


def order(database: Database, *people: Person) -> None:
    with database.write() as session:
        set_order(session, SITE, people[0].id, [person.id for person in people], AT)


def test_who_makes_a_team_is_its_first_member_and_contact(database, people):
    team = add_team(database, "  Deep   Forest ", people[0])
    assert (team.name, team.contact_id) == ("Deep Forest", people[0].id)
    assert show(database, people[0])[1] == ["Ada"]


@pytest.mark.parametrize("name", ["DEEP FOREST", "deepforest", "Deep  Forest"])
def test_no_two_teams_look_alike(database, people, name):
    add_team(database, "Deep Forest", people[0])
    with pytest.raises(Refused, match="looks like it"):
        add_team(database, name, people[1])
    other = add_team(database, "Shallow Forest", people[1])
    with pytest.raises(Refused, match="looks like it"), database.write() as session:
        change_team(session, SITE.contest, people[1].id, name, other.track, AT)


def test_a_team_may_change_the_case_of_its_own_name(database, people):
    add_team(database, "Deep Forest", people[0])
    with database.write() as session:
        change_team(session, SITE.contest, people[0].id, "DEEP FOREST", "", AT)
    assert show(database, people[0])[0].name == "DEEP FOREST"


def test_a_person_is_in_one_team_at_a_time(database, people):
    add_team(database, "Forest", people[0])
    with pytest.raises(Refused, match="in a team already"):
        add_team(database, "Meadow", people[0])
    with database.write() as session:
        leave(session, SITE, people[0].id, AT)
    add_team(database, "Meadow", people[0])


def test_a_team_needs_a_confirmed_address(database):
    sign_up(database, "dan@example.org")
    with database.read() as session:
        dan = session.scalars(select(Person)).one()
    with pytest.raises(NotAllowed, match="not confirmed"):
        add_team(database, "Forest", dan)


def test_a_team_chooses_one_of_the_tracks(database, people):
    contest = make_contest(tracks=TRACKS)
    for track in ("", "closed"):
        with pytest.raises(BadOption, match="wanted one of open, provided"), database.write() as session:
            create_team(session, contest, people[0].id, "Forest", track, AT)
    with pytest.raises(BadOption, match="has none"), database.write() as session:
        create_team(session, SITE.contest, people[0].id, "Forest", "open", AT)


def test_the_track_stands_once_teams_are_locked(database, people):
    contest = make_contest(tracks=TRACKS, teams={"locks_at": after(days=1)})
    with database.write() as session:
        create_team(session, contest, people[0].id, "Forest", "open", AT)
    with database.write() as session:
        change_team(session, contest, people[0].id, "Forest", "provided", AT)
    with database.write() as session:
        change_team(session, contest, people[0].id, "Wood", "provided", after(days=1))
    with pytest.raises(Refused, match="locked"), database.write() as session:
        change_team(session, contest, people[0].id, "Wood", "open", after(days=1))


def test_who_joins_stands_last(database, people):
    add_team(database, "Forest", *people)
    assert show(database, people[0])[1] == ["Ada", "Bob", "Cai"]


def test_the_order_of_contribution_names_each_member_once(database, people):
    add_team(database, "Forest", *people)
    order(database, people[2], people[0], people[1])
    assert show(database, people[0])[1] == ["Cai", "Ada", "Bob"]
    for wrong in (people[:2], [*people, people[0]], [people[0], people[0], people[1]]):
        with pytest.raises(BadOption, match="each member once"):
            order(database, *wrong)


def test_a_change_of_order_clears_agreement(database, people):
    add_team(database, "Forest", *people)
    agree_all(database, *people)
    assert show(database, people[0])[2] == [True] * 3
    order(database, *people)
    assert show(database, people[0])[2] == [True] * 3, "the same order is no change"
    order(database, *people[::-1])
    assert show(database, people[0])[2] == [False] * 3


def test_a_change_of_members_clears_agreement(database, people):
    add_team(database, "Forest", *people[:2])
    agree_all(database, *people[:2])
    code = make_invitation(database, people[0], people[2].email)
    assert show(database, people[0])[2] == [True] * 2
    with database.write() as session:
        accept(session, SITE, people[2].id, code, AT)
    assert show(database, people[0])[2] == [False] * 3
    agree_all(database, *people)
    with database.write() as session:
        leave(session, SITE, people[1].id, AT)
    assert show(database, people[0])[1:] == (["Ada", "Cai"], [False] * 2)


def test_nobody_agrees_to_an_order_that_they_did_not_see(database, people):
    add_team(database, "Forest", *people)
    seen = [person.id for person in people]
    order(database, *people[::-1])
    with pytest.raises(Refused, match="changed meanwhile"), database.write() as session:
        agree(session, people[0].id, seen, AT)


def test_one_agrees_for_oneself_alone(database, people):
    add_team(database, "Forest", *people)
    with database.write() as session:
        agree(session, people[1].id, [person.id for person in people], AT)
    assert show(database, people[0])[2] == [False, True, False]


def test_when_the_contact_leaves_the_next_in_order_is_it(database, people):
    add_team(database, "Forest", *people)
    order(database, people[0], people[2], people[1])
    with database.write() as session:
        leave(session, SITE, people[0].id, AT)
    team, names, _ = show(database, people[1])
    assert (team.contact_id, names, team.withdrawn_at) == (people[2].id, ["Cai", "Bob"], None)
    with database.read() as session:
        assert [member.position for member in find_members(session.get_one(Team, team.id))] == [1, 2]


def test_a_team_that_its_last_member_leaves_is_withdrawn(database, people):
    team = add_team(database, "Forest", people[0])
    with database.write() as session:
        leave(session, SITE, people[0].id, after(hours=1))
    with database.read() as session:
        assert session.get_one(Team, team.id).withdrawn_at == after(hours=1)


def test_the_contact_names_another_one(database, people):
    add_team(database, "Forest", *people)
    with pytest.raises(NotAllowed, match="contact"), database.write() as session:
        set_contact(session, people[1], find_member(database, people[1]), AT)
    member_id = find_member(database, people[1])
    with database.write() as session:
        set_contact(session, people[0], member_id, AT)
    assert show(database, people[0])[0].contact_id == people[1].id


def test_the_contact_is_a_member_of_the_team(database, people):
    add_team(database, "Forest", *people[:2])
    add_team(database, "Meadow", people[2])
    stranger = find_member(database, people[2])
    with pytest.raises(NotAllowed), database.write() as session:
        set_contact(session, people[0], stranger, AT)
    gone = find_member(database, people[1])
    with database.write() as session:
        leave(session, SITE, people[1].id, AT)
    with pytest.raises(Refused, match="left the team"), database.write() as session:
        set_contact(session, people[0], gone, AT)


def test_the_contact_takes_out_who_does_not_answer(database, people):
    add_team(database, "Forest", *people)
    silent = find_member(database, people[2])
    with pytest.raises(NotAllowed), database.write() as session:
        remove(session, SITE, people[1], silent, AT)
    with database.write() as session:
        remove(session, SITE, people[0], silent, AT)
    assert show(database, people[0])[1] == ["Ada", "Bob"]
    with pytest.raises(Refused, match="left"), database.write() as session:
        remove(session, SITE, people[0], silent, AT)
    assert read_log(database, "member.removed")[0].details == {"member": people[2].id}


def test_members_and_order_stand_from_the_time_at_which_teams_are_locked(database, people):
    add_team(database, "Forest", *people[:2], site=LOCKED)
    code = make_invitation(database, people[0], people[2].email, LOCKED)
    backwards = [people[1].id, people[0].id]
    member_id = find_member(database, people[1])
    changes = [
        lambda session, at: create_team(session, LOCKED.contest, people[2].id, "Meadow", "", at),
        lambda session, at: accept(session, LOCKED, people[2].id, code, at),
        lambda session, at: set_order(session, LOCKED, people[0].id, backwards, at),
        lambda session, at: leave(session, LOCKED, people[0].id, at),
        lambda session, at: remove(session, LOCKED, people[0], member_id, at),
    ]
    for change in changes:
        with pytest.raises(Refused, match="locked since 2026-03-02 12:00 UTC"), database.write() as session:
            change(session, after(days=1))
    for change in changes:
        with database.write() as session:
            tried = session.begin_nested()
            change(session, after(days=1, microseconds=-1))
            tried.rollback()


def test_agreement_to_the_order_that_stands_is_given_after_the_lock(database, people):
    add_team(database, "Forest", *people[:2], site=LOCKED)
    with database.write() as session:
        agree(session, people[0].id, [person.id for person in people[:2]], after(days=2))
    assert show(database, people[0])[2] == [True, False]


def test_an_organiser_takes_a_member_out_after_the_lock(database, people):
    add_team(database, "Forest", *people[:2], site=LOCKED)
    olga, member_id = add_person(database, "Olga"), find_member(database, people[1])
    with database.write() as session:
        remove(session, LOCKED, olga, member_id, after(days=2))
    assert show(database, people[0])[1] == ["Ada"]


def test_the_others_are_told_when_a_team_changes(database, people):
    add_team(database, "Forest", *people[:2])
    assert [letter.subject for letter in read_letters(database, people[0].email)] == [
        "[Trees] Your team: a member has joined"
    ]
    order(database, *people[1::-1])
    assert len(read_letters(database, people[0].email)) == 2


def test_two_who_take_names_that_look_alike_at_once_make_one_team(database, people):
    def make(person: Person, name: str) -> None:
        with database.write() as session:
            create_team(session, SITE.contest, person.id, name, "", AT)

    names = ("Deep Forest", "DEEP FOREST", "deepforest")
    answers = race(*(partial(make, person, name) for person, name in zip(people, names, strict=True)))
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "Refused", "Refused"]


def test_one_person_who_makes_eight_teams_at_once_has_one(database, people):
    def make(name: str) -> None:
        with database.write() as session:
            create_team(session, SITE.contest, people[0].id, name, "", AT)

    answers = race(*(partial(make, f"Team {number}") for number in range(8)))
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType"] + ["Refused"] * 7
    with database.read() as session:
        assert len(session.scalars(select(Team)).all()) == 1


def test_the_database_itself_keeps_a_person_out_of_two_teams(database, people):
    first, second = add_team(database, "Forest", people[0]), add_team(database, "Meadow", people[1])
    row = Member(id="m", team_id=second.id, person_id=people[0].id, position=2, joined_at=AT)
    assert first.id != second.id
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(row)
