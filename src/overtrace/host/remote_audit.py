"""Whether the log of a host elsewhere is as it was written: all of it for organisers, what one holds for everyone."""

import json
from collections.abc import Iterator, Mapping

from overtrace.host.audit import Audit, Line, audit
from overtrace.host.client import API
from overtrace.host.connection import Connection
from overtrace.host.events import Head
from overtrace.host.receipts import HEAD_KIND, check_signed, read_held


def audit_server(connection: Connection, held: Mapping[str, Head], *, whole: bool) -> Audit:
    """Look at the log of a host.

    Args:
        held: by where they come from, lines that others hold the digests of.
        whole: whether all lines are asked for, which takes the token of an organiser; the host's own word else.
    Raises:
        BadData: if the host has not signed its head.
        NotAllowed: if the token is none of an organiser.
    """
    said = connection.ask("GET", f"{API}/log/head")
    check_signed(json.dumps(said), connection.ask("GET", f"{API}/key")["ed25519"], HEAD_KIND)
    head = read_held(json.dumps(said))
    if whole:
        # Lines that came meanwhile are passed over.
        return audit((line for line in _fetch_lines(connection) if line["id"] <= head.number), head, held)
    found = Audit(head)
    for source, one in held.items():
        query = f"line={one.number}&sha256={one.digest}"
        if one.number and not connection.ask("GET", f"{API}/log/holds?{query}")["holds"]:
            found.find(f"line {one.number:,} is not the one that {source} names")
    return found


def _fetch_lines(connection: Connection) -> Iterator[Line]:
    after = 0
    while lines := connection.ask("GET", f"{API}/log?after={after}")["lines"]:
        yield from lines
        after = lines[-1]["id"]
