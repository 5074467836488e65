"""JSON read where it lies, byte by byte, without making objects of it.

A text ends with a zero byte, which JSON has nowhere, so no loop runs past its end. Each function takes the place where
it begins and answers the place after what it read; BAD stands for text that it does not understand, which is then left
to a slower reader.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Text = NDArray[np.uint8]

BAD = -1
QUOTE, BACKSLASH, COMMA, COLON, MINUS, PLUS, POINT = 34, 92, 44, 58, 45, 43, 46
ZERO, NINE, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT = 48, 57, 91, 93, 123, 125
SMALL_E, LARGE_E, SMALL_U = 101, 69, 117
DEEPEST = 60
"""Lists and objects within each other that are followed here."""
MOST_DIGITS = 18
"""What fits into 64 bits with room to spare."""
MOST_POWER = 22
"""Powers of ten up to this one are exact in double precision."""
WORDS = tuple(np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"))
"""Values that are neither text, nor numbers, nor brackets; Python reads the last three, so they are let pass."""
POWERS = 10.0 ** np.arange(MOST_POWER + 1)
SPLITTER = 134217729.0
"""2**27 + 1 cuts a double into two halves whose products are exact (Dekker 1971, doi:10.1007/BF01397083)."""


ONE = np.uint64(1)
"""Loops count without sign: an index that may be negative is tested at every byte, which takes longer than the rest."""


@njit(cache=True, nogil=True)
def signed(number: Any) -> int:
    """A number that may be counted down from."""
    return np.int64(number)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def skip_space(text: Text, at: int) -> int:
    """Past blanks, tabs and ends of lines."""
    p = np.uint64(at)
    while text[p] == 32 or text[p] == 10 or text[p] == 13 or text[p] == 9:
        p += ONE
    return signed(p)


@njit(cache=True, nogil=True)
def skip_string(text: Text, at: int) -> int:
    """Past a string; ``at`` is its opening quote."""
    p = np.uint64(at)
    if text[p] != QUOTE:
        return BAD
    p += ONE
    while True:
        here = text[p]
        if here == QUOTE:
            return signed(p + ONE)
        if here == BACKSLASH:
            p += ONE
            here = text[p]
        if here < 32:
            return BAD
        p += ONE


@njit(cache=True, nogil=True)
def skip_value(text: Text, at: int) -> int:
    """Past a value of any kind. Only strings and brackets are looked at: who reads it finds what else is wrong."""
    p = np.uint64(at)
    depth = 0
    while True:
        here = text[p]
        if here == QUOTE:
            after = skip_string(text, signed(p))
            if after == BAD or depth == 0:
                return after
            p = np.uint64(after)
            continue
        if here in (OPEN_LIST, OPEN_OBJECT):
            depth += 1
        elif here in (CLOSE_LIST, CLOSE_OBJECT):
            depth -= 1
            if depth < 1:
                return signed(p + ONE) if depth == 0 else signed(p)
        elif here == COMMA and depth == 0:
            return signed(p)
        elif here == 0:
            return BAD
        p += ONE


@njit(cache=True, nogil=True)
def check_string(text: Text, at: int) -> int:
    """Past a string whose every byte is in order: escapes that JSON has, and UTF-8; ``at`` is its opening quote."""
    p = np.uint64(at)
    if text[p] != QUOTE:
        return BAD
    p += ONE
    while text[p] != QUOTE:
        here = text[p]
        p += ONE
        if here < 32:
            return BAD
        if here == BACKSLASH:
            letter = text[p]
            p += ONE
            if letter == SMALL_U:
                for _ in range(4):
                    if not (ZERO <= text[p] <= NINE or 65 <= text[p] <= 70 or 97 <= text[p] <= 102):
                        return BAD
                    p += ONE
            elif letter not in (QUOTE, BACKSLASH, 47, 98, 102, 110, 114, 116):
                return BAD
        elif here >= 128:
            # RFC 3629: how many bytes follow, and which the first of them may be.
            if here < 0xC2 or here > 0xF4:
                return BAD
            low = 0xA0 if here == 0xE0 else 0x90 if here == 0xF0 else 0x80
            high = 0x9F if here == 0xED else 0x8F if here == 0xF4 else 0xBF
            for _ in range(1 + (here >= 0xE0) + (here >= 0xF0)):
                if text[p] < low or text[p] > high:
                    return BAD
                low, high = 0x80, 0xBF
                p += ONE
    return signed(p + ONE)


@njit(cache=True, nogil=True)
def check_value(text: Text, at: int) -> int:
    """Past a value that is JSON to its last byte; BAD if it is none, or nested deeper than DEEPEST."""
    depth, kinds = 0, 0
    while True:
        if text[at] == OPEN_LIST or text[at] == OPEN_OBJECT:
            named = text[at] == OPEN_OBJECT
            at = skip_space(text, at + 1)
            if text[at] != (CLOSE_OBJECT if named else CLOSE_LIST):
                if depth == DEEPEST:
                    return BAD
                # One bit for each bracket that is open: whether it is an object.
                depth, kinds = depth + 1, 2 * kinds + named
                at = _check_name(text, at) if named else at
                if at == BAD:
                    return BAD
                continue
            at += 1
        else:
            at = _check_plain(text, at)
            if at == BAD:
                return BAD
        while True:
            if depth == 0:
                return at
            at = skip_space(text, at)
            if text[at] == COMMA:
                at = skip_space(text, at + 1)
                at = _check_name(text, at) if kinds & 1 else at
                if at == BAD:
                    return BAD
                break
            if text[at] != (CLOSE_OBJECT if kinds & 1 else CLOSE_LIST):
                return BAD
            at += 1
            depth, kinds = depth - 1, kinds >> 1


@njit(cache=True, nogil=True)
def _check_name(text: Text, at: int) -> int:
    """Past a name and its colon."""
    at = check_string(text, at)
    if at == BAD:
        return BAD
    at = skip_space(text, at)
    return skip_space(text, at + 1) if text[at] == COLON else BAD


@njit(cache=True, nogil=True)
def _check_plain(text: Text, at: int) -> int:
    """Past text, a word or a number."""
    if text[at] == QUOTE:
        return check_string(text, at)
    for word in WORDS:
        if same(text, at, len(word), word):
            return at + len(word)
    _, at, _ = read_number(text, at)
    return at


@njit(cache=True, nogil=True)
def same(text: Text, at: int, length: int, name: Text) -> bool:
    """Whether these bytes are a name."""
    if length != len(name):
        return False
    p = np.uint64(at)
    for letter in name:
        if text[p] != letter:
            return False
        p += ONE
    return True


@njit(cache=True, nogil=True)
def read_integer(text: Text, at: int) -> tuple[int, int]:
    """An integer, and the place after it."""
    p = np.uint64(at)
    negative = text[p] == MINUS
    if negative:
        p += ONE
    value, digits, begin = 0, 0, p
    while ZERO <= text[p] <= NINE:
        value = value * 10 + (signed(text[p]) - ZERO)
        digits += 1
        p += ONE
    if digits == 0 or digits > MOST_DIGITS or (digits > 1 and text[begin] == ZERO):
        return 0, BAD
    if text[p] == POINT or text[p] == SMALL_E or text[p] == LARGE_E:
        return 0, BAD
    return -value if negative else value, signed(p)


@njit(cache=True, nogil=True)
def read_number(text: Text, at: int) -> tuple[float, int, bool]:
    """A number in double precision, the place after it, and whether it is certainly rounded as it should be."""
    p = np.uint64(at)
    negative = text[p] == MINUS
    if negative:
        p += ONE
    digits, taken, power = 0, 0, 0
    begin = p
    while ZERO <= text[p] <= NINE:
        if taken < MOST_DIGITS:
            digits = digits * 10 + (signed(text[p]) - ZERO)
            taken += digits > 0
        else:
            power += 1
        p += ONE
    exact = power == 0
    if p == begin or (text[begin] == ZERO and p > begin + ONE):
        return 0.0, BAD, False
    if text[p] == POINT:
        p += ONE
        begin = p
        while ZERO <= text[p] <= NINE:
            if taken < MOST_DIGITS:
                digits = digits * 10 + (signed(text[p]) - ZERO)
                taken += digits > 0
                power -= 1
            else:
                exact = exact and text[p] == ZERO
            p += ONE
        if p == begin:
            return 0.0, BAD, False
    if text[p] == SMALL_E or text[p] == LARGE_E:
        p += ONE
        down = text[p] == MINUS
        if down or text[p] == PLUS:
            p += ONE
        shift, begin = 0, p
        while ZERO <= text[p] <= NINE:
            shift = shift * 10 + (signed(text[p]) - ZERO) if shift < 100_000 else shift
            p += ONE
        if p == begin:
            return 0.0, BAD, False
        power += -shift if down else shift
    value, rounded = _scale(digits, power)
    return -value if negative else value, signed(p), rounded and exact


@njit(cache=True, nogil=True)
def _scale(digits: int, power: int) -> tuple[float, bool]:
    """digits x 10**power, and whether it is certainly the nearest double."""
    if digits == 0:
        return 0.0, True
    if digits < 2**53 and -MOST_POWER <= power <= MOST_POWER:
        return (digits / POWERS[-power] if power < 0 else digits * POWERS[power]), True
    if power > 0:
        return digits * 10.0**power, False
    if power < -MOST_POWER:
        # In two steps: the power by itself may be too small where the number is not.
        return digits * 10.0 ** (power + MOST_POWER) / POWERS[MOST_POWER], False
    # The quotient and what is left of it, each exact; near the middle between two doubles it is not certain.
    high = float(digits)
    low = float(digits - int(high))
    divisor = POWERS[-power]
    quotient = high / divisor
    product, error = _multiply(quotient, divisor)
    rest = (((high - product) - error) + low) / divisor
    doubt = abs(rest) * 2.0**-48 + abs(quotient) * 2.0**-100
    below, above = quotient + (rest - doubt), quotient + (rest + doubt)
    return quotient + rest, below == above


@njit(cache=True, nogil=True)
def _multiply(one: float, other: float) -> tuple[float, float]:
    """A product and its rounding error."""
    product = one * other
    cut = SPLITTER * one
    one_high = cut - (cut - one)
    one_low = one - one_high
    cut = SPLITTER * other
    other_high = cut - (cut - other)
    other_low = other - other_high
    error = ((one_high * other_high - product) + one_high * other_low + one_low * other_high) + one_low * other_low
    return product, error
