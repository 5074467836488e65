"""The files of scene parsing: an index PNG for each image, in truth and answer."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from overtrace.challenges.faults import Fault, refuse
from overtrace.challenges.submission import Limits, Member, open_answer
from overtrace.errors import BadAnswer


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
    true, found = (_by_name(path, limits) for path in (truth, answer))
    if not true:
        raise BadAnswer(f"{truth} holds no .png file: wanted one index PNG for each image")
    faults = [
        *(
            Fault(str(answer), f"{name}.png", "it is missing", "answer every image")
            for name in sorted(true - found.keys())
        ),
        *(
            Fault(str(answer), f"{name}.png", "no image has the name", "leave it out")
            for name in sorted(found.keys() - true)
        ),
    ]
    if faults and not lenient:
        raise refuse(faults)
    return [Pair(name, true[name], found[name]) for name in sorted(true.keys() & found.keys())]


def _by_name(path: Path, limits: Limits | None) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for member in open_answer(path, limits):
        place = PurePosixPath(member.name)
        if place.suffix.lower() != ".png":
            continue
        if place.stem in members:
            raise BadAnswer(
                f"{member.shown} and {members[place.stem].shown} have one name: send one PNG for each image"
            )
        members[place.stem] = member
    return members
