"""A provider of OpenID Connect: it vouches for whoever it is told to, and lies if it is told to."""

import base64
import functools
import hashlib
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

CLIENT, SECRET = "overtrace", "a secret of the client's that is long enough"


@dataclass
class OpenIdProvider:
    """Whom it vouches for, and how it departs from what it should say."""

    issuer: str = ""
    email: str = "ada@example.org"
    verified: Any = True
    subject: str = "248289761001"
    name: str = "Ada Lovelace"
    at_userinfo: bool = False
    """Whether address and name stand there rather than in the token."""
    secret_in_form: bool = False
    lies: dict[str, Any] = field(default_factory=dict)
    """Claims in the place of the true ones; None for none."""
    algorithm: str = "RS256"
    about: dict[str, Any] = field(default_factory=dict)
    """In the place of what it should say of itself."""
    userinfo_subject: str = ""
    shown_key: RSAKey = field(default_factory=functools.cache(lambda: RSAKey.generate_key(2048, {"kid": "one"})))
    signing_key: RSAKey | None = None
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """By code: what the browser brought."""

    def make_app(self) -> Starlette:
        """Its pages."""
        routes = [
            Route("/.well-known/openid-configuration", self.describe),
            Route("/authorize", self.authorize),
            Route("/token", self.give_token, methods=["POST"]),
            Route("/keys", self.show_keys),
            Route("/userinfo", self.show_userinfo),
        ]
        return Starlette(routes=routes)

    async def describe(self, request: Request) -> JSONResponse:
        """What it says of itself."""
        about = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        if self.secret_in_form:
            about["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        return JSONResponse({**about, **self.about})

    async def authorize(self, request: Request) -> RedirectResponse:
        """Send the browser back, as if its user had said yes."""
        asked = dict(request.query_params)
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.asked[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", status_code=302)

    async def give_token(self, request: Request) -> JSONResponse:
        """A token for a code, to the client that asked for it and once."""
        form = await request.form()
        basic = base64.b64encode(f"{CLIENT}:{quote(SECRET)}".encode()).decode()
        shown = (request.headers.get("authorization"), form.get("client_id"), form.get("client_secret"))
        asked = self.asked.pop(str(form["code"]), None)
        verifier = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if shown != ((None, CLIENT, SECRET) if self.secret_in_form else (f"Basic {basic}", None, None)):
            return JSONResponse({"error": "invalid_client"}, 401)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = {"access_token": "let me in", "token_type": "Bearer", "expires_in": 60}
        return JSONResponse({**token, "id_token": self._sign(asked["nonce"])})

    async def show_keys(self, request: Request) -> JSONResponse:
        """The public one."""
        return JSONResponse({"keys": [self.shown_key.as_dict(private=False)]})

    async def show_userinfo(self, request: Request) -> JSONResponse:
        """Whom the token is of."""
        if request.headers.get("authorization") != "Bearer let me in":
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse({"sub": self.userinfo_subject or self.subject, **self._facts()})

    def _facts(self) -> dict[str, Any]:
        return {"email": self.email, "email_verified": self.verified, "name": self.name}

    def _sign(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": nonce}
        claims |= {} if self.at_userinfo else self._facts()
        claims = {key: value for key, value in {**claims, **self.lies}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": "one"}
        if self.algorithm == "none":
            return ".".join([_encode(header), _encode(claims), ""])
        if self.algorithm == "HS256":
            return jwt.encode(header, claims, OctKey.import_key(SECRET))
        return jwt.encode(header, claims, self.signing_key or self.shown_key)


@contextmanager
def run_provider(provider: OpenIdProvider) -> Iterator[OpenIdProvider]:
    """A provider on a port of this machine, until the block ends."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    provider.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(provider.make_app(), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join()


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
