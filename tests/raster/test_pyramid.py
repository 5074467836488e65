from itertools import pairwise

import pytest

from overtrace.raster.pyramid import LARGEST_GROUP, lay_layers


@pytest.mark.parametrize(("down", "across"), [(1, 1), (1, 70), (5, 7), (31, 33), (64, 65), (100, 90), (869, 869)])
def test_each_node_is_held_once_and_one_holds_all(down, across):
    layers = lay_layers(down, across)
    assert (layers[0].down, layers[0].across) == (down, across)
    assert len(layers[-1]) == 1
    for below, layer in pairwise(layers):
        seen = {}
        for index in range(len(layer)):
            for row in layer.held(index, below):
                seen |= dict.fromkeys(row, index)
        assert sorted(seen) == list(range(len(below)))
        assert all(layer.holder(child, below) == index for child, index in seen.items())


@pytest.mark.parametrize(("side", "group"), [(15, 1), (44, 1), (45, 1), (64, 2), (100, 3), (300, 8), (869, 8)])
def test_groups_grow_with_the_image_up_to_a_size(side, group):
    assert lay_layers(side, side)[1].side == group <= LARGEST_GROUP


def test_a_country_is_five_layers():
    assert [len(layer) for layer in lay_layers(869, 869)] == [755_161, 109**2, 14**2, 2**2, 1]
