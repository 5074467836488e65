"""Certificates as files: drawn on a page, with a code that a phone reads, sealed, and all of them in an archive."""

import functools
import io
import re
import zipfile
from pathlib import Path

import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from overtrace.host.announcement import Announcement
from overtrace.host.certificates import list_certificates, seal, write_code
from overtrace.host.receipts import Receipt, show_public_key
from overtrace.host.secret import new_secret
from overtrace.host.site import Site

MOST_CODE_BYTES = 2000
"""Beyond that, a code is too fine to be read from paper."""
PAGES = Path(__file__).parent / "web" / "pages"


def draw_certificate(key: Ed25519PrivateKey, facts: Receipt) -> str:
    """The file of a certificate."""
    code = write_code(key, facts)
    drawn = Markup(_draw_code(code)) if len(code) <= MOST_CODE_BYTES else ""
    # Nothing that people write of themselves can hold it.
    mark = new_secret()
    shown = {"facts": facts, "code": drawn, "key": show_public_key(key), "mark": mark}
    return seal(key, _environment().get_template("certificate.html").render(shown), mark, facts)


def draw_all(key: Ed25519PrivateKey, site: Site, found: Announcement) -> bytes:
    """All of them as a zip archive, which is the same whenever it is made."""
    archive = io.BytesIO()
    time = (found.corrected_at or found.published_at).timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number, (_, facts) in enumerate(list_certificates(site, found), start=1):
            name = re.sub(r"[^\w-]+", "-", f"{number:03}-{facts['team']}-{facts['name']}").strip("-")
            file.writestr(zipfile.ZipInfo(f"certificates/{name}.html", time), draw_certificate(key, facts))
    return archive.getvalue()


def _draw_code(text: str) -> str:
    drawn = segno.make(text, error="l", micro=False)
    return drawn.svg_inline(border=4, omitsize=True, title="The same, signed, for a check of the printed page")


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
