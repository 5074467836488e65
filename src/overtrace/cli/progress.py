"""A progress bar on the terminal: speed and time left; nothing where the output is no terminal."""

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Speed(TextColumn):
    """Millions of something a second."""

    def __init__(self, unit: str) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The speed of late."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed / 1e6:.1f} {self._unit}/s")


class Bar:
    """One bar a pass over an image or a file, on standard error."""

    def __init__(self, unit: str = "megapixels") -> None:
        """Args:
        unit: what a million of what is counted is called.
        """
        self._console = Console(stderr=True, highlight=False)
        text = TextColumn("{task.description}")
        columns = (text, BarColumn(), TaskProgressColumn(), Speed(unit), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, task: str, total: int) -> None:
        """A pass over so many pixels or bytes begins."""
        self._task = self._progress.add_task(task, total=total)

    def advance(self, count: int) -> None:
        """So many more of them are done."""
        if self._task is not None:
            self._progress.advance(self._task, count)

    def say(self, text: str) -> None:
        """Something has happened."""
        self._console.print(escape(text), soft_wrap=True)


class Steps:
    """A bar for a training, and a line for what happens, on standard error; lines alone where it is no terminal."""

    def __init__(self, log: Path | None = None) -> None:
        """Args:
        log: a file that the lines are added to, once its folder is there.
        """
        self._log = log
        self._console = Console(stderr=True, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._name, self._task = "", TaskID(0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, task: str, steps: int, done: int) -> None:
        """The training begins, or goes on."""
        self._name = task
        self._task = self._progress.add_task(task, total=steps, completed=done)

    def advance(self, text: str) -> None:
        """One more step is taken."""
        self._progress.update(self._task, advance=1, description=f"{self._name}: {text}")

    def say(self, text: str) -> None:
        """Something has happened."""
        now = datetime.now(UTC)
        self._console.print(f"{now:%H:%M:%S} {escape(text)}", soft_wrap=True)
        if self._log is not None and self._log.parent.is_dir():
            with self._log.open("a") as log:
                log.write(f"{now:%Y-%m-%d %H:%M:%S} {text}\n")
