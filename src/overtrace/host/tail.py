"""What a stranger's program says, kept in bounds and made harmless: its beginning and its end."""

from collections import deque

MOST_BYTES = 64 * 2**10
"""Of the beginning, and of the end."""


class Tail:
    """Takes whatever comes; keeps two pieces of it."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._head = b""
        self._tail: deque[bytes] = deque()
        self._held = 0
        self._left_out = 0

    def add(self, part: bytes) -> None:
        """Take a piece."""
        room = self._most - len(self._head)
        self._head += part[:room]
        rest = part[room:]
        if rest:
            self._tail.append(rest)
            self._held += len(rest)
        while self._tail and self._held - len(self._tail[0]) >= self._most:
            gone = len(self._tail.popleft())
            self._held -= gone
            self._left_out += gone

    def text(self) -> str:
        """What was kept, without letters that move the cursor or change how others are read."""
        end = b"".join(self._tail)
        spare = max(0, len(end) - self._most)
        left_out = self._left_out + spare
        gap = f"\n[... {left_out:,} bytes left out ...]\n" if left_out else ""
        return defuse(self._head) + gap + defuse(end[spare:])


def defuse(said: bytes) -> str:
    """Text in which only line ends and tabs are left of what is not printable."""
    text = said.decode(errors="replace").replace("\r\n", "\n")
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)
