"""The announcement: drawn up from the board, edited, published at one moment, and what it keeps of the erased."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from overtrace.errors import BadOption, Refused
from overtrace.host import announcement
from overtrace.host.ids import new_id
from overtrace.host.person_data import erase_person
from overtrace.host.submissions import hide, unhide
from overtrace.host.tables import Mail, Submission
from overtrace.host.tables_after import Delivery, DeliveryState
from tests.support.announced import hold, serve_over
from tests.support.people import make_contest, read_log
from tests.support.web import END, make_board, make_phase, post

PAGE = "/organise/announcement"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    with serve_over(tmp_path_factory.mktemp("over")) as host:
        yield hold(host)


@pytest.fixture
def over(kept):
    kept.begin_anew()
    return kept


def read(over):
    return over.host.client().get("/announcement.json").json()


def save(over, **fields):
    browser = over.host.enter(over.olga)
    rows = {"title": [], "prize": [], "team": [], "reason": [], **fields}
    return post(browser, PAGE, PAGE, **{"board": "test/private", "text": "Well done!", **rows})


def test_ranks_are_those_of_complete_teams_and_those_below_move_up(over):
    over.announce()
    found = read(over)
    ranks = [(one["rank"], one["name"], one["score"], one["awards"]) for one in found["ranks"]]
    # Hasty has place 2 of the board with 0.85, and no method: Lakes and Ties share that rank.
    assert ranks == [
        (1, "Forest", 0.9, ["First prize: EUR 1,000"]),
        (2, "Lakes", 0.8, ["Second prize"]),
        (2, "Ties", 0.8, ["Second prize"]),
    ]
    assert found["ranks"][0]["members"] == [
        {"name": "Ada <b>Lovelace</b>", "affiliation": "Institute of Maps & Trees"},
        {"name": "Bob", "affiliation": ""},
    ]
    assert found["ranks"][0]["method"] == "Crowns by distance"
    assert [one["name"] for one in found["participation"]] == ["Forest", "Lakes", "Ties", "Talkers"]


def ask(session, over, name, state):
    """Let a team have been asked for its container, and something have come of it."""
    team, at = over.teams[name].id, over.host.clock()
    sent = session.scalars(select(Submission.id).where(Submission.team_id == team)).first()
    facts = {"place": 1, "promoted": False, "asked_at": at, "due_at": at, "state": state}
    session.add(Delivery(id=new_id(at), team_id=team, submission_id=sent, **facts))


def test_a_team_whose_container_failed_has_no_rank_and_no_part_in_the_record(over):
    with over.host.settings.database.write() as session:
        ask(session, over, "Forest", DeliveryState.VERIFIED)
        ask(session, over, "Lakes", DeliveryState.FAILED)
    try:
        over.announce()
        found = read(over)
        text = over.host.client().get("/announcement").text
    finally:
        with over.host.settings.database.write() as session:
            session.execute(delete(Delivery))
    ranks = [(one["rank"], one["name"], one["verdict"]) for one in found["ranks"]]
    assert ranks == [(1, "Forest", "verified"), (2, "Ties", "")]
    assert [one["name"] for one in found["participation"]] == ["Forest", "Ties", "Talkers"]
    assert [part in text for part in ("verified", "not asked for", "Lakes")] == [True, True, False]


def test_the_page_shows_it_and_names_do_nothing(over):
    over.announce()
    text = over.host.client().get("/announcement").text
    for part in ("Ada &lt;b&gt;Lovelace&lt;/b&gt;", "王伟", "武汉大学", "Rank 1", "EUR 1,000", "6 people in 5 teams"):
        assert part in text
    assert "Hasty" not in text


def test_nobody_else_sees_it_before_it_is_published(over):
    save(over, text="A *secret* so far")
    assert "secret" in over.host.enter(over.olga).get(f"{PAGE}/preview").text
    visitors = (over.host.client(), over.host.enter(over.people["Ada"]))
    for visitor in visitors:
        assert visitor.get("/announcement.json").status_code == 404
        assert "not announced yet" in visitor.get("/announcement").text
        assert "secret" not in visitor.get("/announcement").text
    assert visitors[1].get(f"{PAGE}/preview").status_code == 403


def test_awards_beyond_the_ranks_are_given_by_organisers(over):
    assert "Contribution prize" in over.host.enter(over.olga).get(PAGE).text
    hasty = over.teams["Hasty"].id
    rows = {"title": ["Contribution prize", "", "Jury prize"], "prize": ["a book", "", ""]}
    save(over, **rows, team=[hasty, "", ""], reason=["For data of 40 plots", "", ""])
    over.announce()
    found = read(over)
    given = {"title": "Contribution prize", "prize": "a book", "reason": "For data of 40 plots", "team": "Hasty"}
    assert found["awards"] == [given]
    assert "Hasty" not in [one["name"] for one in found["participation"]]
    assert "Dora" in over.host.client().get("/announcement").text


def test_what_was_announced_stands_until_it_is_corrected(over):
    over.announce()
    first = read(over)
    winner = first["ranks"][0]["submission"]
    with over.host.settings.database.write() as session:
        hide(session, winner, over.host.clock(), "host")
    assert read(over) == first
    over.host.clock.fixed += timedelta(days=1)
    over.announce()
    second = read(over)
    with over.host.settings.database.write() as session:
        unhide(session, winner, over.host.clock(), "host")
    assert [(one["rank"], one["name"]) for one in second["ranks"]] == [(1, "Lakes"), (1, "Ties")]
    assert (second["published_at"], second["corrected_at"]) == (first["published_at"], over.host.clock().isoformat())
    assert "corrected" in over.host.client().get("/announcement").text
    log = read_log(over.host.settings.database)
    events = [event for event in log if event.action in ("announcement.published", "announcement.corrected")][-2:]
    assert [event.action for event in events] == ["announcement.published", "announcement.corrected"]
    assert events[0].details["ranks"] == {one["team"]: one["rank"] for one in first["ranks"]}


def test_it_can_be_taken_down(over):
    over.announce()
    assert post(over.host.enter(over.olga), PAGE, f"{PAGE}/take-down").status_code == 303
    assert over.host.client().get("/announcement.json").status_code == 404
    with pytest.raises(Refused, match="nothing is announced"), over.host.settings.database.write() as session:
        announcement.take_down(session, over.host.clock(), "host")


def test_all_members_are_written_to_once_when_an_organiser_wants_it(over):
    browser = over.host.enter(over.olga)
    early = post(browser, PAGE, f"{PAGE}/letters")
    assert (early.status_code, "publish the announcement first" in early.text) == (409, True)
    over.announce()
    everyone = sorted(person.email for person in over.people.values())
    assert f"members of all teams ({len(everyone)} people)" in browser.get(PAGE).text
    assert post(browser, PAGE, f"{PAGE}/letters").status_code == 303
    again = post(browser, PAGE, f"{PAGE}/letters")
    assert (again.status_code, "it is done once" in again.text) == (409, True)
    with over.host.settings.database.read() as session:
        written = session.scalars(select(Mail).where(Mail.subject.contains("results are announced"))).all()
        assert sorted(mail.to for mail in written) == everyone
    assert f"{over.host.settings.address}/announcement" in written[0].body
    assert f"{len(everyone)} letters" in browser.get(PAGE).text
    assert [event.details for event in read_log(over.host.settings.database, "announcement.told")] == [
        {"letters": len(everyone)}
    ]
    over.announce()
    assert "Write to all teams" not in browser.get(PAGE).text


def test_it_waits_for_the_end_the_queue_and_the_board(over):
    over.host.clock.fixed = END - timedelta(seconds=1)
    waiting = over.host.submit(over.people["Cy"], b"x,y\n3,3\n")
    program = over.host.program(over.people["Cy"], "submit")
    facts = {"phase": "test", "name": "b", "size": 3, "sha256": "1" * 64}
    upload = program.post("/api/v1/uploads", json=facts).json()["id"]
    browser = over.host.enter(over.olga)
    text = browser.get(PAGE).text
    for part in ("Test ends at 2026-06-01 00:00 UTC", "1 submissions of Test", "1 uploads of Test", "is not shown"):
        assert part in text
    assert post(browser, PAGE, f"{PAGE}/publish", sure="yes").status_code == 409
    over.host.clock.fixed = END
    assert "1 submissions of Test" in post(browser, PAGE, f"{PAGE}/publish", sure="yes").text
    over.host.give(waiting, 0.1)
    assert "1 uploads of Test" in post(browser, PAGE, f"{PAGE}/publish", sure="yes").text
    assert program.delete(f"/api/v1/uploads/{upload}").status_code == 204
    assert "tick the box" in post(browser, PAGE, f"{PAGE}/publish").text
    assert over.host.client().get("/announcement.json").status_code == 404
    over.announce()
    assert read(over)["ranks"]


def test_what_cannot_be_an_award_is_refused(over):
    row = {"title": ["Prize"], "prize": [""], "reason": [""]}
    for answer, said in (
        (save(over, **row, team=["nobody"]), "of a team that is not there"),
        (save(over, **{**row, "title": [""]}, team=[over.teams["Lakes"].id]), "has no title"),
        (save(over, **row), "the form is not whole"),
        (save(over, text="x" * 20_001), "20,001 letters"),
        (save(over, board="test/none"), "no board none"),
        (save(over, **{key: ["x"] * 21 for key in row}, team=[""] * 21), "at most 20"),
    ):
        assert answer.status_code in (400, 404)
        assert said in answer.text


@pytest.fixture
def alone(tmp_path):
    """One of its own, for what cannot be undone."""
    with serve_over(tmp_path) as host:
        yield hold(host)


def test_nothing_of_the_erased_is_left_in_what_was_announced(alone):
    save(alone, title=["Jury prize"], prize=[""], team=[alone.teams["Ties"].id], reason=["For courage"])
    alone.announce()
    database, site = alone.host.settings.database, alone.host.settings.site
    for name in ("Ada", "Cy"):
        with database.write() as session:
            erase_person(session, site, alone.people[name].id, alone.host.clock())
    text = json.dumps(read(alone)) + alone.host.client().get("/announcement").text
    for gone in ("Lovelace", "Institute of Maps", "Cy", "Ties"):
        assert gone not in text
    for there in ("Bob", f"Former participant {alone.people['Ada'].id[-6:]}", "Forest", "Former team", "For courage"):
        assert there in text
    assert [one["rank"] for one in read(alone)["ranks"]] == [1, 2, 2]


def test_the_board_whose_ranks_are_final():
    early, late = (make_phase(name, end=end) for name, end in (("early", END - timedelta(days=9)), ("late", END)))
    late["boards"] = [make_board("public"), make_board("private", shown="after")]

    def find(**facts):
        found = make_contest(phases=[early, late], **facts).find_final_board()
        return found and (found[0].name, found[1].name)

    assert find() == ("late", "private")
    assert find(results={"board": "early/all"}) == ("early", "all")
    late["boards"] = [make_board("a"), make_board("b")]
    assert find() == ("late", "a")
    assert make_contest().find_final_board() is None


def test_a_contest_without_boards_announces_nothing(over):
    with pytest.raises(Refused, match="no board"), over.host.settings.database.read() as session:
        announcement.read_draft(session, make_contest())


def test_a_text_that_is_no_text_is_refused(over):
    draft = announcement.Draft(board="test/all", text="a\0b")
    with pytest.raises(BadOption, match="UTF-8"), over.host.settings.database.write() as session:
        announcement.save_draft(session, over.host.settings.contest, draft, over.host.clock(), "host")
