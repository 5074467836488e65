"""On which machine, of which commit, and where the figures are kept."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


def describe_machine() -> str:
    """Processor, cores, Python, date and commit, in one line."""
    commit = _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "--untracked=no") else "")
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    facts = (_processor(), f"{os.cpu_count()} cores", f"Python {platform.python_version()}")
    return f"{', '.join(facts)}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; commit {commit}; load before {load}"


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
