"""Where a host keeps what it keeps, by what its organisers name: the contest file or a folder."""

from pathlib import Path

from overtrace.errors import BadOption

FOLDER = "host"
"""Beside the contest file."""
DATABASE = "host.db"
BLOBS = "blobs"


def find_database(place: Path) -> str:
    """The address of the SQLite database of a host.

    Args:
        place: a contest file, its folder, or the folder that the host keeps.
    Raises:
        BadOption: if there is none.
    """
    return f"sqlite:///{find_folder(place) / DATABASE}"


def find_folder(place: Path) -> Path:
    """The folder that a host keeps.

    Raises:
        BadOption: if there is none with a database in it.
    """
    beside = place.parent if place.is_file() else place
    for folder in (beside, beside / FOLDER):
        if (folder / DATABASE).is_file():
            return folder
    raise BadOption(
        f"{place}: there is no {FOLDER}/{DATABASE}: name the contest file, its folder, or the --db of a host"
    )
