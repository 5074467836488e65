import gzip
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overtrace.challenges.submission import Limits, open_answer
from overtrace.errors import BadAnswer

FILES = {"Dataset_1.json": b"[1]", "Dataset_2.json": b"[2]"}


def write_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def contents(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    return {member.name: member.read() for member in open_answer(path, limits)}


@pytest.mark.parametrize("wrap", ["", "answer/", "team a/answer/"])
@pytest.mark.parametrize("packed", [True, False])
def test_folders_that_wrap_everything_are_taken_off(tmp_path, wrap, packed):
    left_behind = {"__MACOSX/._Dataset_1.json": b"x", f"{wrap}.DS_Store": b"x", f"{wrap}Thumbs.db": b"x"}
    files = {wrap + name: data for name, data in FILES.items()} | left_behind
    if packed:
        path = write_zip(tmp_path / "answer.zip", files)
    else:
        path = tmp_path / "outer"
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    assert contents(path) == FILES


def test_a_wrapping_folder_is_kept_where_others_stand_beside_it(tmp_path):
    files = {"Dataset_1/a.json": b"1", "Dataset_2/a.json": b"2"}
    assert contents(write_zip(tmp_path / "a.zip", files)) == files


def test_one_file_plain_or_packed(tmp_path):
    (tmp_path / "a.json").write_bytes(b"[]")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[]"))
    assert contents(tmp_path / "a.json") == contents(tmp_path / "a.json.gz") == {"a.json": b"[]"}


def test_links_in_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("truth")
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer" / "a.json").write_bytes(b"[]")
    os.symlink(tmp_path / "secret", tmp_path / "answer" / "b.json")
    assert contents(tmp_path / "answer") == {"a.json": b"[]"}


def test_a_link_in_an_archive_is_refused(tmp_path):
    info = zipfile.ZipInfo("b.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadAnswer, match=r"b\.json: it is a link"):
        open_answer(tmp_path / "a.zip")


@pytest.mark.parametrize("name", ["../a.json", "/a.json", "x/../../a.json", "..\\a.json", "C:/a.json"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(BadAnswer, match="leads out of the archive"):
        open_answer(write_zip(tmp_path / "a.zip", {name: b""}))


def test_limits(tmp_path):
    path = write_zip(tmp_path / "a.zip", FILES)
    with pytest.raises(BadAnswer, match=r"holds 2 files: at most 1 are read"):
        open_answer(path, Limits(files=1))
    with pytest.raises(BadAnswer, match=r"holds 6 bytes: at most 5 are read"):
        open_answer(path, Limits(total_bytes=5))
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(BadAnswer, match="at most 1,000 are read"):
        contents(tmp_path / "bomb.json.gz", Limits(total_bytes=1000))


def test_an_archive_that_claims_less_than_it_holds(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a.json": b"x" * 5000}, zipfile.ZIP_STORED)
    data = path.read_bytes()
    directory = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: directory + 24] + (10).to_bytes(4, "little") + data[directory + 28 :])
    with pytest.raises(BadAnswer, match=r"a\.json"):
        contents(path)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("none.json", None, "does not exist"),
        ("a.zip", b"PK\x05\x06" + bytes(18), "holds no file"),
        ("a.json.gz", gzip.compress(b"[]")[:-6], "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, data, said):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(BadAnswer, match=said):
        contents(tmp_path / name)


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 400), st.binary(max_size=20))
def test_a_damaged_archive_is_an_error_of_ours_or_nothing(tmp_path, at, patch):
    path = write_zip(tmp_path / "a.zip", FILES)
    data = path.read_bytes()
    path.write_bytes(data[:at] + patch + data[at + len(patch) :])
    try:
        contents(path)
    except BadAnswer:
        return
