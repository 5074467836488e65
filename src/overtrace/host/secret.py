"""What is given away once, and kept as its SHA-256 alone: cookies, codes, tokens."""

import hashlib
import secrets


def new_secret() -> str:
    """256 bits of chance, in 43 letters that an address can carry."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: with so much chance in it, a fast hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
