"""Passwords, kept as Argon2 writes them.

Hashing takes memory and time on purpose: it is done outside transactions, and few times at once.
"""

import functools
import threading
import unicodedata
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from overtrace.errors import BadOption

Hashed = NewType("Hashed", str)
"""A password as Argon2 writes it, with its parameters."""
LEAST_LETTERS = 10
MOST_LETTERS = 200

HASHER = PasswordHasher()
# Each takes 64 MiB: many log-ins at once shall wait rather than fill the memory.
TURNS = threading.BoundedSemaphore(4)


def hash_password(password: str, *known: str) -> Hashed:
    """What is kept of a password.

    Args:
        known: what it must not be, such as the e-mail address.
    Raises:
        BadOption: if it is too short, too long, or easy to guess.
    """
    if not LEAST_LETTERS <= len(password) <= MOST_LETTERS:
        raise BadOption(f"the password has {len(password)} letters: wanted {LEAST_LETTERS} to {MOST_LETTERS}")
    if len(set(password)) < 4 or password.lower() in {text.lower() for text in known}:
        raise BadOption("the password is easy to guess: choose another one")
    with TURNS:
        return Hashed(HASHER.hash(_normalize(password)))


def is_right(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed; takes as long where there is none (empty)."""
    nobodys = _nobodys()
    with TURNS:
        try:
            HASHER.verify(hashed or nobodys, _normalize(password[: MOST_LETTERS + 1]))
        except (VerificationError, InvalidHashError):
            return False
    return bool(hashed)


def is_outdated(hashed: str) -> bool:
    """Whether it was hashed with other parameters than are used now."""
    return HASHER.check_needs_rehash(hashed)


def rehash(password: str) -> Hashed:
    """A password that was found right, with the parameters that are used now."""
    with TURNS:
        return Hashed(HASHER.hash(_normalize(password)))


def _normalize(password: str) -> bytes:
    # Keyboards differ in how they compose a letter (NIST SP 800-63B, 5.1.1.2).
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@functools.cache
def _nobodys() -> str:
    return HASHER.hash("nobody has this password")
