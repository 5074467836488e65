"""Settings that all tests share."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import overtrace
from tests.support.browser import open_chromium

# The first example of a test may compile a kernel.
settings.register_profile("overtrace", deadline=None)
settings.load_profile("overtrace")


def drop_stale_kernels() -> None:
    """Numba keeps a compiled kernel while its own file is unchanged, even if a kernel that it calls has changed."""
    package = Path(overtrace.__file__).parent
    newest = max(path.stat().st_mtime for path in package.rglob("*.py"))
    for kernel in [path for suffix in ("nbi", "nbc") for path in package.rglob(f"*.{suffix}")]:
        with suppress(FileNotFoundError):  # tests that run beside these throw the same ones away
            if kernel.stat().st_mtime < newest:
                kernel.unlink()


drop_stale_kernels()


# Not one for all: while playwright runs, nothing beside it may use asyncio.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with open_chromium() as browser:
        yield browser
