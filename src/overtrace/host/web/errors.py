"""What goes wrong on the way, and the number and the one line of it."""

import logging
from datetime import datetime

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from overtrace.errors import BadOption, NotAllowed, NotFound, OvertraceError, Refused, Unavailable
from overtrace.host.rates import Rates

STATUS: dict[type[OvertraceError], int] = {
    Refused: 409,
    NotAllowed: 403,
    NotFound: 404,
    BadOption: 400,
    Unavailable: 503,
}
LINES = {
    404: "there is no such page: begin at the front page",
    405: "this address is not for that: begin at the front page",
}
LOG = logging.getLogger("overtrace.web")


class Failed(HTTPException):
    """What HTTP has a number for; with one line."""


class TooOften(Refused):
    """Someone comes too often."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__(f"too often: come again in {self.wait_s} s")

    @classmethod
    def check(cls, rates: Rates, at: datetime, *keys: str) -> None:
        """Take a token of the bucket of each key: networks, accounts, e-mail addresses.

        Raises:
            TooOften: if there is none in one of them.
        """
        for key in keys:
            wait_s = rates.take(key.strip().lower()[:254], at)
            if wait_s:
                raise cls(wait_s)


class LogInFirst(NotAllowed):
    """A page for people with an account."""


def describe(error: Exception) -> tuple[int, str]:
    """The number that HTTP has for an error, and its line."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return 422, f"{'/'.join(map(str, first['loc'][1:]))}: {first['msg']}"[:300]
    if isinstance(error, HTTPException):
        return error.status_code, LINES.get(error.status_code, str(error.detail))
    if isinstance(error, TooOften):
        return 429, str(error)
    if isinstance(error, OvertraceError):
        status = next((number for kind, number in STATUS.items() if isinstance(error, kind)), 422)
        return status, " ".join(str(error).split())
    LOG.error("an error of the host", exc_info=error)
    return 500, "something went wrong here, and was written down: try again, or tell the organisers"


def wants_json(request: Request) -> bool:
    """Whether whoever asks is a program."""
    path = request.url.path
    return path.startswith("/api/") or path.endswith(".json") or request.headers.get("accept") == "application/json"
