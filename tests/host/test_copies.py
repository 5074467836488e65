"""What is alike of different teams: found, looked into, and nothing else."""

import pytest
from sqlalchemy import update

from overtrace.errors import NotFound
from overtrace.host.copies import find_alike, mark_seen
from overtrace.host.people import change_person
from overtrace.host.person_data import erase_person
from overtrace.host.tables import Person, Score
from tests.support.web import make_phase, post, reject, serve_contest


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    limits = {"per_day": 99, "at_once": 99}
    with serve_contest(tmp_path_factory.mktemp("copies"), make_phase(limits=limits)) as served:
        yield served


def add_team(host, name):
    person = host.add_person(name)
    return person, host.add_team(f"Team of {name}", person)


def find(host, *teams):
    """What is found of these teams and no others."""
    own = {team.id for team in teams}
    with host.settings.database.read() as session:
        found = find_alike(session)
    return [one for one in found if {trace.team for trace in one.traces} <= own]


def tell(found):
    return [(one.what, [trace.about for trace in one.traces]) for one in found]


def test_the_same_file_of_two_teams_is_found_and_of_one_is_not(host):
    (ada, one), (bea, two) = add_team(host, "Ada"), add_team(host, "Bea")
    answer = b"x,y\n1,2\n"
    host.submit(ada, answer)
    host.submit(ada, answer)
    assert find(host, one, two) == []
    host.submit(bea, answer)
    ((what, about),) = tell(find(host, one, two))
    assert (what, sorted(about)) == ("The same file, byte by byte", ["1 (test)", "1 (test)", "2 (test)"])


def test_other_files_with_the_same_result_in_every_number_are_found_once(host):
    (cleo, one), (dan, two), (eli, three) = (add_team(host, name) for name in ("Cleo", "Dan", "Elias"))
    for person, value in ((cleo, 0.625), (dan, 0.625), (eli, 0.6250001)):
        host.give(host.submit(person, f"x,y\n3,{person.name}\n".encode()), value)
    assert tell(find(host, one, two, three)) == [
        ("Other files, the same result in every number", ["1 (test)", "1 (test)"])
    ]


def give(host, sent, value, *columns):
    """A score in several numbers."""
    host.give(sent, value)
    numbers = {f"set {i}": column for i, column in enumerate(columns)}
    whole = update(Score).where(Score.submission_id == sent)
    with host.settings.database.write() as session:
        session.execute(whole.values(columns=numbers, verdict={"score": value, "parts": list(columns)}))


def test_other_files_with_nearly_the_same_result_in_every_number_are_found(host):
    pairs = [add_team(host, name) for name in ("Nora", "Otto", "Pia", "Quin")]
    near = [(0.31, 0.21, 0.41, None, 0.31), (0.3101, 0.2104, 0.4101, None, 0.3101)]
    far = [(0.3101, 0.2101, 0.4109, None, 0.3101), (0.3101, None, None, 0.3101)]
    for (person, _), numbers in zip(pairs, [*near, *far], strict=True):
        sent = host.submit(person, f"x,y\n8,{person.name}\n".encode())
        give(host, sent, *numbers)
    assert tell(find(host, *(team for _, team in pairs))) == [
        ("Results that differ by at most 0.0005 in each of 3 numbers", ["1 (test)", "1 (test)"])
    ]


def test_results_of_nothing_and_rejected_answers_are_not_alike(host):
    (finn, one), (gus, two) = add_team(host, "Finn"), add_team(host, "Gustav")
    for person in (finn, gus):
        host.give(host.submit(person, f"x,y\n4,{person.name}\n".encode()), 0.0)
        host.give(host.submit(person, f"x,y\n5,{person.name}\n".encode()), reject("no number"))
    assert find(host, one, two) == []


def test_like_names_and_addresses_of_different_teams_are_found(host):
    people = [host.add_person(name) for name in ("wanderer", "wanderer2", "w.anderer+b", "wan1", "wan2", "Ina", "Ino")]
    teams = [host.add_team(f"Team {i}", person) for i, person in enumerate(people)]
    with host.settings.database.write() as session:
        change_person(session, people[5].id, "Ina Ox", "", host.clock())
        change_person(session, people[6].id, "INA  ox", "", host.clock())
    assert tell(find(host, *teams)) == [
        ("The same name in several teams", ["Ina Ox", "INA ox"]),
        (
            "E-mail addresses that are alike",
            [f"{name}, {name}@example.org" for name in ("w.anderer+b", "wanderer2", "wanderer")],
        ),
    ]
    with host.settings.database.write() as session:
        erase_person(session, host.settings.site, people[6].id, host.clock())
    assert len(find(host, *teams)) == 1


def test_addresses_of_different_domains_are_not_alike(host):
    (ruth, one), (_, two) = add_team(host, "Ruthless"), add_team(host, "Ruthless3")
    with host.settings.database.write() as session:
        session.execute(update(Person).where(Person.id == ruth.id).values(email="ruthless@example.com"))
    assert find(host, one, two) == []


def test_organisers_note_what_they_looked_into_and_nobody_else_sees_it(host):
    (kit, one), (lou, two) = add_team(host, "Kitty"), add_team(host, "Louis")
    for person in (kit, lou):
        host.submit(person, b"x,y\n7,7\n")
    (finding,) = find(host, one, two)
    page, place = "/organise/copies", f"/organise/copies/{finding.key}"
    browser = host.enter(host.add_person("Olga"))
    assert place in browser.get(page).text
    assert post(browser, page, place, said="They share a <b>baseline</b>").status_code == 303
    text = browser.get(page).text
    assert place not in text
    assert "They share a &lt;b&gt;baseline&lt;/b&gt;" in text
    assert "finding.seen" in browser.get("/organise/log?action=finding").text
    assert host.enter(kit).get(page).status_code == 403
    assert page not in host.enter(kit).get("/submissions").text
    # A third team with the same file is something new.
    mia, _ = add_team(host, "Mia")
    host.submit(mia, b"x,y\n7,7\n")
    assert "Team of Mia" in browser.get(page).text
    with pytest.raises(NotFound, match="no such finding"), host.settings.database.write() as session:
        mark_seen(session, finding.key, "", host.clock(), "host")
