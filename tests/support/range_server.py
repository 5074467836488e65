"""A server of files that gives ranges of bytes, counts them, and fails as it is told."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Ranges:
    """What was asked for, and what goes wrong."""

    folder: Path
    address: str = ""
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, first byte and bytes of each range that was given whole."""
    failures: list[int | str] = field(default_factory=list)
    """For the next requests in turn: a status, or ``short`` for an answer that breaks off."""
    always: int | str | None = None
    """What every request meets from now on."""
    after: int = 0
    """Requests that are answered before that."""
    password: str = ""
    """What the query must hold."""

    @property
    def fetched(self) -> int:
        """Bytes of all ranges."""
        return sum(size for _, _, size in self.asked)


@contextmanager
def serve_ranges(folder: Path) -> Iterator[Ranges]:
    """Serve the files of a folder."""
    ranges = Ranges(folder)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            name, _, query = self.path.lstrip("/").partition("?")
            with lock:
                trouble = ranges.failures.pop(0) if ranges.failures else None
                if ranges.always is not None and ranges.after <= 0:
                    trouble = ranges.always
                ranges.after -= 1
            if ranges.password not in query:
                trouble = 403
            file = ranges.folder / name
            if isinstance(trouble, int) or not file.is_file():
                self._answer(trouble if isinstance(trouble, int) else 404, b"no")
                return
            content = file.read_bytes()
            first, last = map(int, re.findall(r"\d+", self.headers["Range"]))
            part = content[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if trouble == "short":
                self.wfile.write(part[: len(part) // 2])
                self.close_connection = True
                return
            with lock:
                ranges.asked.append((name, first, len(part)))
            self.wfile.write(part)

        def _answer(self, status: int, text: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ranges.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield ranges
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
