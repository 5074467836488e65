"""Files on their way here, in parts that may come after each other over days; kept in a folder until they are whole.

Whoever sends a file may be killed at any byte and go on: the host says how many bytes are safe. So may the host: the
bytes of a file count that are on its disk. Deadlines go by the time at which a file was announced, with its SHA-256:
from then on it is the same file, however long it takes.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from overtrace.errors import NotFound, Refused
from overtrace.host import deliveries, submissions
from overtrace.host.blobs import Blobs, digest_file
from overtrace.host.contest import Contest
from overtrace.host.database import Database
from overtrace.host.events import record
from overtrace.host.ids import new_id
from overtrace.host.submissions import change, lock_team
from overtrace.host.tables import FileKind, Submission, Upload

MOST_OPEN = 4
"""Files that a team may have on their way at one time."""
KEPT = timedelta(days=7)
"""How long a part of a file is kept of which nothing more comes."""
MOST_DOCUMENT_BYTES = 20 * 2**20
NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


class Gap(Refused):
    """Bytes that do not follow those that are there."""

    def __init__(self, upload_id: str, offset: int, received: int) -> None:
        self.received = received
        super().__init__(f"upload {upload_id} has {received:,} bytes, found offset {offset:,}: go on from there")


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that someone is about to send."""

    name: str
    size: int
    sha256: str
    phase: str = ""
    """Of an answer; empty for other files."""
    kind: FileKind = FileKind.ANSWER


@dataclass(frozen=True, slots=True)
class Uploads:
    """What is on its way to a contest."""

    database: Database
    blobs: Blobs
    contest: Contest
    spool: Path
    """A folder of this machine, which all processes share that take uploads."""

    def begin(self, team_id: str, person_id: str, offer: Offer, at: datetime) -> Upload:
        """Announce a file; one that is on its way already goes on.

        It began when it was announced first; once the tries of that day are spent, it begins anew on a later one.

        Raises:
            Refused: if it would not be accepted if it came now, or too many files are on their way.
        """
        _refuse_odd(offer)
        with self.database.write() as session:
            lock_team(session, team_id)
            known = _find_same(session, team_id, offer)
            if known is not None:
                self._renew(session, known, at)
                return known
            self._judge(session, team_id, offer, at)
            upload = Upload(
                id=new_id(at),
                team_id=team_id,
                person_id=person_id,
                kind=offer.kind,
                phase=offer.phase,
                name=offer.name,
                size=offer.size,
                sha256=offer.sha256,
                received=0,
                started_at=at,
            )
            session.add(upload)
            record(session, f"person:{person_id}", "upload.begun", f"upload:{upload.id}", at, size=offer.size)
            return upload

    def append(self, upload_id: str, offset: int, data: bytes) -> int:
        """Add bytes; those that are there already are passed over.

        Returns:
            How many bytes are safe.
        Raises:
            Gap: if bytes before these are not there.
            Refused: if they are more than was said, or the upload has ended.
        """
        with self._hold(upload_id) as file:
            upload = self._find_open(upload_id)
            received = _count_safe(upload, file)
            if offset < 0 or offset > received:
                raise Gap(upload_id, offset, received)
            if offset + len(data) > upload.size:
                raise Refused(f"upload {upload_id} has {upload.size:,} bytes, found more: begin one of the right size")
            rest = memoryview(data)[received - offset :]
            if not rest:
                return received
            _write(file, received, rest)
            received += len(rest)
            with self.database.write() as session:
                session.execute(update(Upload).where(Upload.id == upload_id).values(received=received))
            return received

    def complete(self, upload_id: str, at: datetime) -> Submission:
        """Make a submission of an answer that is here whole; again, and it is the same one.

        Raises:
            Refused: if bytes are missing or are others than was said, or the rules do not allow it.
            Unavailable: if the store does not take it; the upload stays.
        """
        with self._hold(upload_id) as file:
            upload = self.find(upload_id)
            if upload.kind != FileKind.ANSWER:
                raise Refused(f"upload {upload_id} is of the kind {upload.kind}, no {FileKind.ANSWER}")
            if upload.ended_at is None:
                self._keep(upload, file, at)
            with self.database.write() as session:
                submission = submissions.accept(session, self.contest, upload_id, at)
            self._place(upload_id).unlink(missing_ok=True)
            return submission

    def complete_file(self, upload_id: str, at: datetime) -> Upload:
        """Keep a file that is no answer and is here whole, as a blob; again, and it is the same one.

        Raises:
            Refused: if bytes are missing or are others than was said.
            Unavailable: if the store does not take it; the upload stays.
        """
        with self._hold(upload_id) as file:
            upload = self.find(upload_id)
            if upload.kind == FileKind.ANSWER:
                raise Refused(f"upload {upload_id} is of the kind {upload.kind}: complete it as that")
            if upload.ended_at is None:
                self._keep(upload, file, at)
                self._end(upload_id, "kept", at)
            elif not self.blobs.has(upload.sha256, upload.size):
                raise Refused(f"upload {upload_id} has ended: begin a new one")
            self._place(upload_id).unlink(missing_ok=True)
            return upload

    def give_up(self, upload_id: str, at: datetime) -> None:
        """Forget a file that is not here whole."""
        with self._hold(upload_id):
            self._find_open(upload_id)
            self._end(upload_id, "given up", at)
            self._place(upload_id).unlink(missing_ok=True)

    def expire(self, at: datetime) -> int:
        """Forget what nobody goes on with; how many files that were."""
        with self.database.read() as session:
            query = select(Upload.id).where(Upload.ended_at.is_(None), Upload.started_at < at - KEPT)
            old = [upload_id for upload_id in session.scalars(query) if self._rested(upload_id, at)]
        for upload_id in old:
            self.give_up(upload_id, at)
        return len(old)

    def find(self, upload_id: str) -> Upload:
        """What is known of an upload.

        Raises:
            NotFound: if there is none.
        """
        with self.database.read() as session:
            upload = session.get(Upload, upload_id)
        if upload is None:
            raise NotFound(f"there is no upload {upload_id}: begin a new one")
        return upload

    def _find_open(self, upload_id: str) -> Upload:
        upload = self.find(upload_id)
        if upload.ended_at is not None:
            raise Refused(f"upload {upload_id} has ended: begin a new one")
        return upload

    def _renew(self, session: Session, upload: Upload, at: datetime) -> None:
        if (
            upload.kind == FileKind.ANSWER
            and not self._takes(session, upload, upload.started_at)
            and self._takes(session, upload, at)
        ):
            upload.started_at = at
            record(session, f"person:{upload.person_id}", "upload.begun anew", f"upload:{upload.id}", at)

    def _takes(self, session: Session, upload: Upload, began: datetime) -> bool:
        try:
            submissions.judge(session, self.contest, upload.team_id, upload.phase, began)
        except Refused:
            return False
        return True

    def _judge(self, session: Session, team_id: str, offer: Offer, at: datetime) -> None:
        most = self._find_limit(offer)
        if offer.size > most:
            raise Refused(f"{offer.name} has {offer.size:,} bytes: at most {most:,} are taken: pack it better")
        if offer.kind == FileKind.ANSWER:
            submissions.judge(session, self.contest, team_id, offer.phase, at)
        elif offer.kind != FileKind.DOCUMENT:
            deliveries.judge(session, team_id, at)
        others = select(func.count()).where(Upload.team_id == team_id, Upload.ended_at.is_(None))
        if (session.scalar(others) or 0) >= MOST_OPEN:
            raise Refused(f"{MOST_OPEN} files of your team are on their way: complete one, or give it up")

    def _find_limit(self, offer: Offer) -> int:
        if offer.kind == FileKind.DOCUMENT:
            return MOST_DOCUMENT_BYTES
        if offer.kind != FileKind.ANSWER:
            return self.contest.replication.upload_bytes
        phase = self.contest.find_phase(offer.phase)
        # Of a phase that is not there, submissions.judge says so.
        return offer.size if phase is None else phase.limits.upload_bytes

    def _keep(self, upload: Upload, file: int, at: datetime) -> None:
        """Put a whole file into the store."""
        received = _count_safe(upload, file)
        if received < upload.size:
            raise Gap(upload.id, upload.size, received)
        os.ftruncate(file, upload.size)
        path = self._place(upload.id)
        found = digest_file(path)
        if found != upload.sha256:
            self._end(upload.id, "broken", at)
            path.unlink()
            raise Refused(f"SHA-256 of {upload.name} is {found}, not {upload.sha256} as announced: send it anew")
        self.blobs.put(path, upload.sha256)

    def _end(self, upload_id: str, why: str, at: datetime) -> None:
        with self.database.write() as session:
            where = update(Upload).where(Upload.id == upload_id, Upload.ended_at.is_(None))
            if change(session, where.values(ended_at=at)):
                record(session, "host", f"upload.{why}", f"upload:{upload_id}", at)

    def _place(self, upload_id: str) -> Path:
        return self.spool / upload_id

    def _rested(self, upload_id: str, at: datetime) -> bool:
        try:
            return self._place(upload_id).stat().st_mtime < (at - KEPT).timestamp()
        except FileNotFoundError:
            return True

    @contextmanager
    def _hold(self, upload_id: str) -> Iterator[int]:
        """The file of an upload, which no other process changes meanwhile."""
        self.find(upload_id)
        self.spool.mkdir(parents=True, exist_ok=True)
        file = os.open(self._place(upload_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _refuse_odd(offer: Offer) -> None:
    if not NAME.fullmatch(offer.name) or offer.name in (".", ".."):
        raise Refused(f"found the name {offer.name[:60]!r}: wanted a file's, without folders, of 200 letters at most")
    if offer.size < 1:
        raise Refused(f"{offer.name} has {offer.size} bytes: an empty file is no answer")
    if not re.fullmatch(r"[0-9a-f]{64}", offer.sha256):
        raise Refused(f"found SHA-256 {offer.sha256[:70]!r}: wanted 64 hexadecimal digits in small letters")


def _find_same(session: Session, team_id: str, offer: Offer) -> Upload | None:
    same = {
        "team_id": team_id,
        "kind": offer.kind,
        "phase": offer.phase,
        "size": offer.size,
        "sha256": offer.sha256,
        "ended_at": None,
    }
    return session.scalars(select(Upload).filter_by(**same).order_by(Upload.id)).first()


def _count_safe(upload: Upload, file: int) -> int:
    """Bytes that the database knows of and that the disk still has."""
    return min(upload.received, os.fstat(file).st_size)


def _write(file: int, offset: int, data: memoryview) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        offset, data = offset + written, data[written:]
    os.fsync(file)
