"""A host elsewhere, reached by HTTP: its JSON, and its errors as if they had come up here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from overtrace.errors import BadOption, NotAllowed, NotFound, Refused, Unavailable

TIMEOUT_S = 60.0
ERRORS = {400: BadOption, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Refused, 413: Refused, 422: BadOption}


class Connection:
    """One connection to a host; closed with ``close``. Each method may raise what the host says, or Unavailable."""

    def __init__(self, server: str, token: str = "") -> None:
        """
        Args:
            token: empty for what everyone may see.
        Raises:
            BadOption: if the address is none, or the token cannot be one.
        """
        if not server.startswith(("http://", "https://")):
            raise BadOption(f"--server {server}: wanted an address that begins with https://")
        if not (token.isascii() and token.isprintable()):
            raise BadOption("the token holds letters that no token has: copy it once more")
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            self._client = httpx.Client(base_url=server.rstrip("/"), headers=headers, timeout=TIMEOUT_S)
        except httpx.InvalidURL as error:
            raise BadOption(f"--server {server}: {error}: wanted an address such as https://example.org") from error

    def ask(self, method: str, path: str, json: Any = None, content: bytes | None = None) -> Any:
        """What the host answers, as JSON holds it."""
        with _reach():
            return self._request(method, path, json, content).json()

    def read(self, path: str) -> str:
        """What the host answers, as text."""
        with _reach():
            return self._request("GET", path).text

    @contextmanager
    def stream(self, path: str, json: Any) -> Iterator[Iterator[bytes]]:
        """What the host answers, piece by piece."""
        with _reach(), self._client.stream("POST", path, json=json) as answer:
            if not answer.is_success:
                answer.read()
                _raise(answer)
            yield answer.iter_bytes()

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _request(self, method: str, path: str, json: Any = None, content: bytes | None = None) -> httpx.Response:
        answer = self._client.request(method, path, json=json, content=content)
        if not answer.is_success:
            _raise(answer)
        return answer


@contextmanager
def _reach() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"the host does not answer ({error}): try again later") from error


def _raise(answer: httpx.Response) -> None:
    if answer.is_redirect:
        raise BadOption(f"the host has moved to {answer.headers.get('location', '')[:200]}: name that as --server")
    try:
        line = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        line = f"the host answers {answer.status_code}"
    raise ERRORS.get(answer.status_code, Unavailable)(line)
