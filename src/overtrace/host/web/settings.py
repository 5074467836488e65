"""What the web process works with; nothing of it leads to the truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from overtrace.host.blobs import Blobs
from overtrace.host.contest import Contest
from overtrace.host.database import Database, now
from overtrace.host.public import Public
from overtrace.host.rates import Rates
from overtrace.host.senders import Sender
from overtrace.host.site import Site
from overtrace.host.uploads import Uploads

if TYPE_CHECKING:
    from overtrace.host.openid import Provider

SAFE = ("GET", "HEAD", "OPTIONS")
"""What changes nothing."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How often something may be done."""

    requests: Rates = field(default_factory=lambda: Rates(600, 0.05))
    """Of any kind, by network: parts of uploads, too."""
    calls: Rates = field(default_factory=lambda: Rates(600, 0.05))
    """With a token, by account."""
    changes: Rates = field(default_factory=lambda: Rates(60, 1.0))
    """Forms, by network."""
    guesses: Rates = field(default_factory=lambda: Rates(10, 20.0))
    """Of passwords and codes, by network and by e-mail address."""
    letters: Rates = field(default_factory=lambda: Rates(10, 120.0))
    """That others can cause, by network or account, and by e-mail address."""
    checks: Rates = field(default_factory=lambda: Rates(10, 10.0))
    """Of answers before they are sent in, by account."""
    listeners: int = 2000
    """Pages that are kept up to date at one time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A host."""

    public: Public
    address: str
    """Without a slash at its end."""
    database: Database
    blobs: Blobs
    spool: Path
    sender: Sender | None = None
    """None: another process sends letters."""
    provider: "Provider | None" = None
    traffic: Traffic = field(default_factory=Traffic)
    clock: Callable[[], datetime] = now
    read_only: bool = False
    """Only to be looked at."""
    frozen: bool = False
    """Whether pages are for a folder that no host answers for: without log-in, forms and e-mail addresses."""

    @property
    def contest(self) -> Contest:
        """As everyone may know it."""
        return self.public.contest

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it over TLS alone."""
        return self.address.startswith("https:")

    @property
    def site(self) -> Site:
        """Of letters."""
        return Site(self.contest, self.address)

    @property
    def uploads(self) -> Uploads:
        """What is on its way."""
        return Uploads(self.database, self.blobs, self.contest, self.spool)


def find_settings(connection: HTTPConnection) -> Settings:
    """Those of the application that answers."""
    settings = connection.app.state.settings
    assert isinstance(settings, Settings)
    return settings


Host = Annotated[Settings, Depends(find_settings)]
