"""A file that is here already, taken as if it had come in parts: by a form, or by the demo."""

import hashlib
from datetime import datetime
from typing import BinaryIO

from overtrace.host.tables import FileKind, Upload
from overtrace.host.uploads import Offer, Uploads

PART_BYTES = 2**20


def send_file(
    uploads: Uploads,
    team_id: str,
    person_id: str,
    phase: str,
    name: str,
    file: BinaryIO,
    at: datetime,
    kind: FileKind = FileKind.ANSWER,
) -> Upload:
    """Begin an upload and add all its bytes.

    Args:
        phase: of an answer; empty for other files.
        at: when it began to come.
    Raises:
        Refused: if it would not be accepted.
    """
    digest, size = _digest(file)
    plain = name.replace("\\", "/").rpartition("/")[2] or "answer"
    upload = uploads.begin(team_id, person_id, Offer(plain, size, digest, phase, kind), at)
    file.seek(0)
    offset = 0
    while part := file.read(PART_BYTES):
        uploads.append(upload.id, offset, part)
        offset += len(part)
    return upload


def _digest(file: BinaryIO) -> tuple[str, int]:
    file.seek(0)
    # Not by file_digest, which wants a file of the system.
    digest, size = hashlib.sha256(), 0
    while part := file.read(PART_BYTES):
        digest.update(part)
        size += len(part)
    return digest.hexdigest(), size
