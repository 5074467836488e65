"""Who is told how a training goes."""

from typing import Protocol


class Progress(Protocol):
    """Told from one thread, in order."""

    def begin(self, task: str, steps: int, done: int) -> None:
        """The training begins, or goes on."""
        ...

    def advance(self, text: str) -> None:
        """One more step is taken."""
        ...

    def say(self, text: str) -> None:
        """Something has happened."""
        ...
