"""What letters and pages know of the place where a contest is held."""

from dataclasses import dataclass

from overtrace.host.contest import Contest


@dataclass(frozen=True, slots=True)
class Site:
    """A contest at an address."""

    contest: Contest
    address: str
    """Without a slash at its end, such as ``https://contest.example.org``."""
