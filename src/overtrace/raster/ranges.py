"""Ranges of bytes of files elsewhere: each is fetched once while it is kept, however many threads ask for it."""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future

KEEP_BYTES = 256 * 2**20
"""In a process; more than the row of tiles that a row of blocks shares with the next."""

Span = tuple[int, int]
"""First byte, and the one after the last."""
Fetch = Callable[[list[Span]], list[bytes]]


class Ranges:
    """What is known of files, piece by piece; the oldest pieces are forgotten first."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_bytes = keep_bytes
        self._lock = threading.Lock()
        self._starts: dict[str, list[int]] = {}
        self._pieces: OrderedDict[tuple[str, int], tuple[int, Future[bytes]]] = OrderedDict()
        self._bytes = 0

    def read(self, file: str, spans: Sequence[Span], fetch: Fetch) -> list[bytes]:
        """The bytes of each span.

        Args:
            fetch: gets what is not known, all of it at once.
        Raises:
            Exception: what ``fetch`` raises, here or in the thread that was there first; it is then not known.
        """
        with self._lock:
            missing = [gap for span in spans for gap in self._claim(file, span)]
            parts = [self._cover(file, span) for span in spans]
        if missing:
            self._fetch(file, missing, fetch)
        found = [
            b"".join(_cut(start, future.result(), span) for start, future in part)
            for span, part in zip(spans, parts, strict=True)
        ]
        with self._lock:
            self._forget()
        return found

    def forget(self, file: str) -> None:
        """Drop what is known of a file, which may be another one by now; what is under way goes on."""
        with self._lock:
            for start in [start for start in self._starts.get(file, []) if self._pieces[file, start][1].done()]:
                self._drop(file, start)

    def _claim(self, file: str, span: Span) -> list[tuple[Span, "Future[bytes]"]]:
        """The parts of a span that nobody has, or is fetching; this thread must."""
        gaps = []
        at = span[0]
        for start, future in [*self._cover(file, span), (span[1], None)]:
            if at < start:
                gaps.append(((at, start), self._add(file, at, start)))
            if future is not None:
                at = max(at, self._pieces[file, start][0])
        return gaps

    def _add(self, file: str, start: int, stop: int) -> "Future[bytes]":
        future: Future[bytes] = Future()
        starts = self._starts.setdefault(file, [])
        starts.insert(bisect_right(starts, start), start)
        self._pieces[file, start] = stop, future
        self._bytes += stop - start
        return future

    def _cover(self, file: str, span: Span) -> list[tuple[int, "Future[bytes]"]]:
        """The pieces that share bytes with a span, in order."""
        starts = self._starts.get(file, [])
        first = max(bisect_right(starts, span[0]) - 1, 0)
        found = []
        for start in starts[first : bisect_right(starts, span[1] - 1)]:
            stop, future = self._pieces[file, start]
            if stop > span[0]:
                found.append((start, future))
                self._pieces.move_to_end((file, start))
        return found

    def _fetch(self, file: str, missing: list[tuple[Span, "Future[bytes]"]], fetch: Fetch) -> None:
        try:
            came = fetch([span for span, _ in missing])
        except BaseException as error:
            with self._lock:
                for (start, _), _ in missing:
                    self._drop(file, start)
            for _, future in missing:
                future.set_exception(error)
            raise
        for (_, future), part in zip(missing, came, strict=True):
            future.set_result(part)

    def _drop(self, file: str, start: int) -> None:
        self._bytes -= self._pieces.pop((file, start))[0] - start
        self._starts[file].remove(start)

    def _forget(self) -> None:
        while self._bytes > self._keep_bytes:
            done = next((key for key, (_, future) in self._pieces.items() if future.done()), None)
            if done is None:
                return
            self._drop(*done)


def _cut(start: int, piece: bytes, span: Span) -> bytes:
    return piece[max(span[0] - start, 0) : max(span[1] - start, 0)]
