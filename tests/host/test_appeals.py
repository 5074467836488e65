"""Appeals: who may make them and when, who reads them, and what a decision changes."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from overtrace.errors import BadOption, NotAllowed, NotFound, Refused
from overtrace.host.appeals import (
    MOST_LETTERS,
    MOST_OF_A_TEAM,
    MOST_WORDS,
    Decision,
    decide,
    describe_effect,
    find_appeal,
    find_window,
    list_appeals,
    open_appeal,
    say,
    withdraw,
)
from overtrace.host.person_data import erase_person, export_person
from overtrace.host.site import Site
from overtrace.host.standings import find_board, read_standing, release
from overtrace.host.table_base import Base
from overtrace.host.tables import Submission, Team
from overtrace.host.tables_after import AppealState, Effect
from tests.support.people import add_person, make_contest, read_log
from tests.support.races import race
from tests.support.winners import END, SITE, add_places, ask, count_letters, look, make_final

DAY, MS = timedelta(days=1), timedelta(milliseconds=1)
OPEN = Site(SITE.contest.model_copy(update={"appeals": make_contest(appeals={"days": 3}).appeals}), SITE.address)
NONE = Decision(upheld=False, text="No.", summary="It was no fault.")


@pytest.fixture
def people(database):
    return add_places(database, (0.9, 0.8, 0.7))


@pytest.fixture
def olga(database):
    return add_person(database, "Olga")


def appeal(database, person, words="Submission 1 was scored wrongly.", at=END, subject="Our score", site=OPEN) -> str:
    with database.write() as session:
        return open_appeal(session, site, person.id, subject, words, at).id


def rule(database, one, olga, effect=Effect.NONE, target="", upheld=True, at=END) -> None:
    with database.write() as session:
        decide(session, OPEN, one, olga, Decision(upheld, "You are right.", "It was a fault.", effect, target), at)


def find(database, kind, person):
    with database.read() as session:
        if kind is Submission:
            return session.scalars(select(Submission).where(Submission.person_id == person.id)).one().id
        return session.scalars(select(Team).where(Team.contact_id == person.id)).one().id


def ranks(database):
    with database.read() as session:
        standing = read_standing(session, OPEN.contest, *find_board(OPEN.contest, "final", "all"), END)
    return [standing.names[place.row.team] for place in standing.places], list(standing.removed.values())


def test_appeals_are_made_in_their_window(database, people):
    ada = people[0]
    for at, said in ((END - MS, "appeals begin at 2026-05-30"), (END + 3 * DAY, "appeals ended at 2026-06-02")):
        with pytest.raises(Refused, match=said):
            appeal(database, ada, at=at)
    with pytest.raises(Refused, match="no appeals"):
        appeal(database, ada, site=SITE)
    one = appeal(database, ada, at=END + 3 * DAY - MS)
    # What is open goes on after the window.
    with database.write() as session:
        say(session, OPEN, one, ada, "One more thing.", END + 9 * DAY)


def test_the_window_of_a_board_that_is_kept_back_begins_with_its_release(database):
    site = make_final()
    phase = site.contest.phases[0]
    kept = phase.model_copy(update={"boards": (phase.boards[0].model_copy(update={"shown": "organisers"}),)})
    contest = OPEN.contest.model_copy(update={"phases": (kept,)})
    with database.read() as session:
        assert find_window(session, contest) is None
    with database.write() as session:
        release(session, contest, "final", "all", END + 5 * DAY, "person:olga")
    with database.read() as session:
        assert find_window(session, contest) == (END + 5 * DAY, END + 8 * DAY)


def test_a_winner_that_was_dropped_appeals_after_that(database, people):
    ask(database, site=OPEN)
    look(database, END + 7 * DAY, OPEN)
    assert appeal(database, people[0], at=END + 10 * DAY - MS)
    with pytest.raises(Refused, match="ended at 2026-06-09"):
        appeal(database, people[1], at=END + 10 * DAY)
    with pytest.raises(Refused, match="ended at 2026-06-02"):
        appeal(database, people[2], at=END + 7 * DAY)


def test_a_thread_is_read_by_its_team_and_organisers_alone(database, people, olga):
    ada, bob, _ = people
    one = appeal(database, ada, "<script>alert(1)</script> **Look**")
    with database.write() as session:
        say(session, OPEN, one, olga, "We look into it.", END)
    with database.read() as session:
        said = [(words.person.name, words.organises) for words in find_appeal(session, one, ada).words]
        assert said == [("Ada", False), ("Olga", True)]
        assert find_appeal(session, one, olga).number == 1
        with pytest.raises(NotFound):
            find_appeal(session, one, bob)
    with pytest.raises(NotFound), database.write() as session:
        say(session, OPEN, one, bob, "Me too.", END)
    with pytest.raises(NotFound), database.write() as session:
        withdraw(session, OPEN, one, bob, END)
    with pytest.raises(NotFound), database.write() as session:
        decide(session, OPEN, one, bob, NONE, END)
    with pytest.raises(NotAllowed), database.write() as session:
        decide(session, OPEN, one, ada, NONE, END)
    assert count_letters(database, olga, "An appeal") == 1
    assert count_letters(database, ada, "An appeal") == 1
    assert "Look" not in str([event.details for event in read_log(database)])


def test_texts_and_numbers_have_limits(database, people, olga):
    ada = people[0]
    for subject, words in (("", "x"), ("x" * 101, "x"), ("x", " "), ("x", "x" * (MOST_LETTERS + 1)), ("x", "a\0")):
        with pytest.raises(BadOption):
            appeal(database, ada, words, subject=subject)
    one = appeal(database, ada)
    with pytest.raises(Refused, match="is open"):
        appeal(database, ada)
    with database.write() as session:
        for _ in range(MOST_WORDS - 1):
            say(session, OPEN, one, ada, "x", END)
    with pytest.raises(Refused, match="40 contributions"), database.write() as session:
        say(session, OPEN, one, olga, "x", END)
    for number in range(MOST_OF_A_TEAM):
        with database.write() as session:
            withdraw(session, OPEN, one, ada, END)
        if number < MOST_OF_A_TEAM - 1:
            one = appeal(database, ada)
    with pytest.raises(Refused, match="5 appeals"):
        appeal(database, ada)


def test_what_comes_at_once_is_numbered_and_decided_once(database, people, olga):
    assert [
        one for one in race(*(partial(appeal, database, one) for one in people)) if isinstance(one, Exception)
    ] == []
    with database.read() as session:
        assert sorted(one.number for one in list_appeals(session)) == [1, 2, 3]
        one = list_appeals(session, find(database, Team, people[1]))[0].id
    for _ in range(2):
        again = race(*[partial(appeal, database, people[0])] * 3)
        assert [str(error).split(":")[0] for error in again] == ["an appeal of your team is open"] * 3
    team = find(database, Team, people[0])
    decided = race(
        partial(rule, database, one, olga, Effect.DISQUALIFY, team), partial(rule, database, one, olga, upheld=False)
    )
    assert sorted(str(said) for said in decided)[0] == "None"
    with database.read() as session:
        stands = find_appeal(session, one, olga)
        assert f"appeal {stands.number} is {stands.state}: it stands" in [str(said) for said in decided]
        assert (session.get_one(Team, team).disqualified_at is not None) == (stands.state is AppealState.UPHELD)


def test_decisions_take_teams_and_submissions_off_the_boards_and_put_them_back(database, people, olga):
    ada, bob, cy = people
    rule(database, appeal(database, cy), olga, Effect.HIDE, find(database, Submission, bob))
    assert ranks(database) == (["Team Ada", "Team Cy"], [])
    assert (count_letters(database, bob, "concerns your team"), count_letters(database, cy, "An appeal")) == (1, 1)
    rule(database, appeal(database, bob), olga, Effect.SHOW, find(database, Submission, bob))
    rule(database, appeal(database, cy), olga, Effect.DISQUALIFY, find(database, Team, ada))
    assert ranks(database) == (["Team Bob", "Team Cy"], [("Team Ada", "disqualified: appeal 3")])
    rule(database, appeal(database, ada), olga, Effect.REINSTATE, find(database, Team, ada))
    assert ranks(database)[0] == ["Team Ada", "Team Bob", "Team Cy"]
    with database.read() as session:
        told = [describe_effect(session, one) for one in list_appeals(session)]
    assert told[2:] == [
        "put a submission back on the boards: submission 1 of Team Bob",
        "take a submission off the boards: submission 1 of Team Bob",
    ]
    done = [event.action for event in read_log(database) if event.action.startswith(("appeal", "submission", "team."))]
    assert done.count("appeal.upheld") == 4
    assert [done.count(f"submission.{word}") for word in ("hidden", "shown")] == [1, 1]
    assert [done.count(f"team.{word}") for word in ("disqualified", "reinstated")] == [1, 1]


def test_a_winner_that_was_dropped_is_asked_again(database, people, olga):
    ask(database, site=OPEN)
    look(database, END + 7 * DAY, OPEN)
    one = appeal(database, people[0], at=END + 8 * DAY)
    rule(database, one, olga, Effect.ASK_AGAIN, find(database, Team, people[0]), at=END + 9 * DAY)
    assert look(database, END + 9 * DAY, OPEN)[0] == "Ada: asked"
    assert look(database, END + 16 * DAY - MS, OPEN)[0] == "Ada: reminded"


def test_a_decision_that_cannot_be_carried_out_is_not_made(database, people, olga):
    ada, bob, _ = people
    one = appeal(database, ada)
    team, submission = find(database, Team, bob), find(database, Submission, bob)
    wrong = [
        (Effect.HIDE, "", NotFound),
        (Effect.DISQUALIFY, submission, NotFound),
        (Effect.REINSTATE, team, Refused),
        (Effect.ASK_AGAIN, team, Refused),
        (Effect.NONE, team, BadOption),
    ]
    for effect, target, error in wrong:
        with pytest.raises(error):
            rule(database, one, olga, effect, target)
    with pytest.raises(BadOption, match="rejected changes nothing"):
        rule(database, one, olga, Effect.HIDE, submission, upheld=False)
    with pytest.raises(BadOption, match="the summary"), database.write() as session:
        decide(session, OPEN, one, olga, Decision(False, "No.", ""), END)
    with database.read() as session:
        assert find_appeal(session, one, ada).state == AppealState.OPEN
    rule(database, one, olga, upheld=False)
    for again in (lambda: rule(database, one, olga), lambda: appeal_more(database, one, ada)):
        with pytest.raises(Refused, match="it stands"):
            again()


def appeal_more(database, one, person):
    with database.write() as session:
        say(session, OPEN, one, person, "But", END)


def test_an_organiser_decides_nothing_that_concerns_their_own_team(database, people, olga):
    ada, bob, _ = people
    one = appeal(database, ada)
    with database.write() as session:
        session.get_one(type(ada), bob.id).organises = True
        bob = session.get_one(type(ada), bob.id)
    with pytest.raises(NotAllowed, match="another organiser"):
        rule(database, one, bob, Effect.HIDE, find(database, Submission, bob))
    rule(database, one, olga)


def test_what_a_person_said_is_theirs_to_take_out_and_to_erase(database, people):
    ada = people[0]
    appeal(database, ada, "I, Ada Lovelace, disagree.")
    with database.read() as session:
        assert export_person(session, ada.id)["appeals"][0]["text"] == "I, Ada Lovelace, disagree."
    with database.write() as session:
        erase_person(session, OPEN, ada.id, END)
    with database.read() as session:
        rows = [str(row) for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    assert [row for row in rows if "Lovelace" in row or "Our score" in row] == []
