"""The files of scene parsing: an index PNG for each image, in truth and answer."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from overtrace.challenges.submission import Limits, Member, find_members
from overtrace.formats.faults import Fault, refuse


@dataclass(frozen=True, slots=True)
class Pair:
    """An image of the truth, and the answer to it."""

    name: str
    truth: Member
    answer: Member


def pair_files(truth: Path, answer: Path, limits: Limits | None = None, *, lenient: bool = False) -> list[Pair]:
    """The PNGs of truth and answer, by name.

    Args:
        lenient: files without a partner are left out.
    Raises:
        BadAnswer: if one has no partner.
    """
    faults: list[Fault] = []
    true, found = read_names(truth, faults, limits), read_names(answer, faults, limits)
    if not lenient:
        faults += find_name_faults(answer, found, true)
    if faults:
        raise refuse(faults)
    return [Pair(name, true[name], found[name]) for name in sorted(true.keys() & found.keys())]


def find_name_faults(answer: Path, found: Collection[str], wanted: Collection[str]) -> list[Fault]:
    """Images that are not answered, and answers to no image."""
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    return [
        *(Fault(str(answer), f"{name}.png", "it is missing", "answer every image") for name in missing),
        *(Fault(str(answer), f"{name}.png", "no image has the name", "leave it out") for name in extra),
    ]


def read_names(path: Path, faults: list[Fault], limits: Limits | None = None) -> dict[str, Member]:
    """The PNGs of a folder or archive by their names without extension; what is wrong with it goes to the faults."""
    members: dict[str, Member] = {}
    known = len(faults)
    for member in find_members(path, faults, limits):
        stem, suffix = os.path.splitext(member.name.rpartition("/")[2])
        if suffix.lower() != ".png":
            continue
        if stem in members:
            found = f"it has the name of {members[stem].shown}"
            faults.append(Fault(member.shown, "", found, "send one PNG for each image"))
        members.setdefault(stem, member)
    if not members and len(faults) == known:
        faults.append(Fault(str(path), "", "it holds no .png file", "wanted one index PNG for each image"))
    return members
