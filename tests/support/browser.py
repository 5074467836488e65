"""Debian's Chromium without a screen, and what its pages ask for and complain of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
# Without these it looks for updates and accounts on its own.
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip


@contextmanager
def open_chromium() -> Iterator[Any]:
    """A browser of playwright."""
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        yield chromium
        chromium.close()


@dataclass
class Watch:
    """Of pages that ask for nothing but themselves and do not complain."""

    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def see(self, page: Any) -> Any:
        """A page, from now on."""
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        return page

    def check(self, *addresses: str, but: str | None = None) -> None:
        """Nothing but these was asked for, and there was no complaint but some."""
        assert all(url.startswith(addresses) for url in self.asked)
        assert not [said for said in self.complaints if but is None or but not in said]
