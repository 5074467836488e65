"""Whatever the bytes of an answer are, checking and scoring end as they should, and agree."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overtrace.challenges.challenge import Question
from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import check_files, score_files
from overtrace.errors import OvertraceError
from tests.support.answers import ANSWERS, TRUTH, protocol_of, write

TOKENS = (
    *(b"0", b"-1", b"1e999", b"NaN", b"9" * 30, b'"', b"\\u0000", b"[", b"]", b"{", b"}", b",", b":", b"null", b"\n"),
    *(b'"score": 1,', b'"segmentation":', b'"counts": [1, 5],', b'"size": [2, 3],', b"POLYGON EMPTY", b"\0", b"\xff"),
    *(b"x,y\n", b"image", b"nan", b"1e9", b"<bndbox>", b"<!DOCTYPE", b"IDAT", b"PK\x01\x02", b"\x80", b"\xc3\xa9"),
)


@st.composite
def damage(draw, data: bytes) -> bytes:
    """The bytes of a file after some accidents."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(at + 20, len(data))))
        kind = draw(st.sampled_from(("cut", "byte", "token", "copy", "drop", "patch")))
        if kind == "cut":
            data = data[:at]
        elif kind == "byte" and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif kind == "token":
            data = data[:at] + draw(st.sampled_from(TOKENS)) + data[end if draw(st.booleans()) else at :]
        elif kind == "copy":
            data = data[:end] + data[at:]
        elif kind == "drop":
            data = data[:at] + data[end:]
        else:
            data = data[:at] + draw(st.binary(max_size=6)) + data[end:]
    return data


@st.composite
def damaged(draw, files: dict[str, bytes]) -> dict[str, bytes]:
    """An answer, one of whose files is damaged."""
    name = draw(st.sampled_from(sorted(files)))
    return {**files, name: draw(damage(files[name]))}


def is_accepted(protocol: str, question: Question) -> bool | None:
    """Whether an answer is scored; None if the truth is at fault."""
    claim = Claim(question.answers, question.truth, question.ids, question.profile)
    found, refused = None, ""
    with suppress(OvertraceError):
        found = check_files(protocol, claim)
    try:
        score_files(protocol, question)
    except OvertraceError as error:
        refused = str(error)
    if found is None:
        assert refused
        return None
    assert refused.startswith(str(found.faults[0]) if found.faults else "")
    assert bool(refused) == bool(found.faults)
    return not refused


@pytest.mark.parametrize("kind", ANSWERS)
@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_checking_and_scoring_agree_on_a_damaged_answer(kind, data):
    with TemporaryDirectory() as folder:
        truth = write(Path(folder, "truth"), TRUTH[kind.split()[0]])
        answers = write(Path(folder, "answers"), data.draw(damaged(ANSWERS[kind])))
        assert is_accepted(protocol_of(kind), Question(truth, answers)) is not None
        # Without truth no more is found than with it, and it ends as well.
        check_files(protocol_of(kind), Claim(answers))


@pytest.mark.parametrize("kind", TRUTH)
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_truth_is_refused_or_scored(kind, data):
    with TemporaryDirectory() as folder:
        truth = write(Path(folder, "truth"), data.draw(damaged(TRUTH[kind])))
        answers = write(Path(folder, "answers"), ANSWERS[kind])
        is_accepted(protocol_of(kind), Question(truth, answers))
