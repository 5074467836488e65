"""The command line as users run it."""

import subprocess
import sys
from typing import Any


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``overtrace`` in a process of its own."""
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def run_well(*arguments: object, **options: Any) -> str:
    """The same; it must end with 0, and what it printed comes back."""
    done = run(*arguments, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
