"""Calls that begin at once, each in a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from overtrace.errors import OvertraceError


def race(*calls: Callable[[], Any]) -> list[Any]:
    """What each call answered, or the error by which it told why not; any other error ends the test."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return call()
        except OvertraceError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
