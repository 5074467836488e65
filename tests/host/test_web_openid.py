"""Log-in by OpenID Connect through the pages, and back."""

from collections.abc import Iterator

import httpx
import pytest

from overtrace.host.openid import Provider
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, run_provider
from tests.support.web import Served, serve_contest


@pytest.fixture(scope="module")
def there() -> Iterator[OpenIdProvider]:
    with run_provider(OpenIdProvider()) as found:
        yield found


@pytest.fixture
def host(there: OpenIdProvider, tmp_path) -> Iterator[Served]:
    with serve_contest(tmp_path, provider=Provider(there.issuer, CLIENT, SECRET)) as served:
        served.clock.fixed = None
        yield served


def come_back(host: Served, browser: httpx.Client) -> httpx.Response:
    """To the provider and back; its word leads to the address of the host without the port of the test."""
    there = browser.get("/account/openid").headers["location"]
    back = httpx.get(there).headers["location"]
    return browser.get(back.removeprefix(host.settings.address))


def test_a_person_whom_a_provider_vouches_for_is_let_in(host):
    browser = host.client()
    assert come_back(host, browser).headers["location"] == "/"
    assert "Ada Lovelace" in browser.get("/account").text
    cookie = next(cookie for cookie in browser.cookies.jar if cookie.name == "overtrace")
    assert cookie.has_nonstandard_attr("HttpOnly")


def test_an_answer_that_another_browser_asked_for_lets_nobody_in(host):
    there = host.client().get("/account/openid").headers["location"]
    back = httpx.get(there).headers["location"].removeprefix(host.settings.address)
    answer = host.client().get(back)
    assert (answer.status_code, "not begun in this browser" in answer.text) == (409, True)


def test_someone_who_is_logged_in_links_their_account(host):
    browser = host.enter(host.add_person("Grace"))
    assert come_back(host, browser).headers["location"] == "/account"
    again = host.client()
    come_back(host, again)
    assert "Grace" in again.get("/account").text


def test_without_a_provider_nothing_is_offered(tmp_path):
    with serve_contest(tmp_path) as host:
        assert host.client().get("/account/openid").status_code == 404
        assert "OpenID" not in host.client().get("/account/login").text
