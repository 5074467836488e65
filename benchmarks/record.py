"""On which machine, of which commit, and where the figures are kept."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")
SHIPPED = Path(__file__).with_name("shipped.json")
"""What was measured of each model file that is shipped, for docs/make_models.py."""
ROOT = RESULTS.parents[1]


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and where figures were measured."""

    machine: str
    """Processor, cores and Python."""
    date: str
    commit: str
    """Of the code, with a plus where files differ from it."""
    load: str
    """Of the machine, before."""

    def __str__(self) -> str:
        return f"{self.machine}; {self.date} UTC; commit {self.commit}; load before {self.load}"


def note_occasion() -> Occasion:
    """Here and now."""
    return Occasion(
        machine=f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        commit=_git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--untracked=no") else ""),
        load=", ".join(f"{load:.1f}" for load in os.getloadavg()),
    )


def describe_machine() -> str:
    """Processor, cores, Python, date and commit, in one line."""
    return str(note_occasion())


def list_models(root: Path = ROOT) -> dict[str, Path]:
    """The model files of the project by name, whether their packages are installed or not."""
    files = [*root.glob("src/overtrace/models/files/*.onnx"), *root.glob("packages/*/src/*/files/*.onnx")]
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def read_speeds(path: Path = SHIPPED) -> dict[str, dict[str, Any]]:
    """What was measured of each model file, by its name."""
    speeds: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}
    return speeds


def note_speeds(speeds: Mapping[str, Mapping[str, Any]], path: Path = SHIPPED) -> None:
    """Keep what was measured, in the place of what was before; of other files what was before stays."""
    path.write_text(json.dumps({**read_speeds(path), **speeds}, indent=1, sort_keys=True) + "\n")


def publish(title: str, machine: str, lines: list[str], *, record: bool) -> None:
    """Print the lines, and append them to RESULTS.md where that is asked for."""
    text = "\n".join([f"## {title}", "", machine, "", *lines, ""])
    print(text)
    if record:
        with RESULTS.open("a") as results:
            results.write(f"\n{text}")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(RESULTS.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
