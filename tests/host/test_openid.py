"""OpenID Connect, against a real provider that tells the truth or does not."""

import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from overtrace.errors import BadOption, Refused
from overtrace.host.openid import VARIABLES, Identity, Provider, begin, finish, read_provider
from tests.support.openid_provider import CLIENT, SECRET, OpenIdProvider, run_provider

RETURN_TO = "https://trees.example.org/account/openid/return"
BROWSER = httpx.Client()
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one"})


@pytest.fixture
def there():
    with run_provider(OpenIdProvider()) as there:
        yield there


def name(there: OpenIdProvider) -> Provider:
    return Provider(there.issuer, CLIENT, SECRET)


def go(provider: Provider) -> tuple[str, dict[str, str]]:
    """To the provider and back, as a browser does: the cookie, and what the provider put into the address."""
    address, cookie = begin(provider, RETURN_TO)
    back = BROWSER.get(address).headers["location"]
    assert back.startswith(f"{RETURN_TO}?")
    return cookie, dict(parse_qsl(urlsplit(back).query))


def log_in(there: OpenIdProvider, provider: Provider | None = None) -> Identity:
    provider = provider or name(there)
    return finish(provider, RETURN_TO, *go(provider), datetime.now(UTC))


def test_a_provider_vouches_for_a_person(there):
    assert log_in(there) == Identity(f"{there.issuer} 248289761001", "ada@example.org", "Ada Lovelace")


def test_address_and_name_may_stand_elsewhere_than_in_the_token(there):
    there.at_userinfo = True
    assert log_in(there).email == "ada@example.org"
    there.userinfo_subject = "someone else"
    with pytest.raises(Refused, match="cannot be checked"):
        log_in(there)


@pytest.mark.parametrize(
    ("verified", "email"),
    [(True, "ada@example.org"), ("true", "ada@example.org"), (False, ""), ("false", ""), (None, "")],
)
def test_an_address_counts_if_it_is_verified(there, verified, email):
    there.verified = verified
    assert log_in(there).email == email


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://other.example"},
        {"aud": "another client"},
        {"aud": "another client", "azp": CLIENT},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"nonce": "of another browser"},
        {"nonce": None},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 2**40},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_token_that_is_not_for_this_log_in_is_refused(there, lies):
    there.lies = lies
    with pytest.raises(Refused, match="cannot be checked"):
        log_in(there)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_that_is_not_signed_by_the_provider_alone_is_refused(there, algorithm):
    there.algorithm = algorithm
    with pytest.raises(Refused, match="cannot be checked"):
        log_in(there)


def test_a_token_that_is_signed_by_another_key_is_refused(there):
    there.signing_key = OTHER_KEY
    with pytest.raises(Refused, match="cannot be checked"):
        log_in(there)


def test_a_provider_may_change_its_key(there):
    log_in(there)
    there.shown_key = OTHER_KEY
    log_in(there)


def test_an_answer_counts_in_the_browser_that_asked_alone(there):
    """Eve begins a log-in of hers, and has Ada's browser end it."""
    provider = name(there)
    cookie, answer = go(provider)
    others, _ = go(provider)
    for wrong in (others, "", "x"):
        with pytest.raises(Refused, match="in this browser"):
            finish(provider, RETURN_TO, wrong, answer, datetime.now(UTC))
    finish(provider, RETURN_TO, cookie, answer, datetime.now(UTC))


def test_a_code_that_was_stolen_is_of_no_use_without_the_verifier(there):
    provider = name(there)
    _, stolen = go(provider)
    cookie, own = go(provider)
    with pytest.raises(Refused, match="cannot be checked"):
        finish(provider, RETURN_TO, cookie, {**own, "code": stolen["code"]}, datetime.now(UTC))


def test_an_answer_counts_once(there):
    provider = name(there)
    cookie, answer = go(provider)
    finish(provider, RETURN_TO, cookie, answer, datetime.now(UTC))
    with pytest.raises(Refused, match="cannot be checked"):
        finish(provider, RETURN_TO, cookie, answer, datetime.now(UTC))


def test_an_answer_of_another_provider_is_refused(there):
    provider = name(there)
    cookie, answer = go(provider)
    with pytest.raises(Refused, match="another OpenID provider"):
        finish(provider, RETURN_TO, cookie, {**answer, "iss": "https://other.example"}, datetime.now(UTC))


def test_who_says_no_at_the_provider_is_told_so(there):
    provider = name(there)
    cookie, answer = go(provider)
    with pytest.raises(Refused, match="did not log you in"):
        finish(provider, RETURN_TO, cookie, {"error": "access_denied", "state": answer["state"]}, datetime.now(UTC))


def test_a_wrong_secret_is_told_without_it(there):
    with pytest.raises(Refused, match="cannot be checked") as refused:
        log_in(there, Provider(there.issuer, CLIENT, "wrong secret"))
    assert "wrong secret" not in str(refused.value)


def test_a_provider_that_calls_itself_otherwise_is_refused(there):
    there.about = {"issuer": "https://other.example"}
    with pytest.raises(Refused, match=r"calls itself https://other\.example"):
        begin(name(there), RETURN_TO)


def test_a_provider_that_is_not_there_is_told_soon():
    begun = time.monotonic()
    with pytest.raises(Refused, match="does not answer"):
        begin(Provider("http://127.0.0.1:9", CLIENT, SECRET), RETURN_TO)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"token_endpoint": None}, "says nothing of token_endpoint"),
        ({"jwks_uri": "http://127.0.0.1:9/keys"}, "cannot be checked"),
        ({"jwks_uri": "nowhere"}, "cannot be checked"),
    ],
)
def test_a_provider_that_is_not_whole_is_told(there, about, message):
    there.about = about
    with pytest.raises(Refused, match=message):
        log_in(there)


def test_the_secret_is_shown_as_the_provider_wants_it(there):
    there.secret_in_form = True
    assert log_in(there).email == "ada@example.org"


def test_nothing_is_asked_of_who_names_no_provider():
    assert read_provider({"HOME": "/root"}) is None


def test_a_provider_is_named_by_three_variables():
    whole = dict(zip(VARIABLES, ("https://id.example", CLIENT, SECRET), strict=True))
    assert read_provider(whole) == Provider("https://id.example", CLIENT, SECRET)
    for missing in VARIABLES:
        with pytest.raises(BadOption, match=f"{missing} is not set"):
            read_provider({**whole, missing: ""})


@pytest.mark.parametrize("issuer", ["http://id.example", "id.example", "ftp://id.example"])
def test_a_provider_is_asked_where_nobody_listens(issuer):
    with pytest.raises(BadOption, match="https://"):
        read_provider(dict(zip(VARIABLES, (issuer, CLIENT, SECRET), strict=True)))
