"""Names and e-mail addresses: one line that shows what it is."""

import re
import unicodedata

from overtrace.errors import BadOption

MOST_LETTERS = 100
MOST_FOLDED = 200
# Letters and marks that draw nothing (Unicode, DerivedCoreProperties.txt, Default_Ignorable_Code_Point), and U+2800.
UNSEEN = frozenset(
    chr(point)
    for span in (
        (0x034F, 0x0350),
        (0x115F, 0x1161),
        (0x17B4, 0x17B6),
        (0x180B, 0x1810),
        (0x2800, 0x2801),
        (0x3164, 0x3165),
        (0xFE00, 0xFE10),
        (0xFFA0, 0xFFA1),
        (0xE0100, 0xE01F0),
    )
    for point in range(*span)
)
EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
"""What the HTML standard takes as an address, in small letters and with a dot in its domain."""


def clean_name(name: str, what: str) -> str:
    """A name in NFKC with single blanks.

    Raises:
        BadOption: if it is empty, too long, or holds what does not show, such as control characters.
    """
    cleaned = clean_line(name, what, MOST_LETTERS)
    if not any(letter.isalnum() for letter in cleaned):
        raise BadOption(f"{what} is {cleaned!r}: wanted at least one letter or digit")
    if len(fold(cleaned)) > MOST_FOLDED:
        raise BadOption(f"{what} is too long: wanted at most {MOST_LETTERS} letters")
    return cleaned


def clean_line(text: str, what: str, most: int) -> str:
    """One line, which may be empty, in NFKC with single blanks.

    Raises:
        BadOption: if it is too long or holds what does not show.
    """
    stripped = text.strip()
    hidden = next((letter for letter in stripped if _is_hidden(letter)), None)
    if hidden is not None:
        raise BadOption(f"{what} holds the character U+{ord(hidden):04X}, which does not show: type it without")
    cleaned = " ".join(unicodedata.normalize("NFKC", stripped).split())
    if len(cleaned) > most:
        raise BadOption(f"{what} has {len(cleaned)} letters: wanted at most {most}")
    return cleaned


def _is_hidden(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] == "C" or category in ("Zl", "Zp") or letter in UNSEEN


def fold(name: str) -> str:
    """A name as it is compared: two that differ by case or blanks alone fold to one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(folded.split())


def clean_email(email: str) -> str:
    """An address in small letters.

    Raises:
        BadOption: if it is none.
    """
    cleaned = email.strip().lower()
    if len(cleaned) > 254 or not EMAIL.fullmatch(cleaned):
        raise BadOption(f"{email[:80]!r} is no e-mail address: wanted one such as name@example.org")
    return cleaned
