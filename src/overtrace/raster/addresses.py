"""Addresses of files elsewhere, and what of them nobody should read.

A name, a password or a signature in an address stays in the environment of this process and of those that it starts:
everything that is written or said holds the address without them.
"""

import hashlib
import os
import re
from urllib.parse import urlsplit, urlunsplit

SCHEMES = ("s3", "gs", "az", "https", "http")
"""What is read by ranges of bytes; all else that is no path is left to GDAL."""
KEPT = "OVERTRACE_ADDRESS_"
SECRET = re.compile(
    r"(?i)x-(amz|goog)-.*|(.*[-_])?(sig|signature|token|secret|password|pwd|auth|credentials?|key|policy)|apikey"
    r"|awsaccesskeyid|googleaccessid|key-pair-id"
)
MOST = 1000
"""Addresses that other processes are told; an environment of thousands cannot be handed on."""
MASK = "..."

_known: dict[str, str] = {}


def is_remote(path: str) -> bool:
    """Whether a path is an address in a cloud, or on a server."""
    return path.partition("://")[0] in SCHEMES and "://" in path


def conceal(path: str) -> str:
    """The address without what is secret in it, which ``reveal`` knows; other paths as they are."""
    if not is_remote(path):
        return path
    parts = urlsplit(path)
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(_mask(pair) for pair in parts.query.split("&")) if parts.query else ""
    shown = urlunsplit((parts.scheme, host, parts.path, query, ""))
    if shown != path:
        _known[shown] = path
        if len(_known) <= MOST:
            os.environ[_variable(shown)] = path
    return shown


def reveal(shown: str) -> str:
    """The address that ``conceal`` was given."""
    return _known.get(shown) or os.environ.get(_variable(shown), shown)


def _mask(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}{equals}{MASK}" if SECRET.fullmatch(name) else pair


def _variable(shown: str) -> str:
    return KEPT + hashlib.sha256(shown.encode()).hexdigest()[:24]
