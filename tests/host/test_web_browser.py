"""A contest in a browser: from registration to the end of a phase, with a keyboard, and without scripts."""

import email
import hashlib
import re
from datetime import timedelta
from email.policy import default

import pytest
from sqlalchemy import select

from overtrace.host.tables import Submission
from tests.support.browser import Watch
from tests.support.web import CANARY, GOOD, PERFECT, make_phase, serve_contest, wait_for

PASSWORD = "seven tall trees"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with serve_contest(tmp_path_factory.mktemp("browser"), make_phase(limits={"per_day": 9, "at_once": 9})) as served:
        rival = served.add_person("Rival")
        served.add_team("Rivals", rival)
        served.give(served.submit(rival, GOOD), 0.5)
        with served.working():
            yield served


@pytest.fixture
def open_page(browser, host):
    """Pages that ask for nothing but this host, and do not complain."""
    watch, contexts = Watch(), []

    def open_one(**options):
        context = browser.new_context(base_url=host.address, **options)
        context.set_default_timeout(8000)
        contexts.append(context)
        return watch.see(context.new_page())

    yield open_one
    for context in contexts:
        context.close()
    watch.check(host.address, "data:", but="503")


def read_link(host, address):
    """Where the link in the one letter to an address leads."""

    def find():
        return [path for path in host.mails.glob("*.eml") if address in path.read_text()]

    wait_for(find)
    text = email.message_from_bytes(find()[-1].read_bytes(), policy=default).get_content()
    return re.search(r"https?://[^/\s]+(/\S+)", text)[1]


def type_in(page, *texts):
    """Type into the field that has the keyboard, and go on to the next."""
    for text in texts:
        page.keyboard.type(text)
        page.keyboard.press("Tab")


def tab_to(page, name):
    """Reach a link, or a button of a form, by the keyboard alone."""
    script = "((one) => one.innerText.trim() + (one.tagName === 'BUTTON' ? '!' : ''))(document.activeElement)"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(script) == name:
            return
    raise AssertionError(f"no key leads to {name}")


def press(page, name):
    """Follow a link, or send a form."""
    tab_to(page, name)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def names_by_rank(page):
    return page.locator("tr[data-team] td.team a:first-child").all_inner_texts()


def choose(page, name, answer):
    page.set_input_files("input[type=file]", {"name": name, "mimeType": "text/csv", "buffer": answer})


def test_a_contest_by_the_keyboard_alone(host, open_page):
    board, page = open_page(timezone_id="Europe/Berlin"), open_page()
    board.goto("/board")
    assert names_by_rank(board) == ["Rivals"]

    page.goto("/")
    press(page, "Register")
    type_in(page, "Ada Lovelace", "London", "ada@example.org", PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.goto(read_link(host, "ada@example.org"))
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("/team")
    page.keyboard.type("Engines")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    press(page, "Submit")
    # A dialogue of the system chooses the file: nothing that keys in the page reach.
    choose(page, "a.csv", PERFECT)
    press(page, "Submit!")
    assert page.url.endswith("/submissions")
    page.locator(".chip.scored").wait_for()
    assert "1.0000" in page.locator("article").inner_text()

    board.locator("tr.own, tr[data-rank='1'] >> text=Engines").first.wait_for()
    assert names_by_rank(board) == ["Engines", "Rivals"]
    assert board.locator("tr[data-rank='2'].down").count() == 1


def test_a_phase_closes_on_a_page_that_is_open(host, open_page):
    page = open_page(timezone_id="Asia/Tokyo")
    page.goto("/")
    assert page.locator(".chip").inner_text() == "open"
    assert "9:00 AM Asia/Tokyo" in page.locator(".zoned .local").first.inner_text()
    host.clock.shift = timedelta(days=365)
    try:
        page.locator(".chip.closed").wait_for()
    finally:
        host.clock.shift = timedelta()
    page.locator(".chip.open").wait_for()


def test_a_contest_without_scripts(host, open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/account/register")
    for name, text in {"name": "Grace", "email": "grace@example.org", "password": PASSWORD}.items():
        page.fill(f"[name={name}]", text)
    page.click("main button")
    page.goto(read_link(host, "grace@example.org"))
    page.fill("[name=password]", PASSWORD)
    page.click("main button >> nth=0")
    page.fill("[name=name]", "Compilers")
    page.click("text=Make the team")
    page.fill("[name=text]", "**Bold** words")
    page.click("text=Preview")
    assert page.locator(".prose strong").inner_text() == "Bold"
    page.goto("/submit")
    choose(page, "a.csv", f"x,y\n0,0\n{CANARY},0\n1,900\n".encode())
    page.click("main button:has-text('Submit')")
    assert "is accepted" in page.locator(".said").inner_text()
    wait_for(lambda: page.reload() and page.locator(".chip.scored").count())
    page.goto("/board")
    assert "Compilers" in names_by_rank(page)
    page.goto("/queue")
    assert "Compilers" in page.inner_text("main")


def test_an_upload_goes_on_after_the_network_broke(host, open_page):
    page = open_page()
    person = host.add_person("Hedy")
    host.add_team("Hoppers", person)
    cookie = host.enter(person).cookies["overtrace"]
    page.context.add_cookies([{"name": "overtrace", "value": cookie, "url": host.address}])
    answer = b"nothing that can be scored\n" * 200_000
    parts = []

    def break_once(route):
        parts.append(route.request.url)
        if len(parts) == 2:
            route.fulfill(status=503, json={"error": "the network broke"})
        else:
            route.continue_()

    page.route("**/api/v1/uploads/*?offset=*", break_once)
    page.goto("/submit")
    choose(page, "large.csv", answer)
    with page.expect_navigation(timeout=15000):
        page.click("main button:has-text('Submit')")
    offsets = [int(part.rpartition("=")[2]) for part in parts]
    assert offsets == [0, 4194304, 4194304]
    with host.settings.database.read() as session:
        sent = session.scalars(select(Submission).where(Submission.name == "large.csv")).one()
    assert sent.sha256 == hashlib.sha256(answer).hexdigest()
