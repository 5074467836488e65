"""Certificates: what a host signs of someone's part in a contest, in one HTML file that is checked without the host.

The file carries what it says as signed JSON, and in it the SHA-256 of the rest of the file: one letter changed
anywhere, and the check fails. A code on the page says and signs the same without the page, for those on paper.
"""

import hashlib
import json
import re
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overtrace.errors import BadData
from overtrace.host.announcement import Announcement, Entry, Named, show_award
from overtrace.host.receipts import Receipt, canonical, check_signed, sign
from overtrace.host.site import Site

KIND = "overtrace certificate 1"
SIGNED = re.compile(r'<script type="application/json" id="signed">\n(.*?)\n</script>', re.DOTALL)
"""Where the JSON stands in a file."""
MOST_BYTES = 2**20


def list_certificates(site: Site, found: Announcement) -> Iterator[tuple[str, Receipt]]:
    """All that are given, by id of a person: to each who is not erased of each team that delivered what was asked, or
    has an award."""
    for entry in found.entries:
        for position, member in enumerate(entry.members, start=1):
            if member.person:
                yield member.person, _describe(site, found, entry, position, member)


def _describe(site: Site, found: Announcement, entry: Entry, position: int, member: Named) -> Receipt:
    awards = [*entry.awards, *(show_award(one) for one in found.honours if one.team == entry.team)]
    facts: Receipt = {
        "kind": KIND,
        "contest": site.contest.name,
        "title": site.contest.title,
        "host": site.address,
        "organisers": ", ".join(organiser.name for organiser in site.contest.organisers),
        "name": member.name,
        "affiliation": member.affiliation,
        "team": entry.name,
        "position": position,
        "members": len(entry.members),
        "delivered": int(entry.delivered),
        "awards": "; ".join(awards),
        "announced": f"{found.corrected_at or found.published_at:%Y-%m-%d}",
    }
    if entry.rank is None:
        return facts
    return facts | {
        "rank": entry.rank,
        "ranked": len(found.ranked),
        "board": f"{found.phase_title}: {found.board_title}",
        "score": repr(entry.score),
        "submission": entry.submission,
        "scorer": entry.scorer,
        "truth": entry.truth,
        **({"verdict": entry.verdict} if entry.verdict else {}),
    }


def write_code(key: Ed25519PrivateKey, facts: Receipt) -> str:
    """What is on paper: signed JSON in ASCII."""
    return canonical(sign(key, facts)).decode()


def seal(key: Ed25519PrivateKey, page: str, mark: str, facts: Receipt) -> str:
    """The file: a page with the signed JSON in the place of a mark.

    Raises:
        ValueError: if the mark does not stand in it once, or something in it looks like the JSON.
    """
    if page.count(mark) != 1 or SIGNED.search(page):
        raise ValueError("the page is not one to be sealed")
    text = _write(sign(key, {**facts, "page": _digest(page.replace(mark, ""))}))
    return page.replace(mark, f'<script type="application/json" id="signed">\n{text}\n</script>')


def verify_certificate(text: str, public_key: str) -> Receipt:
    """What a certificate says, if this host has signed all of it.

    Args:
        text: the file, or the code of one on paper.
        public_key: as the host shows it, or its 64 hexadecimal digits.
    Raises:
        BadData: if it is no certificate, or not as this host has signed it.
    """
    if not text.lstrip().startswith("<"):
        facts = check_signed(text, public_key, KIND)
        if "page" in facts:
            raise BadData("this is only a part of a certificate: give the whole file, or the code of its page")
        return facts
    text = text.replace("\r\n", "\n")
    found = SIGNED.findall(text)
    if len(found) != 1:
        raise BadData("this is no certificate: give the file as it was downloaded, not as a browser saved it anew")
    facts = check_signed(found[0], public_key, KIND)
    same = _write(json.loads(found[0])) == found[0]
    if facts.pop("page", "") != _digest(SIGNED.sub("", text)) or not same:
        raise BadData("the page was changed since the host signed it: do not trust it")
    return facts


def say(facts: Receipt) -> str:
    """What a certificate says, in one sentence."""
    parts = [f"{facts['name']}{', ' + str(facts['affiliation']) if facts['affiliation'] else ''}"]
    parts.append(f"member {facts['position']} of {facts['members']} of the team {facts['team']}")
    if "rank" in facts:
        parts.append(f"rank {facts['rank']} of {facts['ranked']} by {facts['board']} with {facts['score']}")
    if "verdict" in facts:
        parts.append(f"container {facts['verdict']}")
    if facts["awards"]:
        parts.append(str(facts["awards"]))
    if facts["delivered"]:
        parts.append("delivered what was asked")
    return f"{'; '.join(parts)}: {facts['title']}, announced {facts['announced']}"


def _write(signed: Receipt) -> str:
    # No name ends the element that it stands in.
    return canonical(signed).decode().replace("<", "\\u003c")


def _digest(page: str) -> str:
    return hashlib.sha256(page.strip().encode()).hexdigest()
