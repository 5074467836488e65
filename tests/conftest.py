"""Settings that all tests share."""

from contextlib import suppress
from pathlib import Path

from hypothesis import settings

import overtrace

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
