"""Settings that all tests share."""

from pathlib import Path

from hypothesis import settings

import overtrace

# The first example of a test may compile a kernel.
settings.register_profile("overtrace", deadline=None)
settings.load_profile("overtrace")


def drop_stale_kernels() -> None:
    """Numba keeps a compiled kernel while its own file is unchanged, even if a kernel that it calls has changed."""
    package = Path(overtrace.__file__).parent
    kernels = [path for suffix in ("nbi", "nbc") for path in package.rglob(f"*.{suffix}")]
    newest = max(path.stat().st_mtime for path in package.rglob("*.py"))
    if any(kernel.stat().st_mtime < newest for kernel in kernels):
        for kernel in kernels:
            kernel.unlink()


drop_stale_kernels()
