"""Receipts: what a host says, and signs, that it was given; whoever has one can show it in a dispute.

The signature is Ed25519 (RFC 8032) over the receipt without it, written as JSON in one way: keys in order, no blanks,
letters beyond ASCII as escapes. A receipt names the line of the log in which the submission was accepted, by number
and digest: who holds it can show whether lines up to there were changed since (``audit``). One that is made when the
submission has results names their scoring, too; it stays valid when boards show another one.
"""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from overtrace.errors import BadData
from overtrace.host.contest import Contest
from overtrace.host.database import add_if_new
from overtrace.host.events import Head, find_head
from overtrace.host.tables import Event, Fact, Score, Scoring, Submission

KIND = "overtrace receipt 1"
HEAD_KIND = "overtrace head 1"
KEY = "receipt key"
Receipt = dict[str, str | int]


def find_key(session: Session) -> Ed25519PrivateKey:
    """The key of this host: made when it is first asked for, and kept."""
    fact = session.get(Fact, KEY)
    if fact is None:
        made = base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()
        add_if_new(session, Fact(name=KEY, value={"private": made}))
        fact = session.get_one(Fact, KEY)
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(fact.value["private"]))


def show_public_key(key: Ed25519PrivateKey) -> str:
    """What receipts are checked with: 32 bytes in base 64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def make_receipt(session: Session, contest: Contest, submission: Submission) -> Receipt:
    """The receipt of a submission."""
    receipt: Receipt = {
        "kind": KIND,
        "contest": contest.name,
        "phase": submission.phase,
        "team": submission.team_id,
        "submission": submission.id,
        "number": submission.number,
        "sha256": submission.sha256,
        "size": submission.size,
        "begun": _show(submission.received_at),
        "accepted": _show(submission.accepted_at),
        **_find_line(session, submission),
        **_find_scoring(session, submission),
    }
    return sign(find_key(session), receipt)


def _find_line(session: Session, submission: Submission) -> Receipt:
    accepted = select(Event).where(
        Event.subject == f"submission:{submission.id}", Event.action == "submission.accepted"
    )
    line = session.scalar(accepted)
    return {} if line is None else {"log": line.id, "log_sha256": line.digest}


def _find_scoring(session: Session, submission: Submission) -> Receipt:
    """By which truth and scorer its results on the boards are, as long as they show that scoring."""
    shown = select(Score.submission_id).where(Score.submission_id == submission.id).limit(1)
    current = select(Scoring).where(Scoring.phase == submission.phase, Scoring.current, shown.exists())
    scoring = session.scalar(current)
    if scoring is None:
        return {}
    return {"scoring": scoring.number, "scorer": scoring.scorer, "truth": scoring.truth}


def make_head(session: Session, contest: Contest, at: datetime) -> Receipt:
    """The last line of the log, signed: who saves it can show later whether a line up to there was changed."""
    head = find_head(session)
    said: Receipt = {"kind": HEAD_KIND, "contest": contest.name, "at": _show(at)}
    return sign(find_key(session), {**said, "log": head.number, "log_sha256": head.digest})


def read_held(text: str) -> Head:
    """The line of the log that a receipt or a head names, without a look at its signature.

    Raises:
        BadData: if it is neither, or names none.
    """
    receipt = _read(text, HEAD_KIND if f'"{HEAD_KIND}"' in text else KIND, "receipt")
    number, digest = receipt.get("log"), receipt.get("log_sha256")
    if not isinstance(number, int) or not isinstance(digest, str):
        raise BadData("it names no line of the log: receipts do since the log is chained, get it once more")
    return Head(number, digest)


def canonical(receipt: Mapping[str, Any]) -> bytes:
    """A receipt in the one way in which it is signed."""
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def verify(text: str, public_key: str) -> Receipt:
    """Check a receipt, without a network or a database.

    Args:
        text: JSON.
        public_key: as the host shows it.
    Raises:
        BadData: if it is no receipt, or not one that this host has signed.
    """
    return check_signed(text, public_key, KIND)


def sign(key: Ed25519PrivateKey, facts: Receipt) -> Receipt:
    """Facts with a signature of all of them."""
    return {**facts, "signature": base64.b64encode(key.sign(canonical(facts))).decode()}


def check_signed(text: str, public_key: str, kind: str) -> Receipt:
    """What a host has signed, without the signature.

    Args:
        text: JSON.
        public_key: as the host shows it, or its 64 hexadecimal digits.
        kind: such as ``overtrace receipt 1``.
    Raises:
        BadData: if it is nothing of the kind, or this host has not signed it so.
    """
    what = kind.split()[1]
    facts = _read(text, kind, what)
    signature = facts.pop("signature", "")
    key = _read_public_key(public_key)
    try:
        raw = base64.b64decode(str(signature), validate=True)
        # The last letter before the padding has bits that say nothing.
        if base64.b64encode(raw).decode() != signature:
            raise ValueError
        key.verify(raw, canonical(facts))
    except (InvalidSignature, ValueError) as error:
        raise BadData(f"the {what} was not signed by this host, or was changed since: do not trust it") from error
    return facts


def _read_public_key(text: str) -> Ed25519PublicKey:
    try:
        raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise BadData(f"{text[:80]!r} is no public key: copy it from the host once more") from error


def _read(text: str, kind: str, what: str) -> Receipt:
    try:
        facts = json.loads(text, object_pairs_hook=_read_object)
    except (ValueError, RecursionError) as error:
        raise BadData(f"the {what} is not JSON as it was given ({error}): download it again") from error
    if not isinstance(facts, dict) or facts.get("kind") != kind:
        raise BadData(f"this is no {what}: wanted JSON of kind {kind!r}")
    return facts


def _read_object(pairs: list[tuple[str, Any]]) -> Receipt:
    # Of a key that stands there twice a reader sees one value, and the check may see the other.
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands there twice")
    if not all(type(value) in (str, int) for _, value in pairs):
        raise ValueError("a value is neither text nor a whole number")
    return dict(pairs)


def _show(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
