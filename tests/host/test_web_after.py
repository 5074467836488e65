"""After the end, in a browser: a verdict, the appeal against it, its decision, in wide windows and on a phone."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from overtrace.host.deliveries import take
from overtrace.host.dossiers import declare_complete
from overtrace.host.replicating import record_verdict
from overtrace.host.tables import Person
from overtrace.host.tables_after import Delivery
from overtrace.host.visits import open_visit
from overtrace.host.web.visitors import VISIT
from overtrace.host.winners import ask_winners
from tests.support.browser import Watch
from tests.support.submissions import add_score
from tests.support.web import END, make_phase, serve_contest, wait_for

IMAGE, WEIGHTS = "1" * 64, "2" * 64
CITIES = ("AOI_2_Vegas", "AOI_3_Paris")
NOTE = "its image holds what looks like weights: /usr/lib/python3/dist-packages/" + "resnet/" * 12 + "model.pt (98 MiB)"
PHONE = {"viewport": {"width": 390, "height": 780}}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    rules = {"replication": {"winners": 1}, "description": {"required": False}, "appeals": {"days": 7}}
    with serve_contest(tmp_path_factory.mktemp("after"), make_phase("final"), **rules) as served:
        database, site = served.settings.database, served.settings.site
        for name, score in (("Ada", 0.9), ("Bob", 0.8)):
            person = served.add_person(name)
            add_score(database, served.add_team(f"Team {name}", person), person, score)
            with database.write() as session:
                declare_complete(session, person.id, served.clock())
        served.add_person("Olga")
        served.clock.fixed = END + timedelta(hours=1)
        with database.write() as session:
            ask_winners(session, site, served.clock(), "person:olga")
        with database.write() as session:
            one = session.scalars(select(Delivery)).one()
            one.image, one.image_name, one.weights, one.weights_name = IMAGE, "team.tar", WEIGHTS, "model.onnx"
            take(session, site, one, served.clock(), "person:olga")
            record_verdict(session, site, one.id, make_report(), served.clock(), "person:olga")
        yield served


def make_report():
    """Of a container with two models."""
    scores = [{"name": name, "claimed": 0.9, "found": 0.9} for name in ("", *CITIES)]
    return json.dumps(
        {
            "verdict": "failed",
            "reason": "not one model",
            "said": f"the first half of its weights decides {CITIES[0]}, and does nothing for {CITIES[1]}",
            "scores": scores,
            "tolerance": 0.005,
            "notes": [NOTE],
            "digests": {"archive": IMAGE, "weights": WEIGHTS, "image": "3" * 64},
            "begun_at": END.isoformat(),
            "ended_at": END.isoformat(),
        }
    )


@pytest.fixture
def enter(browser, host):
    """Pages of someone who is logged in, or of nobody."""
    watch, contexts = Watch(), []

    def enter(name="", **options):
        context = browser.new_context(base_url=host.address, **options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        if name:
            with host.settings.database.write() as session:
                person = session.scalars(select(Person).where(Person.name == name)).one()
                visit = open_visit(session, person.id, host.clock())
            context.add_cookies([{"name": VISIT, "value": visit, "url": host.address}])
        return watch.see(context.new_page())

    yield enter
    for context in contexts:
        context.close()
    watch.check(host.address, "data:")


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def read_letters(host):
    return [one.read_text() for one in host.mails.glob("*.eml")]


def send(page, button):
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()


@pytest.mark.parametrize("options", [{}, PHONE])
def test_a_verdict_is_read_by_organisers_and_its_kind_alone_by_the_others(host, enter, options):
    page = enter("Olga", **options)
    page.goto("/organise/winners")
    page.get_by_text("What running it again said: not one model").click()
    said = page.locator("#winners").inner_text()
    assert [words in said for words in ("decides AOI_2_Vegas", NOTE, "0.900000", "3" * 64)] == [True] * 4
    assert fits(page)
    for name, path in (("Ada", "/team/delivery"), ("", "/winners")):
        page = enter(name, **options)
        page.goto(path)
        said = page.locator("main").inner_text()
        assert ("Not one model." in said, "AOI_2" in said, NOTE in said) == (True, False, False)
        assert fits(page)


def test_an_appeal_in_a_browser_from_its_window_to_the_board(host, enter):
    ada, olga, nobody = enter("Ada", **PHONE), enter("Olga"), enter()
    wait_for(lambda: [one for one in read_letters(host) if "no final rank" in one and "/appeals" in one])
    ada.goto("/appeals")
    ada.fill("[name=subject]", "It is one model")
    ada.fill("[name=text]", "The second half of it is the **decoder**.\n\n| city | F1 |\n|---|---|\n| Paris | 0.9 |")
    send(ada, "Send the appeal")
    assert "decoder" in ada.locator("article strong").all_inner_texts()
    assert fits(ada)
    ada.goto("/appeals")
    # One is open: there is no form for another one.
    assert ada.locator("[name=subject]").count() == 0
    assert fits(ada)

    olga.goto("/organise/appeals")
    olga.get_by_role("link", name="It is one model").click()
    olga.fill("form[action$='/say'] textarea", "We run it again.")
    send(olga, "Add")
    nobody.goto("/appeals")
    said = nobody.locator("main").inner_text()
    assert ("1 appeal is open" in said, "one model" in said) == (True, False)
    olga.get_by_label("upheld").check()
    olga.fill("form[action$='/decide'] [name=text]", "You are right.")
    olga.fill("[name=summary]", "The test of halves was wrong here.")
    olga.select_option("[name=effect]", "ask a team for its container again")
    olga.select_option("[name=target]", label="Team Ada")
    send(olga, "Decide")
    assert olga.locator(".chip", has_text="upheld").count()
    nobody.goto("/appeals")
    said = nobody.locator("main").inner_text()
    assert "Effect: ask a team for its container again: Team Ada." in said
    assert ("was wrong here" in said, "You are right" in said) == (True, False)
    nobody.goto("/board")
    assert nobody.locator("tr[data-team] td.team a:first-child").all_inner_texts() == ["Team Ada", "Team Bob"]
    ada.goto("/team/delivery")
    assert ada.get_by_role("button", name="Hand it over").is_enabled()
    assert fits(ada)


@pytest.mark.parametrize("path", ["/organise/announcement", "/organise/teams", "/organise/appeals", "/organise/log"])
def test_pages_of_organisers_fit_a_phone(enter, path):
    page = enter("Olga", **PHONE)
    page.goto(path)
    assert fits(page)
