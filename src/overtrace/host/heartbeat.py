"""A worker tells again and again that it lives, while it works."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from overtrace.errors import OvertraceError

LOG = logging.getLogger("overtrace.worker")


@contextmanager
def keep_beating(beat: Callable[[], bool], every_s: Callable[[], float]) -> Iterator[threading.Event]:
    """Tell it until the end of the block; the event is set when what is worked on is lost to another worker.

    Args:
        beat: tells it once; False if it is lost. One that fails is tried again.
        every_s: how long until the next one.
    """
    lost, done = threading.Event(), threading.Event()

    def keep() -> None:
        while not done.wait(every_s()):
            try:
                if not beat():
                    lost.set()
                    return
            except OvertraceError as error:
                LOG.warning("%s", error)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()
