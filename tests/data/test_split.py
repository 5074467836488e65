from dataclasses import replace

import numpy as np
import pytest

from overtrace.data.labelled import DataSet
from overtrace.data.split import choose_bands, hold_out, named, share_grounds, subset
from overtrace.errors import BadData
from tests.support.labelled import draw_crowns


def make(count: int, grounds: int) -> DataSet:
    """Images whose pixel size is their number; every ``grounds``-th is of one ground."""
    return DataSet(
        name="squares",
        truth="objects",
        classes=("crown",),
        bands=("red", "green", "blue"),
        names=tuple(f"image {i}" for i in range(count)),
        read=lambda i: draw_crowns(32, float(i)),
        grounds=tuple(f"ground {i % grounds}" for i in range(count)),
    )


@pytest.mark.parametrize("seed", range(5))
def test_ground_is_held_out_whole(seed):
    data = make(30, 10)
    kept, held = hold_out(data, 0.2, np.random.default_rng(seed))
    assert len(held) == 6
    assert not set(kept.grounds) & set(held.grounds)
    assert sorted([*kept.names, *held.names]) == sorted(data.names)
    again = hold_out(data, 0.2, np.random.default_rng(seed))
    assert (again[0].names, again[1].names) == (kept.names, held.names)


@pytest.mark.parametrize(("share", "held"), [(0.01, 1), (0.5, 2), (0.99, 3)])
def test_both_parts_have_a_ground(share, held):
    assert len(hold_out(make(4, 4), share, np.random.default_rng(0))[1]) == held


def test_one_ground_cannot_be_split():
    with pytest.raises(BadData, match="squares shows 1 ground: two are needed to hold one out, add images"):
        hold_out(make(5, 1), 0.5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="share is 1: wanted more than 0"):
        hold_out(make(5, 5), 1, np.random.default_rng(0))


def test_parts_read_their_own_images():
    part = subset(subset(make(6, 3), [5, 3, 1]), [2, 0])
    assert part.names == ("image 1", "image 5")
    assert part.grounds == ("ground 1", "ground 2")
    assert [part.read(i).pixel_size_m for i in range(2)] == [1, 5]
    assert len(subset(part, [])) == 0


def test_images_are_chosen_by_name():
    assert named(make(6, 3), ["image 4", "image 0"]).read(0).pixel_size_m == 4
    with pytest.raises(BadData, match="squares has no image named image 9: name some of its 6"):
        named(make(6, 3), ["image 0", "image 9"])


def test_images_share_ground_by_their_names():
    data = share_grounds(replace(make(3, 3), names=("v_1", "v_2", "w_1")), r"^(\w)_")
    assert data.grounds == ("v", "v", "w")
    assert share_grounds(data, r"\d").grounds == ("1", "2", "1")


@pytest.mark.parametrize(("pattern", "said"), [("(", "is no regular expression"), (r"w(\d)", "in the name v_1 of")])
def test_a_pattern_that_does_not_fit_the_names(pattern, said):
    with pytest.raises(BadData, match=said):
        share_grounds(replace(make(2, 2), names=("v_1", "w_1")), pattern)


@pytest.mark.parametrize("roles", [("blue", "red"), ("green", "blue"), ("green",)])
def test_some_bands_in_the_order_that_is_asked_for(roles):
    data = make(2, 2)
    chosen = choose_bands(data, roles)
    numbers = [data.bands.index(role) for role in roles]
    assert (chosen.bands, chosen.names) == (roles, data.names)
    np.testing.assert_array_equal(chosen.read(1).image, data.read(1).image[..., numbers])


def test_all_bands_are_the_data_itself_and_a_strange_one_is_named():
    data = make(2, 2)
    assert choose_bands(data, ()) is data
    with pytest.raises(BadData, match="squares has no band nir: it has red, green, blue"):
        choose_bands(data, ("red", "nir"))
