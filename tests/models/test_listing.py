import pytest

from overtrace.models.card import Score
from overtrace.models.listing import (
    Figure,
    gather,
    pick_agreement,
    pick_scores,
    tell_bands,
    tell_classes,
    tell_pixel_size,
    tell_training,
)
from tests.support.networks import conv_card

RGB = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("bands", "told"), [(RGB, "RGB"), ((*RGB, "nir"), "RGB+NIR"), (("nir", "red"), "nir, red"), (("swir",), "swir")]
)
def test_bands(bands, told):
    assert tell_bands(conv_card(bands=bands)) == told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pixel_size_m": (0.1, 0.6)}, "0.1 to 0.6 m"),
        ({"pixel_size_m": (0.3, 0.3)}, "0.3 m"),
        ({"pixel_size_m": None}, "any"),
        ({"pixel_size_m": None, "short_side_px": 360}, "photos"),
        ({"pixel_size_m": None, "task": "classes"}, "photos"),
    ],
)
def test_pixel_size(changes, told):
    assert tell_pixel_size(conv_card(**changes)) == told


@pytest.mark.parametrize(
    ("classes", "told"),
    [("a", "a"), ("abc", "a, b, c"), ("abcd", "a, b and 2 more"), ("abcdefghijk", "a, b and 9 more")],
)
def test_many_classes_are_shortened(classes, told):
    assert tell_classes(conv_card(classes=tuple(classes))) == told


def test_the_first_sentence_says_where_it_was_trained():
    card = conv_card(training="On 383 tiles of Ventura et al. 2024 at 0.6 m, Southern California. Tuned elsewhere.")
    assert tell_training(card) == "On 383 tiles of Ventura et al. 2024 at 0.6 m, Southern California."


def test_which_figures_are_picked():
    names = ("trees", "point at 6 m F1", "point at 6 m precision", "point at 6 m recall")
    agreement = ("against fp32: mean difference of planes", "against fp32: share of pixels with the same interior")
    facts = {"value": 0.5, "data": "val", "by": "r", "date": "d", "commit": "c"}
    card = conv_card(scores=tuple(Score(name=name, **facts) for name in (*names, *agreement)))
    assert [score.name for score in pick_scores(card)] == ["trees", "point at 6 m F1"]
    assert [score.name for score in pick_agreement(card)] == [agreement[1]]


def test_figures_that_thresholds_were_chosen_on_stand_only_for_themselves():
    facts = {"value": 0.5, "by": "r", "date": "d", "commit": "c"}
    own = Score(name="F1", data="train-0: 6 images, thresholds chosen on them", **facts)
    other = Score(name="F1", data="val: 6 images", **facts)
    assert pick_scores(conv_card(scores=(own, other))) == [other]
    assert pick_scores(conv_card(scores=(own,))) == [own]


def test_figures_of_one_measure_stand_in_one_line():
    facts = {"by": "r", "date": "d", "commit": "c"}
    others = "by a network that learned the others, thresholds chosen on all"
    told = (
        ("F1", 0.5, "val: 6 images"),
        ("F1 with 8 views", 0.75, "val: 6 images"),
        ("F1", 0.25, "town: 2 images"),
        ("cross-validated F1", 0.125, f"town: 4 images, {others}"),
        ("cross-validated F1 with 8 views", 0.375, f"town: 4 images, {others}"),
        ("cross-validated F1", 0.625, f"town: 1 image, {others}"),
        ("cross-validated F1 with 8 views", 0.875, f"town: 1 image, {others}"),
    )
    assert gather(Score(name=name, value=value, data=data, **facts) for name, value, data in told) == [
        Figure("F1", ("0.5000",), ("0.7500",), 8, "val: 6 images"),
        Figure("F1", ("0.2500",), (), 0, "town: 2 images"),
        Figure("cross-validated F1", ("0.1250", "0.6250"), ("0.3750", "0.8750"), 8, f"town: 4 and 1 images, {others}"),
    ]
