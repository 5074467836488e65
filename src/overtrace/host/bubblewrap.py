"""Programs of this machine in a box: no network, no capability, nothing of the disk but what they are shown.

Bubblewrap starts in milliseconds and needs no image, which suits the scorer; a foreign program gets a container.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import overtrace

NOBODY = "65534"
TMP_BYTES = 2**30
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/ssl", "/etc/localtime")
"""What programs need to start, as far as it is there."""


def find_bubblewrap() -> str | None:
    """The program; None where it is not installed."""
    return shutil.which("bwrap") if sys.platform == "linux" else None


def box(command: Sequence[str], shown: Sequence[Path], own: Mapping[Path, Path] | None = None) -> list[str]:
    """A command in a box.

    Args:
        shown: files and folders that it may read, under the same paths.
        own: folders that it may write to, by the path under which it finds them.
    """
    found = find_bubblewrap()
    assert found is not None
    paths = _without_inner([*map(Path, SYSTEM), *list_code(), *shown])
    options = [
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--new-session",
        # Each of the two alone would leave it something.
        *("--uid", NOBODY, "--gid", NOBODY),
        *("--cap-drop", "ALL"),
        *("--proc", "/proc"),
        *("--dev", "/dev"),
        *("--size", str(TMP_BYTES), "--tmpfs", "/tmp"),
    ]
    for path in paths:
        if path.is_symlink() and str(path) in SYSTEM:
            options += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            options += ["--ro-bind", str(path), str(path)]
    for path, source in (own or {}).items():
        options += ["--bind", str(source), str(path)]
    return [found, *options, "--remount-ro", "/", "--chdir", "/", "--", *command]


def copy_kernels(folder: Path) -> dict[Path, Path]:
    """Compiled kernels for a program in a box, by the folders in which numba looks for them.

    Numba uses a folder only if it may write to it. A copy can be written to, and is thrown away: kernels are read as
    pickles, so that whoever changes one owns all who load it later.
    """
    shared = os.environ.get("NUMBA_CACHE_DIR", "")
    package = Path(overtrace.__file__).parent
    places = [Path(shared)] if shared else sorted({path.parent for path in package.rglob("*.nbi")})
    own = {}
    for number, place in enumerate(places):
        if place.is_dir():
            own[place.absolute()] = Path(shutil.copytree(place, folder / str(number)))
    return own


def can_box(*shown: Path) -> bool:
    """Whether bubblewrap works here, and what it shows can be read in it: by its owner, or by everyone."""
    mine = os.geteuid()
    return _works() and all(
        facts.st_uid == mine or facts.st_mode & 0o004 for facts in (os.stat(path) for path in shown if path.exists())
    )


@cache
def _works() -> bool:
    if find_bubblewrap() is None:
        return False
    command = box([os.path.realpath(sys.executable), "-I", "-S", "-c", "pass"], [])
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, cwd="/").returncode == 0


def list_code() -> list[Path]:
    """Where this Python and all that it may import lie."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    # Not all of sys.path, whose first place may be any folder that somebody stood in.
    packages = {place for place in sys.path if place.endswith(("site-packages", "dist-packages"))}
    own = {str(Path(overtrace.__file__).parents[1]), os.path.dirname(os.path.realpath(sys.executable))}
    named = set(os.environ.get("PYTHONPATH", "").split(os.pathsep)) - {""}
    return sorted(Path(place).absolute() for place in prefixes | packages | own | named if os.path.isdir(place))


def _without_inner(paths: Sequence[Path]) -> list[Path]:
    """Each once, outer ones first, so that none hides another; none that lies in another one."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: (len(path.parts), str(path))):
        if not any(path.is_relative_to(outer) for outer in kept):
            kept.append(path)
    return kept
