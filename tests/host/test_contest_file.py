import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overtrace.errors import BadContest
from overtrace.host.contest_faults import find_model_faults
from overtrace.host.contest_file import find_data_faults, inspect_contest, list_gaps, read_contest
from overtrace.host.tree import parse_tree
from tests.support.answers import TRUTH, write

TEXT = """\
name: test
title: A test
challenge: deepglobe
organisers:
- {name: Ada, email: ada@example.org}
phases:
- name: one
  title: One
  start: 2026-05-01T00:00:00+02:00
  end: 2026-06-01T00:00:00Z
  truth: truth/truth.csv
  ids: ids.txt
  boards:
  - name: f1
    title: F1
    ids: public.txt
  downloads:
  - title: Images
    file: images.zip
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "truth", TRUTH["deepglobe"])
    (tmp_path / "ids.txt").write_text("A_1_B_img1\nA_1_B_img2\n")
    (tmp_path / "public.txt").write_text("A_1_B_img1\n")
    (tmp_path / "images.zip").write_bytes(b"images")
    return tmp_path


def put(folder, *changes) -> Path:
    """The file with some of its text in the place of other."""
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "contest.yaml"
    path.write_text(text)
    return path


def lines_of(faults, folder) -> list[str]:
    return [str(fault).replace(f"{folder}/", "") for fault in faults]


def faults_of(folder, *changes, **options) -> list[str]:
    return lines_of(inspect_contest(put(folder, *changes), **options)[1], folder)


def test_a_contest_in_order(folder):
    path = put(folder)
    file = read_contest(path)
    (phase,) = file.contest.phases
    assert (phase.start, phase.end) == (datetime(2026, 4, 30, 22, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (file.folder, file.resolve("truth/x")) == (folder, folder / "truth" / "x")
    assert find_data_faults(file) == []


ORGANISER = "- {name: Ada, email: ada@example.org}"
IDS, FILE = "  ids: ids.txt", "    file: images.zip"
END = "2026-06-01T00:00:00Z"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (IDS, "  limits: {per_dy: 2}", "12 phases[0].limits.per_dy: there is no such key: did you mean per_day?"),
        (IDS, "  wings: 2", "12 phases[0].wings: there is no such key: wanted one of name, title, start, end"),
        ("deepglobe", "deepglob", "3 challenge: found 'deepglob': did you mean deepglobe?"),
        ("deepglobe", "chess", "3 challenge: found 'chess': wanted one of itc, sceneparsing, camvid, deepglobe, trees"),
        ("name: test", "name: A Test", "1 name: found 'A Test': wanted small letters, digits and hyphens"),
        ("title: A test", "title: 2026", "2 title: found 2026: wanted text: put it in quotes"),
        ("title: A test", "title:", "2 title: found nothing: wanted text: put it in quotes"),
        ("title: A test", f"title: {'x' * 300}", f"2 title: found '{'x' * 27}...{'x' * 28}', 300 letters: at most 200"),
        ("ada@example.org", "ada", "5 organisers[0].email: found 'ada': wanted an e-mail address"),
        (ORGANISER, "  Ada", "4 organisers: found 'Ada': wanted a list: begin each item with a hyphen"),
        (ORGANISER, "- Ada", "5 organisers[0]: found 'Ada': wanted keys and values"),
        (ORGANISER, "  []", "4 organisers: found []: wanted at least one"),
        (IDS, "  limits: {per_day: 0}", "12 phases[0].limits.per_day: found 0: wanted more than 0"),
        (IDS, "  limits: {per_day: true}", "12 phases[0].limits.per_day: found true: wanted a whole number"),
        (IDS, "  limits: {per_day: '5'}", "12 phases[0].limits.per_day: found '5': wanted a whole number"),
        ("A test", "A test\npixel_size: 1e999", "3 pixel_size: found inf: wanted a finite number"),
        (IDS, "  test: no", "12 phases[0].test: found 'no': wanted true or false"),
        (FILE, "    sha256: abc", "19 phases[0].downloads[0].sha256: found 'abc': wanted the 64 small hexadecimal"),
        (FILE, "", "18 phases[0].downloads[0]: a download has a file of this folder or an address: give one"),
        (
            "truth/truth.csv",
            "../x.csv",
            "11 phases[0].truth: '../x.csv' leads out of the folder of the contest",
        ),
        ("truth/truth.csv", '"a\\0b"', r"11 phases[0].truth: 'a\x00b' leads out of the folder of the contest"),
        ("truth/truth.csv", "x" * 300, f"11 phases[0].truth: {'x' * 300} does not exist: put it there"),
        ("truth/truth.csv", "/x.csv", "11 phases[0].truth: '/x.csv' leads out of the folder of the contest"),
        ("  - name: f1\n    title: F1", "  - title: F1", "14 phases[0].boards[0].name: it is missing: add it (in ad"),
        ("    ids: public.txt", "    rank_by: ranks", "14 phases[0].boards[0]: rank_by: ranks has no columns to"),
        (END, "2026-04-01T00:00:00Z", "7 phases[0]: phase one ends at 2026-04-01T00:00:00+00:00, not after its start"),
        (END, "2026-05-01T00:00:00+02:00", "7 phases[0]: phase one ends at 2026-04-30T22:00:00+00:00, not after its"),
    ],
)
def test_a_fault_names_line_key_what_came_and_the_remedy(folder, old, new, said):
    (found,) = faults_of(folder, (old, new))
    assert found.startswith(f"contest.yaml:{said}")


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (
            "2026-06-01T00:00:00",
            "2026-06-01T00:00:00 has no offset: wanted one, as in 2026-06-01T00:00:00+00:00 for UTC",
        ),
        ("2026-06-01", "2026-06-01 has no offset: wanted one, as in 2026-06-01T00:00:00+00:00 for UTC"),
        (
            "2026-06-01 17:00 PST",
            "found '2026-06-01 17:00 PST': wanted a time with its offset, as in",
        ),
        ("20260601", "found 20260601: wanted a time with its offset"),
        ("'1780272000'", "found '1780272000': wanted a time with its offset"),
        ("2026-06-31T00:00:00Z", "found '2026-06-31T00:00:00Z': wanted a time with its offset"),
        ("0001-01-01T00:00:00+14:00", "found '0001-01-01T00:00:00+14:00': wanted a time with its offset"),
        ("tomorrow", "found 'tomorrow': wanted a time with its offset"),
        ("", "found None: wanted a time with its offset"),
    ],
)
def test_a_time_needs_its_offset(folder, time, said):
    (found,) = faults_of(folder, ("2026-06-01T00:00:00Z", time))
    assert found.startswith(f"contest.yaml:10 phases[0].end: {said}")


@pytest.mark.parametrize("time", ["2026-06-01T02:00+02:00", "2026-06-01 00:00:00+00:00", "2026-05-31T17:00:00-07:00"])
def test_a_time_is_kept_in_utc(folder, time):
    file = read_contest(put(folder, ("2026-06-01T00:00:00Z", time)))
    assert file.contest.phases[0].end == datetime(2026, 6, 1, tzinfo=UTC)
    assert file.contest.phases[0].end.utcoffset().total_seconds() == 0


def test_all_faults_come_at_once_in_the_order_of_the_lines(folder):
    changes = [("title: One", "titel: One"), ("A test", "[1]"), (END, "soon"), ("name: Ada", "nam: Ada")]
    (folder / "public.txt").unlink()
    found = faults_of(folder, *changes, ("  ids: ids.txt", "  ids: ids.txt\n  ids: ids.txt"))
    places = [line.partition(": ")[0] for line in found]
    assert places == [
        "contest.yaml:2 title",
        "contest.yaml:5 organisers[0].name",
        "contest.yaml:5 organisers[0].nam",
        "contest.yaml:7 phases[0].title",
        "contest.yaml:8 phases[0].titel",
        "contest.yaml:10 phases[0].end",
        "contest.yaml:13 phases[0].ids",
        "contest.yaml:17 phases[0].boards[0].ids",
    ]
    with pytest.raises(BadContest, match=r"contest.yaml:2 title: .* \(and 7 more: overtrace contest check"):
        read_contest(folder / "contest.yaml")


@pytest.mark.parametrize("name", ["truth/truth.csv", "ids.txt", "public.txt", "images.zip"])
def test_a_file_that_does_not_exist_is_named_with_the_line(folder, name):
    path = put(folder)
    (folder / name).unlink()
    line = next(i for i, text in enumerate(TEXT.splitlines(), start=1) if name in text)
    (found,) = lines_of(inspect_contest(path)[1], folder)
    assert found.startswith(f"contest.yaml:{line} phases[0].")
    assert f"{name} does not exist: put " in found
    assert bool(inspect_contest(path, truth=False)[1]) == (name != "truth/truth.csv")


@pytest.mark.parametrize("name", ["truth/truth.csv", "truth/../truth/truth.csv", "truth/images.zip", "link.csv"])
def test_truth_is_never_a_download(folder, name):
    (folder / "truth" / "images.zip").write_bytes(b"")
    (folder / "link.csv").symlink_to(folder / "truth" / "truth.csv")
    # A path with .. is refused before; a folder of truth covers all that lies in it.
    truth = "truth" if name == "truth/images.zip" else "truth/truth.csv"
    (found,) = faults_of(folder, ("truth/truth.csv", truth), ("images.zip", name))
    expected = "leads out of the folder" if ".." in name else "is part of the truth, which it would give away: name"
    assert found.startswith("contest.yaml:19 phases[0].downloads[0].file: ")
    assert expected in found


def test_a_folder_is_no_download(folder):
    (found,) = faults_of(folder, ("images.zip", "truth"), ("truth: truth/truth.csv", "truth: truth/truth.csv"))
    assert found == "contest.yaml:19 phases[0].downloads[0].file: truth is no file: put a file there that can be read"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "challenge: deepglobe\nprofile: x",
            "4 profile: deepglobe has no profile called x: use one of spacenet2-",
        ),
        ("challenge: deepglobe\nclasses: 4", "4 classes: deepglobe knows its classes: leave it out, it is for pixels"),
        (
            "challenge: own\nprofile: pixels",
            "1 classes: found 0 classes: pixels needs how many there are, from 1",
        ),
        (
            "challenge: own\nprofile: polygons\nclasses: 2",
            "5 classes: own knows its classes: leave it out, it is",
        ),
        ("challenge: own", "1: challenge own has no profile: name the rule to score by"),
        (
            "challenge: deepglobe\nresults: {board: final/none}",
            "4 results.board: found 'final/none', which is no board: wanted one of ",
        ),
    ],
)
def test_what_the_challenge_does_not_know(folder, change, said):
    (found,) = faults_of(folder, ("challenge: deepglobe", change))
    assert found.startswith(f"contest.yaml:{said}")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "truth/truth.csv",
            "nothing",
            "11 phases[0].truth: {}/truth/truth.csv line 1: found 1 columns: wanted Ima",
        ),
        (
            "ids.txt",
            "A_1_B_img1\nA_1_B_img9\n",
            "12 phases[0].ids: {}/ids.txt names A_1_B_img9, which is no image",
        ),
        (
            "public.txt",
            "",
            "16 phases[0].boards[0].ids: {}/public.txt is no list of names of images: wan",
        ),
    ],
)
def test_truth_and_lists_are_read_as_the_scorer_reads_them(folder, name, text, said):
    (folder / name).write_text(text)
    file = read_contest(put(folder))
    (found,) = find_data_faults(file)
    assert str(found).startswith(f"{folder}/contest.yaml:{said.format(folder)}")


def test_the_digest_of_a_download_is_that_of_its_file(folder):
    right = hashlib.sha256(b"images").hexdigest()
    for digest, faults in ((right, 0), ("0" * 64, 1)):
        file = read_contest(put(folder, ("    file: images.zip", f"    file: images.zip\n    sha256: '{digest}'")))
        found = find_data_faults(file)
        assert len(found) == faults
    assert str(found[0]).endswith(f"images.zip is {right}: write that")
    assert ":20 phases[0].downloads[0].sha256" in str(found[0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, ": it cannot be read: No such file or directory: check the path"),
        (b"", ":1: it is empty: overtrace contest new writes one that is complete"),
        (b"# nothing\n", ":1: it is empty"),
        (b"a: 1\nb: \xff", ":2: no UTF-8: write the file as UTF-8"),
        (b"- 1\n", ":1: found [1]: wanted keys and values"),
        (b"just words", ":1: found 'just words': wanted keys and values"),
        (b"#" * (2**22 + 1), ": it is longer than 4,194,304 bytes: leave data to files of its own"),
    ],
)
def test_a_file_that_is_no_contest_is_one_line(tmp_path, data, said):
    path = tmp_path / "contest.yaml"
    if data is not None:
        path.write_bytes(data)
    file, (found,) = inspect_contest(path)
    assert file is None
    assert str(found).startswith(f"{path}{said}")


@given(st.text(max_size=60))
def test_any_text_is_a_contest_or_has_faults(text):
    tree = parse_tree(text, "c")
    contest, faults = find_model_faults(tree, "c")
    assert contest is None
    assert all(str(fault).isprintable() for fault in [*tree.faults, *faults])


KEYS = st.sampled_from(["name", "title", "phases", "boards", "start", "limits", "challenge", "x"])
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, TREES, max_size=5))
def test_any_value_is_described(value):
    contest, faults = find_model_faults(parse_tree(json.dumps(value), "c"), "c")
    assert contest is None
    assert faults
    assert all(fault.found and fault.wanted for fault in faults)


def test_what_a_contest_lacks_is_no_fault(folder):
    downloads = "  downloads:\n  - title: Images\n    file: images.zip\n"
    file = read_contest(put(folder, (f"{IDS}\n", ""), (downloads, "")))
    assert [gap.partition(":")[0] for gap in list_gaps(file.contest)] == [
        "no about",
        "no rules",
        "phase one has no ids",
        "phase one has no downloads",
        "teams has no locks_at",
        "replication has no reply_by",
    ]
