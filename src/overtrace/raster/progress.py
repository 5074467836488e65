"""Who is told how far the work has come."""

from typing import Protocol


class Progress(Protocol):
    """Told from one thread, in order."""

    def begin(self, task: str, pixels: int) -> None:
        """A pass over an image begins."""
        ...

    def advance(self, pixels: int) -> None:
        """So many more pixels of it are done."""
        ...

    def say(self, text: str) -> None:
        """Something has happened that the user should know."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, task: str, pixels: int) -> None:
        """Nothing."""

    def advance(self, pixels: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""
