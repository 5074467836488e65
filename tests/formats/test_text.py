import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from overtrace.formats.annotations import as_text
from overtrace.formats.text import BAD, read_integer, read_number, skip_space, skip_string, skip_value


@given(st.floats(-1e300, 1e300), st.sampled_from([repr, "{:.17e}".format, "{:.3f}".format]))
@example(9007199254740993.0, repr)
@example(0.1 + 0.2, repr)
@example(2.420772574847165e-295, repr)
@example(1.2345678901234567e299, repr)
def test_a_number_that_is_sure_is_what_python_reads(value, write):
    text = write(value)
    read, after, sure = read_number(as_text(text.encode()), 0)
    assert after == len(text)
    if sure:
        assert read == float(text)
    else:
        assert read == pytest.approx(float(text), rel=1e-14, abs=1e-300)


def test_nearly_all_shares_are_sure():
    shares = [repr(share) for share in np.random.default_rng(0).random(20_000).tolist()]
    assert sum(read_number(as_text(share.encode()), 0)[2] for share in shares) > 19_990


@pytest.mark.parametrize("text", ["", "-", ".5", "1.", "1e", "1e+", "NaN", "Infinity", '"1"', "null", "[1]"])
def test_what_is_no_number(text):
    assert read_number(as_text(text.encode()), 0)[1] == BAD


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("-7", -7), ("123456789012345678", 123456789012345678), ("5]", 5), ("12,", 12)]
)
def test_an_integer(text, value):
    assert read_integer(as_text(text.encode()), 0) == (value, len(text.rstrip("],")))


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "1234567890123456789", '"3"', "true"])
def test_what_is_no_integer(text):
    assert read_integer(as_text(text.encode()), 0)[1] == BAD


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.booleans())
def test_a_value_is_skipped_whole(value, ascii_only):
    written = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert skip_value(as_text(written + b", 1"), 0) == len(written)
    assert skip_value(as_text(written + b"]"), 0) == len(written)


@given(st.binary(max_size=60))
def test_nothing_runs_past_the_end(data):
    text = as_text(data)
    for skip in (skip_space, skip_string, skip_value):
        assert skip(text, 0) <= len(data) + 1
