"""The queue of a host elsewhere, reached by HTTP: what a worker on another machine has in the place of a database."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from overtrace.errors import BadOption, NotAllowed, NotFound, Refused, Unavailable
from overtrace.host.jobs import Claimed
from overtrace.host.outcome import Outcome

TIMEOUT_S = 60.0
ERRORS = {403: NotAllowed, 404: NotFound, 409: Refused, 400: BadOption, 422: BadOption}


class RemoteQueue:
    """One connection to a host; closed with ``close``."""

    def __init__(self, server: str, token: str) -> None:
        """
        Raises:
            BadOption: if the address is none.
            NotAllowed: if the token is not for workers.
            Unavailable: if the host does not answer.
        """
        if not server.startswith(("http://", "https://")):
            raise BadOption(f"--server {server}: wanted an address that begins with https://")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._client = httpx.Client(base_url=f"{server.rstrip('/')}/api/v1/work", headers=headers, timeout=TIMEOUT_S)
        self._beat_s = float(self._ask("GET", "/patience")["lease_s"]) / 3

    @property
    def beat_s(self) -> float:
        """A worker may miss two beats."""
        return self._beat_s

    def claim(self, worker: str) -> Claimed | None:
        """The next job."""
        found = self._ask("POST", "/claim", {"worker": worker})
        return None if found is None else Claimed.model_validate(found)

    def fetch(self, claimed: Claimed, path: Path) -> None:
        """Write the answer to a file, its digest checked."""
        digest = hashlib.sha256()
        with _reach(), self._client.stream("POST", "/blob", json=claimed.model_dump(mode="json")) as answer:
            if answer.is_error:
                answer.read()
                _raise(answer)
            with path.open("wb") as file:
                for part in answer.iter_bytes():
                    digest.update(part)
                    file.write(part)
        if digest.hexdigest() != claimed.sha256:
            raise Unavailable(f"the host gave other bytes than those of {claimed.sha256}: try again later")

    def beat(self, claimed: Claimed) -> bool:
        """The worker lives."""
        return bool(self._ask("POST", "/beat", claimed.model_dump(mode="json"))["held"])

    def finish(self, claimed: Claimed, outcome: Outcome) -> bool:
        """What came of it."""
        said = {"claimed": claimed.model_dump(mode="json"), "outcome": outcome.model_dump(mode="json")}
        return bool(self._ask("POST", "/finish", said)["held"])

    def give_back(self, claimed: Claimed, why: str, *, counted: bool) -> bool:
        """Let it wait again."""
        said = {"claimed": claimed.model_dump(mode="json"), "why": why[-2000:], "counted": counted}
        return bool(self._ask("POST", "/give-back", said)["held"])

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        with _reach():
            answer = self._client.request(method, path, json=content)
            if answer.is_error:
                _raise(answer)
            return answer.json()


@contextmanager
def _reach() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable(f"the host does not answer ({error}): try again later") from error


def _raise(answer: httpx.Response) -> None:
    try:
        line = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        line = f"the host answers {answer.status_code}"
    raise ERRORS.get(answer.status_code, Unavailable)(line)
