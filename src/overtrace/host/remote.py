"""The queue of a host elsewhere, reached by HTTP: what a worker on another machine has in the place of a database."""

import hashlib
from pathlib import Path
from typing import Any

from overtrace.errors import Unavailable
from overtrace.host.connection import Connection
from overtrace.host.jobs import Claimed
from overtrace.host.outcome import Outcome

WORK = "/api/v1/work"


class RemoteQueue:
    """The jobs of a host; its connection is closed with ``close``."""

    def __init__(self, server: str, token: str) -> None:
        """
        Raises:
            BadOption: if the address is none.
            NotAllowed: if the token is not for workers.
            Unavailable: if the host does not answer.
        """
        self._connection = Connection(server, token)
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
        with self._connection.stream(f"{WORK}/blob", claimed.model_dump(mode="json")) as parts, path.open("wb") as file:
            for part in parts:
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
        self._connection.close()

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        return self._connection.ask(method, f"{WORK}{path}", content)
