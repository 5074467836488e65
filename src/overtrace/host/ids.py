"""Names of rows: 26 letters that sort by the time at which they were made, and that nobody can guess.

The layout is that of ULID: 48 bits of milliseconds since 1970, then 80 random bits, in Crockford's base 32.
"""

import secrets
from datetime import datetime

from overtrace.host.table_base import EPOCH

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LETTERS = 26


def new_id(at: datetime) -> str:
    """A name for something that is made at this time."""
    passed = at - EPOCH
    milliseconds = (passed.days * 86_400 + passed.seconds) * 1000 + passed.microseconds // 1000
    number = milliseconds << 80 | secrets.randbits(80)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(5 * (LETTERS - 1), -1, -5))
