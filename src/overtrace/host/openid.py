"""Log-in by OpenID Connect, where an organiser names a provider.

Nothing is kept between the way there and the way back but one cookie in the browser, whose value is a secret: state,
nonce and code verifier follow from it (OpenID Connect Core 1.0; RFC 7636; RFC 9207).
"""

import functools
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from joserfc.jws import JWSRegistry

from overtrace.errors import BadOption, Refused
from overtrace.host.secret import new_secret

VARIABLES = ("OVERTRACE_OPENID_ISSUER", "OVERTRACE_OPENID_CLIENT", "OVERTRACE_OPENID_SECRET")
SCOPE = "openid email profile"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""With a public key of the provider's: with a shared one, or none, anyone who knows it could sign."""
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
TIMEOUT_S = 10.0
LEEWAY_S = 60
HERE = ("localhost", "127.0.0.1")
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Provider:
    """Who vouches for people, and what it knows this host by."""

    issuer: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider vouches for."""

    openid: str
    """Issuer and subject: what stays the same when addresses and names change."""
    email: str
    """Empty unless the provider has verified it."""
    name: str


def read_provider(environment: Mapping[str, str]) -> Provider | None:
    """The provider that three variables name; None if none of them is set.

    Raises:
        BadOption: if some are missing, or the issuer could be listened to.
    """
    values = [environment.get(name, "") for name in VARIABLES]
    if not any(values):
        return None
    if not all(values):
        missing = ", ".join(name for name, value in zip(VARIABLES, values, strict=True) if not value)
        raise BadOption(f"OpenID: {missing} is not set: set all of {', '.join(VARIABLES)}, or none")
    issuer = urlsplit(values[0])
    if issuer.scheme != "https" and not (issuer.scheme == "http" and issuer.hostname in HERE):
        raise BadOption(f"{VARIABLES[0]} is {values[0]}: wanted an address that begins with https://")
    return Provider(*values)


def begin(provider: Provider, return_to: str) -> tuple[str, str]:
    """Where to send a browser, and the cookie to give it for ten minutes.

    Args:
        return_to: the address here to which the provider sends it back.
    Raises:
        Refused: if the provider does not answer.
    """
    secret = new_secret()
    with httpx.Client(timeout=TIMEOUT_S, verify=_read_trusted()) as client:
        about = _fetch_about(provider, client)
    address = prepare_grant_uri(
        about["authorization_endpoint"],
        provider.client_id,
        "code",
        redirect_uri=return_to,
        scope=SCOPE,
        state=_derive(secret, "state"),
        nonce=_derive(secret, "nonce"),
        code_challenge=create_s256_code_challenge(_derive(secret, "verifier")),
        code_challenge_method="S256",
    )
    return address, secret


def finish(provider: Provider, return_to: str, secret: str, answer: Mapping[str, str], at: datetime) -> Identity:
    """Who came back.

    Args:
        secret: the value of the cookie.
        answer: what the provider has put into the address.
    Raises:
        Refused: if the answer is not the one to this browser's question, or the provider's word cannot be checked.
    """
    if not secret or not hmac.compare_digest(_derive(secret, "state").encode(), answer.get("state", "").encode()):
        raise Refused("this log-in was not begun in this browser, or too long ago: begin again")
    if "error" in answer or not answer.get("code"):
        raise Refused("the OpenID provider did not log you in: begin again, or use a password")
    if answer.get("iss", provider.issuer) != provider.issuer:
        raise Refused("the answer is of another OpenID provider: begin again")
    with httpx.Client(timeout=TIMEOUT_S, verify=_read_trusted()) as client:
        about = _fetch_about(provider, client)
        form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": return_to}
        try:
            token = _fetch_token(provider, client, about, {**form, "code_verifier": _derive(secret, "verifier")})
            return _read_identity(provider, client, about, token, _derive(secret, "nonce"), at)
        except (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, KeyError, TypeError) as error:
            reason = type(error).__name__
            raise Refused(f"the word of the OpenID provider cannot be checked ({reason}): begin again") from error


def _fetch_token(provider: Provider, client: httpx.Client, about: Facts, form: Mapping[str, str]) -> Facts:
    if "client_secret_basic" in about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
        # RFC 6749, 2.3.1
        known_by = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(provider.client_secret, safe=""))
        return _read(client.post(about["token_endpoint"], data=form, auth=known_by))
    shown = {"client_id": provider.client_id, "client_secret": provider.client_secret}
    return _read(client.post(about["token_endpoint"], data={**form, **shown}))


def _read_identity(
    provider: Provider, client: httpx.Client, about: Facts, token: Facts, nonce: str, at: datetime
) -> Identity:
    keys = KeySet.import_key_set(cast(KeySetSerialization, _read(client.get(about["jwks_uri"]))))
    # Providers add headers of their own.
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    signed = jwt.decode(token["id_token"], keys, registry=registry)
    wanted = {"iss": provider.issuer, "aud": provider.client_id}
    claims = CodeIDToken(
        signed.claims,
        signed.header,
        {name: {"essential": True, "value": value} for name, value in wanted.items()},
        {"nonce": nonce, "client_id": provider.client_id, "access_token": token["access_token"]},
    )
    claims.validate(now=int(at.timestamp()), leeway=LEEWAY_S)
    facts: Facts = dict(claims)
    if "email" not in facts and "userinfo_endpoint" in about:
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        more = _read(client.get(about["userinfo_endpoint"], headers=bearer))
        if more.get("sub") != facts["sub"]:
            raise ValueError("the provider speaks of two people")
        facts = {**more, **facts}
    # Some providers write truth as text.
    verified = str(facts.get("email_verified", "")).lower() == "true"
    email = str(facts.get("email", "")) if verified else ""
    return Identity(f"{provider.issuer} {facts['sub']}", email, str(facts.get("name", "")))


def _fetch_about(provider: Provider, client: httpx.Client) -> Facts:
    try:
        about = _read(client.get(f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"))
    except (httpx.HTTPError, ValueError) as error:
        raise Refused(f"the OpenID provider {provider.issuer} does not answer: try again, or use a password") from error
    if about.get("issuer") != provider.issuer:
        raise Refused(f"{provider.issuer} calls itself {about.get('issuer')}: the organiser has to name it so")
    missing = [name for name in NEEDED if not isinstance(about.get(name), str)]
    if missing:
        raise Refused(f"the OpenID provider {provider.issuer} says nothing of {', '.join(missing)}: use a password")
    return about


def _read(answer: httpx.Response) -> Facts:
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError(f"{answer.url} holds no object")
    return found


@functools.cache
def _read_trusted() -> ssl.SSLContext:
    # It takes a quarter of a second, which nobody shall wait twice for.
    return httpx.create_ssl_context()


def _derive(secret: str, purpose: str) -> str:
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()
