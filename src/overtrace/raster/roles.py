"""Which band is red, which is green: told by the file, or by the user."""

import re
from collections.abc import Mapping, Sequence

from rasterio.enums import ColorInterp

from overtrace.errors import BadOption

DEFAULT_ORDER = ("red", "green", "blue", "nir")

ROLE_PATTERNS = {
    "nir": re.compile(r"\b(nir|near[ -]?infra[ -]?red)\b", re.IGNORECASE),
    "red": re.compile(r"\bred\b(?![ -]?edge)", re.IGNORECASE),
    "green": re.compile(r"\bgreen\b", re.IGNORECASE),
    "blue": re.compile(r"(?<!coastal )\bblue\b", re.IGNORECASE),
}


def find_roles(colours: Sequence[ColorInterp], descriptions: Sequence[str | None]) -> dict[str, int]:
    """Roles by colour interpretation and band descriptions, else by the usual order of bands.

    Args:
        colours, descriptions: one for each band.
    Returns:
        Role to band number, from 1. Empty for an image of fewer than three bands that tells nothing.
    """
    roles: dict[str, int] = {}
    for number, (colour, description) in enumerate(zip(colours, descriptions, strict=True), start=1):
        role = _role(colour, description)
        if role is not None:
            roles.setdefault(role, number)
    plain = [number for number, colour in enumerate(colours, start=1) if colour is not ColorInterp.alpha]
    if not roles and len(plain) >= 3:
        return dict(zip(DEFAULT_ORDER, plain, strict=False))
    fourth_is_free = len(plain) >= 4 and 4 in plain and 4 not in roles.values() and not descriptions[3]
    if [roles.get(role) for role in DEFAULT_ORDER] == [1, 2, 3, None] and fourth_is_free:
        roles["nir"] = 4
    return roles


def parse_bands(text: str) -> dict[str, int]:
    """Bands as the user gives them: ``red=4,green=3,blue=2``, or ``4,3,2`` for red, green, blue and nir in turn.

    Raises:
        BadOption: for anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if all("=" not in part for part in parts) and len(parts) <= len(DEFAULT_ORDER):
        parts = [f"{role}={part}" for role, part in zip(DEFAULT_ORDER, parts, strict=False)]
    bands: dict[str, int] = {}
    for part in parts:
        role, _, number = (word.strip() for word in part.partition("="))
        if not role or not number.isdecimal() or int(number) < 1 or role in bands:
            raise BadOption(f"--bands {text!r} is not understood: write it like red=4,green=3,blue=2")
        bands[role] = int(number)
    return bands


def merge_roles(roles: Mapping[str, int], chosen: Mapping[str, int], band_count: int) -> dict[str, int]:
    """The roles of the file with those that the user chose put over them.

    Raises:
        BadOption: if the image has no such band.
    """
    for role, number in chosen.items():
        if not 1 <= number <= band_count:
            raise BadOption(f"--bands {role}={number}: the image has bands 1 to {band_count}")
    return {**roles, **chosen}


def _role(colour: ColorInterp, description: str | None) -> str | None:
    if colour.name in DEFAULT_ORDER:
        return str(colour.name)
    if colour is ColorInterp.alpha:
        return None
    return next((role for role, pattern in ROLE_PATTERNS.items() if pattern.search(description or "")), None)
