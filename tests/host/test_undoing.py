"""What was taken back of teams, and is restored."""

import pytest

from overtrace.errors import NotFound, Refused
from overtrace.host.dossiers import declare, declare_complete, find_declarations, take_back_declaration
from overtrace.host.invitations import accept, invite, list_invitations, take_back
from overtrace.host.person_data import erase_person
from overtrace.host.teams import agree, find_members, find_team, leave, remove
from overtrace.host.undoing import list_gone, restore
from tests.support.people import (
    SITE,
    add_person,
    add_team,
    after,
    make_invitation,
    make_site,
    read_letters,
    read_log,
)

OLGA = "person:olga"
LATER = after(hours=9)


@pytest.fixture
def people(database):
    return [add_person(database, name) for name in ("Ada", "Bob", "Cai")]


def look(database):
    """What can be restored: kind, what, who did it, of which team."""
    with database.read() as session:
        return [(one.kind, one.what, one.actor, one.team.name) for one in list_gone(session, LATER)]


def undo(database, number=0, site=SITE):
    with database.write() as session:
        one = list_gone(session, LATER)[number]
        restore(session, site, one.kind, one.id, LATER, OLGA)


def find(database, person):
    with database.read() as session:
        team = find_team(session, person.id)
        return team and [(one.person.name, one.position, one.agreed_at is not None) for one in find_members(team)]


def test_a_member_who_left_comes_back_to_the_last_place_and_all_agree_anew(database, people):
    ada, bob, cai = people
    team = add_team(database, "Engines", *people)
    with database.write() as session:
        leave(session, SITE, bob.id, after(hours=1))
    with database.write() as session:
        agree(session, ada.id, [ada.id, cai.id], after(hours=2))
    assert look(database) == [("member", "Bob, member", f"person:{bob.id}", "Engines")]
    undo(database)
    assert find(database, bob) == [("Ada", 1, False), ("Cai", 2, False), ("Bob", 3, False)]
    assert look(database) == []
    (event,) = read_log(database, "member.restored")
    assert (event.actor, event.subject, event.details) == (OLGA, f"team:{team.id}", {"member": bob.id})
    assert [read_letters(database, one.email)[-1].subject.partition(": ")[2] for one in (ada, bob, cai)] == [
        "an organiser has put a member back"
    ] * 3


def test_a_team_that_was_withdrawn_comes_back_with_a_member_who_is_its_contact(database, people):
    ada, bob, _ = people
    team = add_team(database, "Engines", ada, bob)
    for person, hours in ((ada, 1), (bob, 2)):
        with database.write() as session:
            leave(session, SITE, person.id, after(hours=hours))
    assert [what for _, what, _, _ in look(database)] == ["Bob, member", "Ada, member"]
    undo(database, 1)
    with database.read() as session:
        back = find_team(session, ada.id)
        assert (back.id, back.withdrawn_at, back.contact_id) == (team.id, None, ada.id)
    undo(database)
    assert find(database, ada) == [("Ada", 1, False), ("Bob", 2, False)]
    assert [event.subject for event in read_log(database, "team.restored")] == [f"team:{team.id}"]


def test_who_was_removed_is_told_with_who_did_it_and_restored_though_teams_are_locked(database, people):
    ada, bob, _ = people
    locked = make_site(teams={"locks_at": after(hours=3)})
    add_team(database, "Engines", ada, bob)
    with database.write() as session:
        member = find_members(find_team(session, bob.id))[1]
        remove(session, SITE, ada, member.id, after(hours=1))
    assert look(database) == [("member", "Bob, member", f"person:{ada.id}", "Engines")]
    undo(database, site=locked)
    assert find(database, bob) == [("Ada", 1, False), ("Bob", 2, False)]


def test_a_restore_that_would_break_a_rule_is_refused_and_changes_nothing(database, people):
    ada, bob, cai = people
    small = make_site(teams={"most_members": 2})
    add_team(database, "Engines", ada, bob)
    with database.write() as session:
        leave(session, SITE, bob.id, after(hours=1))
    code = make_invitation(database, ada, cai.email)
    with database.write() as session:
        accept(session, SITE, cai.id, code, after(hours=2))
    with pytest.raises(Refused, match="team Engines is full: it may have at most 2 members"):
        undo(database, site=small)
    add_team(database, "Others", bob)
    with pytest.raises(Refused, match="Bob is in team Others now: they have to leave it first"):
        undo(database)
    with database.write() as session, pytest.raises(NotFound, match="nothing like this was taken back"):
        restore(session, SITE, "member", "no such one", after(hours=3), OLGA)
    assert find(database, ada) == [("Ada", 1, False), ("Cai", 2, False)]
    assert read_log(database, "member.restored") == []


def test_of_two_who_restore_at_once_one_comes_too_late(database, people):
    ada, bob, _ = people
    add_team(database, "Engines", ada, bob)
    with database.write() as session:
        leave(session, SITE, bob.id, after(hours=1))
    with database.read() as session:
        (one,) = list_gone(session, after(hours=2))
    undo(database)
    with database.write() as session, pytest.raises(Refused, match="Bob is in team Engines: nothing is to be restored"):
        restore(session, SITE, "member", one.id, after(hours=3), OLGA)


def test_a_declaration_comes_back_and_the_team_says_anew_that_all_is_declared(database, people):
    ada = people[0]
    add_team(database, "Engines", ada)
    with database.write() as session:
        facts = ("model", "ResNet", "https://example.org/resnet", "MIT", "0" * 64)
        made = declare(session, ada.id, *facts, after(hours=1))
        take_back_declaration(session, ada.id, made.id, after(hours=2))
        declare_complete(session, ada.id, after(hours=3))
    assert look(database) == [("declaration", "ResNet, declared (pretrained models)", f"person:{ada.id}", "Engines")]
    undo(database)
    with database.read() as session:
        team = find_team(session, ada.id)
        assert [one.name for one in find_declarations(team)] == ["ResNet"]
        assert team.declared_at is None
    assert [event.details for event in read_log(database, "declaration.restored")] == [{"declaration": made.id}]


def test_an_invitation_that_is_restored_goes_by_its_letter_unless_a_later_one_is_open(database, people):
    ada, bob, _ = people
    add_team(database, "Engines", ada)
    code = make_invitation(database, ada, bob.email)
    with database.write() as session:
        (open_one,) = list_invitations(session, find_team(session, ada.id), after(hours=1))
        take_back(session, ada.id, open_one.id, after(hours=1))
    with database.write() as session:
        later = invite(session, SITE, ada.id, bob.email, after(hours=2))
    with pytest.raises(Refused, match=r"a later invitation to bob@example.org is open"):
        undo(database)
    with database.write() as session:
        take_back(session, ada.id, later.id, after(hours=3))
    assert [one[:2] for one in look(database)] == [("invitation", "bob@example.org, invited")] * 2
    undo(database, 1)
    with database.write() as session:
        accept(session, SITE, bob.id, code, after(hours=10))
    assert find(database, bob) == [("Ada", 1, False), ("Bob", 2, False)]
    with database.read() as session:
        assert not list_gone(session, after(days=30))


def test_nobody_comes_into_a_team_of_the_erased_by_an_old_letter(database, people):
    ada, bob, _ = people
    add_team(database, "Engines", ada)
    make_invitation(database, ada, bob.email)
    with database.write() as session:
        erase_person(session, SITE, ada.id, after(hours=1))
    with pytest.raises(Refused, match="nobody is in team Former team"):
        undo(database)
