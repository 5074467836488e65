"""Receipts: signed by the host, checked by anyone, changed by nobody."""

import json
import subprocess
import sys
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from overtrace.errors import BadData
from overtrace.host.receipts import KEY, canonical, find_key, make_receipt, show_public_key, verify
from overtrace.host.tables import Fact
from tests.support.people import SITE, add_person, add_team
from tests.support.races import race
from tests.support.submissions import add_submission


@pytest.fixture
def receipt(database):
    ada = add_person(database, "Ada")
    submission = add_submission(database, add_team(database, "Forest", ada), ada)
    with database.write() as session:
        return make_receipt(session, SITE.contest, submission)


@pytest.fixture
def public_key(database):
    with database.write() as session:
        return show_public_key(find_key(session))


def test_a_receipt_says_what_came_and_when(receipt, public_key):
    checked = verify(json.dumps(receipt), public_key)
    assert {key: checked[key] for key in ("contest", "phase", "number", "sha256", "size", "begun", "accepted")} == {
        "contest": "trees",
        "phase": "final",
        "number": 1,
        "sha256": "5" * 64,
        "size": 12,
        "begun": "2026-03-01T12:00:00.000000Z",
        "accepted": "2026-03-01T12:00:02.000005Z",
    }


def test_a_receipt_that_was_changed_anywhere_is_refused(receipt, public_key):
    for key, value in receipt.items():
        changed = {**receipt, key: value + 1 if isinstance(value, int) else f"{value[:-1]}{chr(ord(value[-1]) ^ 1)}"}
        with pytest.raises(BadData):
            verify(json.dumps(changed), public_key)
    for changed in ({**receipt, "place": 1}, {key: receipt[key] for key in receipt if key != "team"}):
        with pytest.raises(BadData, match="not signed by this host"):
            verify(json.dumps(changed), public_key)


def test_a_receipt_of_another_host_is_refused(receipt):
    with pytest.raises(BadData, match="not signed by this host"):
        verify(json.dumps(receipt), show_public_key(Ed25519PrivateKey.generate()))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{}", '{"kind": NaN}', '{"kind": 1.5}', "[" * 100_000, "null", '{"kind":{}}']
)
def test_what_is_no_receipt_is_refused(public_key, text):
    with pytest.raises(BadData):
        verify(text, public_key)


def test_a_receipt_says_nothing_twice(receipt, public_key):
    text = json.dumps(receipt)
    verify(text, public_key)
    with pytest.raises(BadData, match="twice"):
        verify(text.replace('"size": 12', '"size": 99, "size": 12'), public_key)


@pytest.mark.parametrize("key", ["", "x", "AAAA", "not base 64!"])
def test_what_is_no_public_key_is_refused(receipt, key):
    with pytest.raises(BadData, match="no public key"):
        verify(json.dumps(receipt), key)


def test_json_is_signed_in_one_way():
    assert canonical({"b": "é", "a": 1}) == b'{"a":1,"b":"\\u00e9"}'


def test_the_key_is_made_once_by_eight_at_once(database):
    def find() -> str:
        with database.write() as session:
            return show_public_key(find_key(session))

    assert len(set(race(*[partial(find)] * 8))) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Fact).where(Fact.name == KEY)) == 1


def test_a_receipt_is_checked_without_our_code(receipt, public_key):
    """As the docs may show it: ten lines with one library."""
    check = """
import base64, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
receipt = json.loads(sys.argv[1])
signature = base64.b64decode(receipt.pop("signature"))
signed = json.dumps(receipt, sort_keys=True, separators=(",", ":")).encode()
Ed25519PublicKey.from_public_bytes(base64.b64decode(sys.argv[2])).verify(signature, signed)
"""
    subprocess.run([sys.executable, "-c", check, json.dumps(receipt), public_key], check=True)
