import json

import pytest
from typer.testing import CliRunner

from overtrace.cli.main import app
from overtrace.errors import BadContest, BadOption
from overtrace.host.containers import tell
from overtrace.host.replication import Claimed, Reason, Verdict, compare, read_claimed
from overtrace.host.tail import Tail, defuse
from tests.support.containers import MODEL, make_contest, write_weights

CLAIMED = Claimed(score=0.7, parts={"north": 0.6, "south": 0.8})


@pytest.mark.parametrize(
    ("score", "north", "south", "verdict"),
    [
        (0.7, 0.6, 0.8, Verdict.VERIFIED),
        (0.7000005, 0.6, 0.8, Verdict.VERIFIED),
        (0.709, 0.6, 0.8, Verdict.WITHIN),
        (0.691, 0.6, 0.8, Verdict.WITHIN),
        (0.7, 0.609, 0.791, Verdict.WITHIN),
        # The average is right, and a data set is not.
        (0.7, 0.62, 0.78, Verdict.FAILED),
        (0.72, 0.6, 0.8, Verdict.FAILED),
        (0.7, None, 0.8, Verdict.FAILED),
    ],
)
def test_the_score_and_each_data_set_must_come_out_again(score, north, south, verdict):
    found, results = compare(CLAIMED, Claimed(score=score, parts={"north": north, "south": south}), 0.01)
    assert found is verdict
    assert [one.name for one in results] == ["", "north", "south"]


def test_a_data_set_that_is_claimed_and_not_found_fails():
    assert compare(CLAIMED, Claimed(score=0.7, parts={"north": 0.6}), 0.01)[0] is Verdict.FAILED


def test_data_sets_that_are_not_claimed_are_told_and_do_not_count():
    found, results = compare(Claimed(score=0.7), CLAIMED, 0.01)
    assert found is Verdict.VERIFIED
    assert [(one.name, one.difference) for one in results] == [("", 0.0), ("north", None), ("south", None)]


def test_what_is_claimed_is_read_from_what_the_scorer_writes_and_from_plain_numbers():
    parts = {"data_sets": [{"name": "north", "score": 0.6, "images": 3}, {"name": "south", "score": 0.8, "images": 1}]}
    assert read_claimed("itc", {"score": 0.7, "parts": parts}) == CLAIMED
    assert read_claimed("itc", {"score": 0.7, "parts": dict(CLAIMED.parts)}) == CLAIMED
    assert read_claimed("sceneparsing", {"score": 0.7, "parts": {"mean_iou": 0.4}}) == Claimed(score=0.7)
    for wrong in ({}, {"score": "0.7"}, {"score": True}, {"score": 0.7, "parts": 1}):
        with pytest.raises(BadOption, match="wanted what overtrace score --json writes"):
            read_claimed("itc", wrong)


def test_no_name_of_a_verdict_or_reason_is_taken_for_another_one():
    assert len({one.value for one in Verdict}) == len(Verdict)
    assert len({one.value for one in Reason}) == len(Reason)


def test_a_log_keeps_its_beginning_and_its_end():
    tail = Tail(10)
    for part in (b"begin", b"ning ", b"x" * 95, b"y" * 5, b" the end."):
        tail.add(part)
    assert tail.text() == "beginning \n[... 99 bytes left out ...]\ny the end."
    short = Tail(10)
    short.add(b"short")
    assert short.text() == "short"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"a\x1b[2Jb", "a\ufffd[2Jb"),
        (b"a\r\nb\tc", "a\nb\tc"),
        (b"a\rb\x00\xff", "a\ufffdb\ufffd\ufffd"),
        ("\u202eevil".encode(), "\ufffdevil"),
    ],
)
def test_a_log_moves_no_cursor(said, shown):
    assert defuse(said) == shown


def test_what_an_engine_says_is_one_line():
    assert tell(b"first\nError: no\x1b space\n\n") == "first Error: no? space"


@pytest.fixture(scope="module")
def woods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("woods")
    make_contest(folder / "contest", 1)
    write_weights(folder / "w.safetensors", MODEL)
    (folder / "claimed.json").write_text(json.dumps({"score": 0.5}))
    (folder / "image.tar").write_bytes(b"no archive")
    return folder


BAD = {
    "image": (["--image", "nothing.tar"], "--image nothing.tar does not exist"),
    "weights": (["--weights", "nothing"], "--weights nothing does not exist"),
    "digest": (["--weights-sha256", "1234"], "--weights-sha256 1234 is no SHA-256: wanted 64 hexadecimal digits"),
    "claim": (["--claimed", "image.tar"], "--claimed image.tar cannot be read"),
    "no claim": (["--claimed", "w.json"], "--claimed w.json cannot be read: .*No such file"),
    "phase": (["--phase", "finals"], "no phase finals takes answers: use one of test"),
    "board": (["--board", "other"], "phase test has no board other: use one of ap50"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_option_is_said_in_one_line_and_writes_nothing(woods, name, monkeypatch):
    monkeypatch.chdir(woods)
    options, said = BAD[name]
    given = {"--image": "image.tar", "--weights": "w.safetensors", "--claimed": "claimed.json", "--out": "out"}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    done = CliRunner().invoke(app, ["replicate", "contest", *(text for pair in given.items() for text in pair)])
    assert isinstance(done.exception, BadOption)
    with pytest.raises(BadOption, match=said):
        raise done.exception
    assert not (woods / "out").exists()


def test_a_contest_file_names_images_that_are_there(tmp_path):
    path = make_contest(tmp_path / "contest", 1)
    path.write_text(path.read_text().replace("images: images", "images: pictures"))
    done = CliRunner().invoke(app, ["contest", "check", str(path)])
    assert isinstance(done.exception, BadContest)
    assert "phases[0].images: " in done.output.replace("/", "")
    assert "pictures does not exist" in done.output
