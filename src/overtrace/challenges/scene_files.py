"""The files of scene parsing: an index PNG for each image, in truth and answer."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from overtrace.challenges.submission import Limits, Member, find_members
from overtrace.formats.faults import Fault, refuse
from overtrace.formats.id_lists import read_ids


@dataclass(frozen=True, slots=True)
class Pair:
    """An image of the truth, and the answer to it."""

    name: str
    truth: Member
    answer: Member


def pair_files(
    truth: Path,
    answer: Path,
    limits: Limits | None = None,
    *,
    lenient: bool = False,
    listed: Path | None = None,
) -> list[Pair]:
    """The PNGs of truth and answer, by name.

    Args:
        lenient: files without a partner are left out.
        listed: a list of the images of the truth that are asked for; all unless told.
    Raises:
        BadAnswer: if one has no partner.
    """
    faults: list[Fault] = []
    true, found = keep_listed(read_names(truth, faults, limits), listed), read_names(answer, faults, limits)
    if not lenient:
        faults += find_name_faults(answer, found, true)
    if faults:
        raise refuse(faults)
    return [Pair(name, true[name], found[name]) for name in sorted(true.keys() & found.keys())]


def keep_listed(members: dict[str, Member], listed: Path | None) -> dict[str, Member]:
    """The images of a list; all without one."""
    if listed is None:
        return members
    names = frozenset(read_ids(listed))
    return {name: member for name, member in members.items() if name in names}


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
