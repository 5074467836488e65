"""What a team says of its work, and what it lacks for a final rank."""

import pytest

from overtrace.errors import BadOption, NotFound, Refused
from overtrace.host.contest import Contest
from overtrace.host.database import Database
from overtrace.host.dossiers import (
    attach_document,
    declare,
    declare_complete,
    detach_document,
    find_declarations,
    find_lacks,
    take_back_declaration,
    write_method,
)
from overtrace.host.person_data import erase_person
from overtrace.host.tables import Declaration, Person
from overtrace.host.teams import agree, find_team, leave
from tests.support.people import AT, SITE, TRACKS, add_person, add_team, after, make_contest, make_site, read_log

CONTEST = make_contest(tracks=TRACKS)
OPEN = make_site(tracks=TRACKS)
METHOD = "We trained a net. " * 20
SHA256 = "a" * 64
ADDRESS = "https://example.org/weights"


@pytest.fixture
def people(database):
    return [add_person(database, name) for name in ("Ada", "Bob")]


def find_all_lacks(database: Database, person: Person, contest: Contest = CONTEST, at=AT) -> list[str]:
    with database.read() as session:
        return find_lacks(find_team(session, person.id), contest, at)


def write(database: Database, person: Person, text: str, contest: Contest = CONTEST) -> None:
    with database.write() as session:
        write_method(session, contest, person.id, text, AT)


def declare_one(
    database: Database, person: Person, kind: str = "model", sha256: str = SHA256, **facts: str
) -> Declaration:
    whole = {"name": "ResNet-50", "address": ADDRESS, "licence": "MIT", **facts}
    with database.write() as session:
        return declare(session, person.id, kind, whole["name"], whole["address"], whole["licence"], sha256, AT)


def complete(database: Database, person: Person) -> None:
    with database.write() as session:
        declare_complete(session, person.id, AT)


def make_whole(database: Database, *people: Person, track: str = "open") -> None:
    """A team that lacks nothing."""
    add_team(database, "Forest", *people, site=OPEN, track=track)
    write(database, people[0], METHOD)
    complete(database, people[0])
    for person in people:
        with database.write() as session:
            agree(session, person.id, [one.id for one in people], AT)


def test_a_new_team_lacks_all_that_is_wanted(database, people):
    add_team(database, "Forest", *people, site=OPEN, track="open")
    assert find_all_lacks(database, people[0]) == [
        "the order of contribution waits for the agreement of Ada, Bob",
        "the method is not described: write or attach a description",
        "the team has not said that all pretrained models and other data are declared",
    ]


def test_a_whole_team_lacks_nothing(database, people):
    make_whole(database, *people)
    assert find_all_lacks(database, people[0]) == []


def test_a_team_of_one_agrees_with_itself(database, people):
    make_whole(database, people[0])
    with database.read() as session:
        assert find_team(session, people[0].id).members[0].agreed_at is not None
    assert find_all_lacks(database, people[0]) == []


def test_order_is_not_asked_for_where_the_contest_does_not(database, people):
    make_whole(database, *people)
    with database.write() as session:
        find_team(session, people[1].id).members[1].agreed_at = None
    assert find_all_lacks(database, people[0]) == ["the order of contribution waits for the agreement of Bob"]
    assert find_all_lacks(database, people[0], make_contest(tracks=TRACKS, teams={"ordered": False})) == []


@pytest.mark.parametrize(
    ("words", "lacks"), [(49, ["the description of the method has 49 words: at least 50 are wanted"]), (50, [])]
)
def test_a_method_has_enough_words(database, people, words, lacks):
    make_whole(database, people[0])
    write(database, people[0], "word " * words)
    assert find_all_lacks(database, people[0]) == lacks


def test_a_method_has_not_too_many_words(database, people):
    add_team(database, "Forest", people[0])
    contest = make_contest(description={"most_words": 100})
    write(database, people[0], "word " * 100, contest)
    for text in ("word " * 101, "x" * 2001):
        with pytest.raises(BadOption, match="at most 100 words"):
            write(database, people[0], text, contest)


def test_a_method_is_text(database, people):
    add_team(database, "Forest", people[0])
    for text in ("a\0b", "a\ud800b"):
        with pytest.raises(BadOption, match="UTF-8"):
            write(database, people[0], text)


def test_a_method_is_not_asked_for_where_the_contest_does_not(database, people):
    make_whole(database, people[0])
    write(database, people[0], "")
    assert find_all_lacks(database, people[0], make_contest(tracks=TRACKS, description={"required": False})) == []


def test_a_document_stands_in_the_place_of_a_method(database, people):
    make_whole(database, people[0])
    write(database, people[0], "")
    with database.write() as session:
        attach_document(session, people[0].id, SHA256, "C:\\papers\\Our  method.pdf", AT)
    with database.read() as session:
        team = find_team(session, people[0].id)
        assert (team.document, team.document_name) == (SHA256, "Our method.pdf")
    assert find_all_lacks(database, people[0]) == []
    with database.write() as session:
        detach_document(session, people[0].id, AT)
    assert len(find_all_lacks(database, people[0])) == 1


def test_a_document_is_named_by_a_digest(database, people):
    add_team(database, "Forest", people[0])
    for sha256 in ("", "../../truth", "A" * 64):
        with pytest.raises(ValueError, match="no SHA-256"), database.write() as session:
            attach_document(session, people[0].id, sha256, "a.pdf", AT)


def test_each_declaration_has_to_be_followed_by_saying_that_this_is_all(database, people):
    make_whole(database, people[0])
    made = declare_one(database, people[0])
    assert "has not said" in find_all_lacks(database, people[0])[0]
    complete(database, people[0])
    assert find_all_lacks(database, people[0]) == []
    with database.write() as session:
        take_back_declaration(session, people[0].id, made.id, AT)
    assert "has not said" in find_all_lacks(database, people[0])[0]
    with database.read() as session:
        assert find_declarations(find_team(session, people[0].id)) == []


def test_a_declared_model_has_a_digest_and_data_need_none(database, people):
    make_whole(database, people[0])
    declare_one(database, people[0], sha256="")
    declare_one(database, people[0], kind="data", sha256="", name="OpenStreetMap")
    complete(database, people[0])
    assert find_all_lacks(database, people[0]) == ["the declared model 'ResNet-50' has no SHA-256"]


def test_a_track_allows_what_it_allows(database, people):
    make_whole(database, people[0], track="provided")
    declare_one(database, people[0])
    declare_one(database, people[0], kind="data")
    complete(database, people[0])
    assert find_all_lacks(database, people[0]) == [
        "the track 'Provided data' allows no pretrained models, and the team declares 1: "
        "take them back, or choose another track",
        "the track 'Provided data' allows no other data, and the team declares 1: "
        "take them back, or choose another track",
    ]


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"kind": "weights"}, "wanted model or data"),
        ({"sha256": "abc"}, "64 digits"),
        ({"name": ""}, "at least one letter"),
        ({"licence": "\x00"}, "does not show"),
        ({"address": "javascript:alert(1)"}, "begins with https://"),
        ({"address": "https://"}, "begins with https://"),
        ({"address": "https://[bad"}, "begins with https://"),
        ({"address": "https://a.org/" + "x" * 500}, "at most 500"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(database, people, facts, message):
    add_team(database, "Forest", people[0])
    with pytest.raises(BadOption, match=message):
        declare_one(database, people[0], **facts)


def test_a_team_takes_back_its_own_declarations_alone(database, people):
    add_team(database, "Forest", people[0])
    add_team(database, "Meadow", people[1])
    made = declare_one(database, people[0])
    with pytest.raises(NotFound), database.write() as session:
        take_back_declaration(session, people[1].id, made.id, AT)


def test_declarations_are_bounded(database, people):
    add_team(database, "Forest", people[0])
    with database.write() as session:
        for _ in range(100):
            declare(session, people[0].id, "data", "x", ADDRESS, "MIT", "", AT)
    with pytest.raises(Refused, match="100 declarations"):
        declare_one(database, people[0])


def test_a_team_larger_than_the_file_allows_by_now_is_told(database, people):
    make_whole(database, *people)
    small = {"most_members": 1, "locks_at": after(days=1)}
    contest = make_contest(tracks=TRACKS, teams=small)
    assert find_all_lacks(database, people[0], contest) == [
        "the team has 2 members, at most 1 are allowed: some have to leave"
    ]
    assert find_all_lacks(database, people[0], contest, after(days=1)) == [
        "the team has 2 members, at most 1 are allowed: ask the organisers"
    ]


def test_a_team_in_a_track_that_is_gone_is_told(database, people):
    make_whole(database, people[0])
    contest = make_contest(tracks=TRACKS[1:])
    assert find_all_lacks(database, people[0], contest) == ["the team is in no track: choose one of provided"]


def test_a_locked_team_whose_contact_was_erased_has_none(database, people):
    make_whole(database, *people)
    locked = make_site(tracks=TRACKS, teams={"locks_at": after(days=1)})
    with database.write() as session:
        erase_person(session, locked, people[0].id, after(days=2))
    assert find_all_lacks(database, people[1], locked.contest, after(days=2)) == [
        "the team has no contact: the organisers name one"
    ]


def test_a_withdrawn_team_has_no_final_rank(database, people):
    make_whole(database, people[0])
    with database.write() as session:
        team = find_team(session, people[0].id)
        leave(session, SITE, people[0].id, AT)
        assert find_lacks(team, CONTEST, AT) == ["the team was withdrawn"]


def test_what_a_team_says_is_in_the_log_without_its_words(database, people):
    make_whole(database, people[0])
    declare_one(database, people[0])
    said = [(event.action, event.details) for event in read_log(database)]
    assert ("method.written", {"words": 80}) in said
    assert "ResNet" not in str(said)
