"""Names: what shows, and what looks alike."""

import pytest

from overtrace.errors import BadOption
from overtrace.host.names import clean_name, fold


def widen(text: str) -> str:
    """In the full-width letters that stand among Chinese ones."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Deep   Forest ", "Deep Forest"),
        (widen("Trees"), "Trees"),
        ("e\u0301clair", "\u00e9clair"),
        ("树冠\u3000队", "树冠 队"),
    ],
)
def test_a_name_is_kept_in_nfkc_with_single_blanks(typed, kept):
    assert clean_name(typed, "the name") == kept


@pytest.mark.parametrize(
    "hidden",
    [
        "\x00",
        "\t",
        "\n",
        "\x1b",
        "\x7f",
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2028",
        "\ufeff",
        "\u3164",
        "\ufe0f",
        "\ud800",
    ],
)
def test_a_name_holds_nothing_that_does_not_show(hidden):
    with pytest.raises(BadOption, match=rf"U\+{ord(hidden):04X}"):
        clean_name(f"Tre{hidden}es", "the name")


@pytest.mark.parametrize("name", ["", "   ", "...", "\u0301", "x" * 101])
def test_a_name_has_a_letter_and_not_too_many(name):
    with pytest.raises(BadOption):
        clean_name(name, "the name")


@pytest.mark.parametrize("name", ["deep forest", "DEEP  FOREST", "DeepForest", widen("DeepForest"), "Deep\u00a0Forest"])
def test_names_that_differ_by_case_or_blanks_look_alike(name):
    assert fold(clean_name(name, "the name")) == fold("Deep Forest")


@pytest.mark.parametrize("name", ["Straße", "İstanbul", "ǰ", "ΐ", "K\u212a"])
def test_folding_twice_is_folding_once(name):
    assert fold(fold(name)) == fold(name)


def test_names_that_differ_do_not_look_alike():
    assert fold("Deep Forest") != fold("Deep Forests")
