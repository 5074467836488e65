"""Start and leave without what Python and its libraries do for others: a small set is scored in milliseconds, and
whoever scores many should not wait a second for each.
"""

import os
import sys
from typing import NoReturn

WITHOUT_KERNELS = ("trees",)


def load_kernels(protocol: str) -> None:
    """Load numba as far as kernels need it, if the protocol has any.

    Numba looks for scipy's linear algebra, which takes a tenth of a second to load and which no kernel here uses.
    """
    name = "scipy.linalg.cython_blas"
    if protocol in WITHOUT_KERNELS or name in sys.modules:
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[name]


def leave() -> NoReturn:
    """End the process, with nothing left to write: taking apart all that was loaded takes a fifth of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
