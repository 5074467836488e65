import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import obstore
import pytest

from overtrace.errors import BadOption, NotFound, Unavailable
from overtrace.host.blobs import Blobs, open_blobs
from overtrace.host.tables import State
from overtrace.host.uploads import Uploads
from tests.support.hosted import NOON, make_host
from tests.support.s3 import serve_s3, set_environment

CONTENT = np.random.default_rng(3).bytes(12_000_000)
"""More than S3 takes in one part."""
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="session")
def s3():
    with serve_s3() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def blobs(request, tmp_path, monkeypatch) -> Blobs:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "blobs"))
    set_environment(monkeypatch, request.getfixturevalue("s3"))
    return open_blobs(f"s3://contest/{tmp_path.name}")


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def list_keys(blobs: Blobs) -> list[str]:
    return sorted(found["path"] for page in obstore.list(blobs.store) for found in page)


def test_what_is_put_is_read_back(blobs, file, tmp_path):
    assert not blobs.has(SHA256, len(CONTENT))
    for _ in range(2):
        blobs.put(file, SHA256)
        assert blobs.has(SHA256, len(CONTENT))
        assert list_keys(blobs) == [f"{SHA256[:2]}/{SHA256}"]
    blobs.fetch(SHA256, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert hashlib.sha256(b"".join(blobs.read(SHA256))).hexdigest() == SHA256


def test_what_is_not_there_is_named(blobs, tmp_path):
    with pytest.raises(NotFound, match=f"has no blob {SHA256}"):
        blobs.fetch(SHA256, tmp_path / "back")


def test_other_bytes_than_was_said_never_appear(blobs, file):
    with pytest.raises(Unavailable, match="gave back other bytes than were written"):
        blobs.put(file, "0" * 64)
    assert list_keys(blobs) == []


def test_bytes_that_changed_in_the_store_are_not_given(blobs, file, tmp_path):
    blobs.put(file, SHA256)
    obstore.put(blobs.store, f"{SHA256[:2]}/{SHA256}", CONTENT[:-1] + b"x")
    with pytest.raises(Unavailable, match="gave other bytes than those of"):
        blobs.fetch(SHA256, tmp_path / "back")


def test_many_may_put_the_same_at_one_time(blobs, file):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: blobs.put(file, SHA256), range(4)))
    assert list_keys(blobs) == [f"{SHA256[:2]}/{SHA256}"]


def test_an_upload_goes_through_and_on(database, blobs, tmp_path):
    host = make_host(database, tmp_path)
    uploads = Uploads(database, blobs, host.contest, tmp_path / "spool")
    upload = host.announce(host.add_team("owls"), CONTENT)
    uploads.append(upload, 0, CONTENT[:7_000_001])
    uploads.append(upload, 7_000_001, CONTENT[7_000_001:])
    assert uploads.complete(upload, NOON).sha256 == SHA256
    blobs.fetch(SHA256, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == CONTENT


class Broken(BaseHTTPRequestHandler):
    """An S3 server on a bad day."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_) -> None:
        pass


def test_a_store_that_answers_errors_keeps_the_upload_until_it_is_well_again(database, tmp_path, monkeypatch):
    host = make_host(database, tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    set_environment(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    uploads = Uploads(database, open_blobs("s3://contest/x"), host.contest, tmp_path / "spool")
    upload = host.send(host.add_team("owls"), CONTENT)
    with pytest.raises(Unavailable, match=r"^s3://contest/x cannot be used: .*500.*: try again later$"):
        uploads.complete(upload, NOON)
    server.shutdown()
    server.server_close()
    with pytest.raises(Unavailable, match=r"^s3://contest/x cannot be used: .*: try again later$"):
        uploads.complete(upload, NOON)
    assert host.uploads.complete(upload, NOON).state == State.QUEUED


def test_a_full_or_missing_folder_is_told(tmp_path, file):
    blobs = open_blobs(str(tmp_path / "blobs"))
    (tmp_path / "blobs").rmdir()
    (tmp_path / "blobs").write_text("")
    with pytest.raises(Unavailable, match=r"blobs cannot be used: .*: try again later$"):
        blobs.put(file, SHA256)
    with pytest.raises(BadOption, match=r"^--store .* cannot be made: "):
        open_blobs(str(tmp_path / "blobs" / "inside"))


@pytest.mark.parametrize("wrong", ["ftp://x/y", "gs://x"])
def test_another_address_is_refused(wrong):
    with pytest.raises(BadOption, match=rf"^--store {wrong}: wanted a folder or s3://BUCKET/PREFIX$"):
        open_blobs(wrong)
