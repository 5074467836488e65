import pytest
from rasterio.enums import ColorInterp

from overtrace.errors import BadOption
from overtrace.raster.roles import find_roles, merge_roles, parse_bands

RED, GREEN, BLUE, NIR, ALPHA, NONE = (
    ColorInterp[name] for name in ("red", "green", "blue", "nir", "alpha", "undefined")
)


@pytest.mark.parametrize(
    ("colours", "descriptions", "roles"),
    [
        ([RED, GREEN, BLUE], [None] * 3, {"red": 1, "green": 2, "blue": 3}),
        ([BLUE, GREEN, RED], [None] * 3, {"blue": 1, "green": 2, "red": 3}),
        ([RED, GREEN, BLUE, ALPHA], [None] * 4, {"red": 1, "green": 2, "blue": 3}),
        ([RED, GREEN, BLUE, NONE], [None] * 4, {"red": 1, "green": 2, "blue": 3, "nir": 4}),
        ([RED, GREEN, BLUE, NIR], [None] * 4, {"red": 1, "green": 2, "blue": 3, "nir": 4}),
        ([NONE] * 4, [None] * 4, {"red": 1, "green": 2, "blue": 3, "nir": 4}),
        ([ColorInterp.gray, NONE, NONE], [None] * 3, {"red": 1, "green": 2, "blue": 3}),
        ([NONE] * 4, ["Blue", "Green", "Red", "Near Infrared"], {"blue": 1, "green": 2, "red": 3, "nir": 4}),
        ([NONE] * 3, ["B04 red", "red edge", "NIR"], {"red": 1, "nir": 3}),
        ([RED, GREEN, BLUE, NONE], [None, None, None, "height"], {"red": 1, "green": 2, "blue": 3}),
        ([ColorInterp.gray], [None], {}),
        ([ColorInterp.gray, ALPHA], [None] * 2, {}),
    ],
)
def test_roles_are_told_by_colour_then_description_then_order(colours, descriptions, roles):
    assert find_roles(colours, descriptions) == roles


def test_bands_as_the_user_gives_them():
    assert parse_bands("red=4, green=3,blue=2") == {"red": 4, "green": 3, "blue": 2}
    assert parse_bands("4,3,2") == {"red": 4, "green": 3, "blue": 2}


@pytest.mark.parametrize("text", ["", "red", "red=", "red=0", "red=x", "=3", "red=1,red=2", "1,2,3,4,5", "red=1,2"])
def test_bands_that_are_not_understood(text):
    with pytest.raises(BadOption, match="is not understood"):
        parse_bands(text)


def test_chosen_roles_go_before_found_ones():
    assert merge_roles({"red": 1, "green": 2}, {"red": 4}, 4) == {"red": 4, "green": 2}
    with pytest.raises(BadOption, match="bands 1 to 3"):
        merge_roles({}, {"red": 4}, 3)
