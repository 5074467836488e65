"""What every request passes: how often, how much, from which site; and what every answer carries."""

from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overtrace.host.outcome import MOST_LINE_BYTES
from overtrace.host.rates import find_network
from overtrace.host.uploads import MOST_DOCUMENT_BYTES
from overtrace.host.web.errors import Failed, TooOften
from overtrace.host.web.settings import SAFE, Settings
from overtrace.host.web.views import answer_error

MOST_BODY_BYTES = 2**20
MOST_PART_BYTES = 8 * 2**20
"""Of an upload; a part is held in memory."""
MOST_FORM_BYTES = 100 * 2**20
"""Of a file that is sent by a form; larger ones go in parts."""
ROOM = 2**16
"""For what stands around a file in a form."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
ENTRANCES = ("/account/login", "/account/logout")
"""Of an archive, where organisers see what is theirs to see."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses hold codes; to none at all, browsers would not tell the origin of forms either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


FRAMED = {
    **HEADERS,
    # What stands there has no forms, and is the same whoever looks.
    "Content-Security-Policy": POLICY.replace("frame-ancestors 'none'", "frame-ancestors *"),
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Of pages that other sites may show in a frame."""


class Guard:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it at once."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        at = self.settings.clock()
        request = Request(scope, receive)
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["at"] = at
        state["network"] = find_network(request.client.host) if request.client else ""
        outgoing = self._add_headers(send, FRAMED if request.url.path.startswith("/embed/") else HEADERS)
        most = find_limit(request.url.path)
        try:
            TooOften.check(self.settings.traffic.requests, at, state["network"])
            _check_site(request, self.settings.address)
            _check_open(request, self.settings)
            _check_length(request.headers, most)
        except (Failed, TooOften) as error:
            await answer_error(request, error)(scope, receive, outgoing)
            return
        await self._answer(request, scope, _count(receive, most), outgoing)

    async def _answer(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """What nobody has foreseen is written down, and is one line for whoever asked."""
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception as error:
            if begun:
                raise
            await answer_error(request, error)(scope, receive, send)

    def _add_headers(self, send: Send, policy: Mapping[str, str]) -> Send:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in policy.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "private, no-cache")
                if self.settings.is_secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        return add


def find_limit(path: str) -> int:
    """How many bytes a request to an address may have."""
    if path.startswith("/api/v1/uploads/"):
        return MOST_PART_BYTES
    if path in ("/submit", "/submit/check", "/team/delivery/file"):
        return MOST_FORM_BYTES + ROOM
    if path.startswith("/api/v1/check/"):
        return MOST_FORM_BYTES
    if path == "/team/document":
        return MOST_DOCUMENT_BYTES + ROOM
    if path == "/api/v1/work/finish":
        return MOST_LINE_BYTES
    return MOST_BODY_BYTES


def _check_site(request: Request, address: str) -> None:
    """A form of another site would be sent with the cookies of this one."""
    if request.method in SAFE or "authorization" in request.headers:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise Failed(403, "this was sent from another site: open the page here, and send it again")
    origin = request.headers.get("origin")
    if origin is None or site == "same-origin":
        return
    if urlsplit(origin).netloc not in (request.headers.get("host", ""), urlsplit(address).netloc):
        raise Failed(403, "this was sent from another site: open the page here, and send it again")


def _check_open(request: Request, settings: Settings) -> None:
    if settings.read_only and request.method not in SAFE and request.url.path not in ENTRANCES:
        raise Failed(403, "this contest is an archive, which is only to be looked at")


def _check_length(headers: Headers, most: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise Failed(400, "the length of the request is no number")
    if int(length) > most:
        raise _too_large(most)


def _count(receive: Receive, most: int) -> Receive:
    """Stop what said another length, or none."""
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    return count


def _too_large(most: int) -> HTTPException:
    return Failed(413, f"the request is larger than {most:,} bytes: send a large file in parts")
