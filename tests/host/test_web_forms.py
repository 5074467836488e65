"""Forms: only those of this site count, and none changes anything otherwise."""

import hashlib
import re
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.testclient import TestClient

from overtrace.host import app
from overtrace.host.app import create_app
from overtrace.host.rates import Rates
from overtrace.host.web.guard import HEADERS, MOST_BODY_BYTES
from overtrace.host.web.visitors import VISIT, set_cookie
from tests.support.people import PASSWORD
from tests.support.web import post, read_token, serve_contest

FORMS = [
    route.path
    for pages in app.PAGES
    for route in pages.router.routes
    if isinstance(route, APIRoute) and "POST" in route.methods
]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with serve_contest(tmp_path_factory.mktemp("forms")) as served:
        yield served


def fill(path):
    return re.sub(r"\{\w+\}", "x", path)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_its_token_is_refused(host, ada, path):
    answer = host.enter(ada).post(fill(path), data={"name": "x"})
    assert (answer.status_code, "the form is too old" in answer.text) == (403, True)


def test_the_list_of_forms_is_not_empty():
    assert {"/account/login", "/submit", "/team/order", "/organise/submissions/{submission_id}/hide"} <= set(FORMS)


def test_a_form_with_the_token_of_someone_else_is_refused(host, ada):
    other = read_token(host.enter(host.add_person("Eve")), "/account")
    browser = host.enter(ada)
    browser.get("/account")
    assert browser.post("/account", data={"form_token": other, "name": "Eve"}).status_code == 403


def test_a_form_that_another_site_sends_is_refused_even_with_its_token(host, ada):
    browser = host.enter(ada)
    form = {"form_token": read_token(browser, "/account"), "name": "Ada", "affiliation": "London"}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        answer = browser.post("/account", data=form, headers=headers)
        assert (answer.status_code, "another site" in answer.text) == (403, True)
    same = {"Origin": host.address, "Sec-Fetch-Site": "same-origin"}
    assert browser.post("/account", data=form, headers=same).status_code == 303


def test_a_cookie_alone_changes_nothing_by_the_api(host, ada):
    facts = {"phase": "test", "name": "a", "size": 1, "sha256": "0" * 64}
    assert host.enter(ada).post("/api/v1/uploads", json=facts).status_code == 403


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(host):
    host.add_person("Carla")
    browser = host.client()
    answer = post(
        browser, "/account/login", "/account/login", email="carla@example.org", password="correct horse battery"
    )
    assert answer.status_code == 303
    made = [*browser.get("/account/register").headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    assert any(cookie.startswith("overtrace=") for cookie in made)
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie for cookie in made)


def test_a_log_in_leads_to_no_other_site(host):
    host.add_person("Dora")
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"):
        login = {"email": "dora@example.org", "password": "correct horse battery", "next": target}
        assert post(host.client(), "/account/login", "/account/login", **login).headers["location"] == "/"
    login["next"] = "/board?x=1"
    assert post(host.client(), "/account/login", "/account/login", **login).headers["location"] == "/board?x=1"


def test_a_page_for_people_with_an_account_asks_to_log_in_first(host):
    answer = host.client().get("/submissions")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/login?next=%2Fsubmissions")


def test_pages_of_organisers_are_for_organisers(host, ada):
    for path in ("/organise", "/organise/submissions", "/organise/log", "/organise/teams"):
        assert host.enter(ada).get(path).status_code == 403
        assert host.client().get(path).status_code == 303
    assert host.enter(host.add_person("Olga")).get("/organise").status_code == 200


def test_every_answer_forbids_scripts_and_styles_in_the_page(host, ada):
    for path in ("/", "/board", "/nothing", "/api/v1/contest", "/static/site.css", "/account/login"):
        answer = host.client().get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    for path in ("/", "/board", "/team", "/submit", "/account", "/queue"):
        text = host.enter(ada).get(path).text
        assert not re.search(r"<style|<script>|\sstyle=|\son[a-z]+=", text)


def test_what_strangers_type_is_text_on_every_page(host):
    person = host.add_person("Bobby")
    team = host.add_team("<script>alert(1)</script>", person)
    browser = host.enter(person)
    method = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) ![p](https://evil.example/p.png)"
    assert post(browser, "/team", "/team/method", text=method).status_code == 303
    for path in ("/team", "/teams", f"/teams/{team.id}", "/submit"):
        text = browser.get(path).text
        assert "<script>alert" not in text
        assert "<img" not in text
        assert 'href="javascript' not in text


def test_a_request_that_is_too_large_is_refused_before_it_is_read(host):
    browser = host.client()
    for content in (b"x" * (MOST_BODY_BYTES + 1), iter([b"x" * 2**16] * 17)):
        answer = browser.post(
            "/account/login", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (answer.status_code, "larger than" in answer.text) == (413, True)


def test_an_error_is_one_line_in_a_page_and_in_json(host):
    page, program = host.client().get("/teams/nobody"), host.client().get("/api/v1/boards/test/nothing")
    assert (page.status_code, program.status_code) == (404, 404)
    assert "there is no such team: look at the list of teams" in page.text
    assert program.json() == {"error": "there is no board nothing of phase test: look at the list of boards"}


def test_a_method_that_is_refused_is_not_lost(host, ada):
    browser = host.enter(ada)
    answer = post(browser, "/team", "/team/method", text="word " * 3001)
    assert answer.status_code == 400
    assert "3001 words" in answer.text
    assert answer.text.count("word word") > 1000


def test_an_account_is_erased_by_its_password_and_a_tick_alone(host):
    gwen = host.add_person("Gwen")
    browser = host.enter(gwen)
    for fields, status in (
        ({"sure": "yes"}, 403),
        ({"sure": "yes", "password": "another one"}, 403),
        ({"password": "correct horse battery"}, 400),
        ({"sure": "yes", "password": "correct horse battery"}, 303),
    ):
        assert browser.get("/account").status_code == 200
        assert post(browser, "/account", "/account/erase", **fields).status_code == status
    assert browser.get("/account").status_code == 303


def test_a_description_is_attached_by_its_bytes_and_never_by_a_digest(host):
    people = [host.add_person(name) for name in ("Hedy", "Iris")]
    teams = [host.add_team(f"Team of {person.name}", person) for person in people]
    hedy, iris = map(host.enter, people)
    sent = {"files": {"file": ("method.pdf", b"%PDF secret method")}}
    assert post(hedy, "/team", "/team/document", **sent).status_code == 303
    given = hedy.get(f"/teams/{teams[0].id}/document")
    assert (given.content, given.headers["content-type"]) == (b"%PDF secret method", "application/octet-stream")
    digest = hashlib.sha256(b"%PDF secret method").hexdigest()
    assert post(iris, "/team", "/team/document", sha256=digest, name="x.pdf").status_code == 422
    assert iris.get(f"/teams/{teams[1].id}/document").status_code == 404


def log_in(browser, email, password=PASSWORD):
    return post(browser, "/account/login", "/account/login", email=email, password=password)


def test_a_log_in_ends_the_visit_before_it(host):
    person = host.add_person("Frida")
    browser = host.enter(person)
    planted = browser.cookies[VISIT]
    assert log_in(browser, person.email).status_code == 303
    assert browser.cookies[VISIT] != planted
    other = host.client()
    other.cookies.set(VISIT, planted, domain="127.0.0.1")
    assert other.get("/account").status_code == 303


def test_pages_of_someone_are_kept_by_no_browser(host, ada):
    assert host.enter(ada).get("/").headers["cache-control"] == "no-store"
    assert host.client().get("/").headers["cache-control"] == "private, no-cache"


def test_guesses_of_strangers_do_not_keep_out_whom_an_account_belongs_to(tmp_path):
    """Only a browser in which they have logged in before; of others, wrong and right ones count the same."""
    with serve_contest(tmp_path, traffic={"guesses": Rates(4, 3600)}) as served:
        person = served.add_person("Hedy")
        own = come_from(served, "10.0.0.1")
        assert log_in(own, person.email).status_code == 303
        post(own, "/account", "/account/logout")
        guesses = [log_in(come_from(served, f"10.0.1.{i}"), person.email, "wrong password") for i in range(5)]
        assert [guess.status_code for guess in guesses] == [403, 403, 403, 429, 429]
        assert log_in(come_from(served, "10.0.2.1"), person.email).status_code == 429
        assert log_in(own, person.email).status_code == 303
        # What the browser keeps is good for this account alone.
        other = served.add_person("Irene")
        for i in range(5):
            log_in(come_from(served, f"10.0.3.{i}"), other.email, "wrong password")
        assert log_in(own, other.email).status_code == 429


def come_from(served, network):
    """A browser elsewhere, as a proxy tells of it."""
    return served.client(**{"X-Forwarded-For": network})


def test_cookies_over_tls_are_of_this_host_alone(host):
    secure = replace(host.settings, address="https://contest.example.org")
    answer = Response()
    set_cookie(answer, secure, VISIT, "x", None)
    assert answer.headers["set-cookie"].startswith("__Host-overtrace=x;")
    assert all(flag in answer.headers["set-cookie"] for flag in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"))
    assert "Domain" not in answer.headers["set-cookie"]
    with TestClient(create_app(secure), base_url="https://contest.example.org") as browser:
        page = browser.get("/account/login")
        assert page.headers["strict-transport-security"].startswith("max-age=")
        assert all(cookie.startswith("__Host-") for cookie in page.headers.get_list("set-cookie"))
        form = {"form_token": re.search(r'name="form_token" value="(\w+)"', page.text)[1]}
        login = {**form, "email": host.add_person("Jane").email, "password": PASSWORD}
        assert browser.post("/account/login", data=login).status_code == 200
        assert browser.get("/account").status_code == 200
