"""Browsers in which someone has logged in before: guesses of strangers do not slow them down.

What a browser keeps names no one: a random number, and a keyed digest of it with the address of the account
(OWASP, Slow down online guessing attacks with device cookies).
"""

import hashlib
import hmac
import secrets

from sqlalchemy.orm import Session

from overtrace.host.database import Database, add_if_new
from overtrace.host.secret import new_secret
from overtrace.host.tables import Fact

KEY = "browser key"


def make_browser(database: Database, email: str) -> str:
    """What a browser keeps after someone has logged in."""
    number = secrets.token_hex(16)
    with database.write() as session:
        return f"{number}.{_sign(session, number, email)}"


def find_browser(database: Database, kept: str, email: str) -> str:
    """Which browser it is, if someone has logged in to this account in it; empty if nobody has."""
    number, _, digest = kept.partition(".")
    if not digest:
        return ""
    with database.write() as session:
        is_known = hmac.compare_digest(_sign(session, number, email).encode(), digest.encode())
    return f"browser:{number}" if is_known else ""


def _sign(session: Session, number: str, email: str) -> str:
    fact = session.get(Fact, KEY)
    if fact is None:
        add_if_new(session, Fact(name=KEY, value={"key": new_secret()}))
        fact = session.get_one(Fact, KEY)
    said = f"{number}:{email.strip().lower()}".encode()
    return hmac.new(str(fact.value["key"]).encode(), said, hashlib.sha256).hexdigest()
