import pytest

from overtrace.errors import BadOption
from overtrace.models import description
from overtrace.models.description import read_description

TEXT = description.__doc__.partition("\n\n")[2]


def test_the_example_of_the_module_reads(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(TEXT)
    told = read_description(path)
    assert (told.card.name, told.card.planes, told.card.margin) == ("my-crowns", ("interior",), 64)
    assert told.input.std == (0.229, 0.224, 0.225)
    assert told.output.planes == {"interior": 1}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("window = 512", "window = 0", "window: Input should be greater than 0"),
        ("window = 512", "", "window: Field required"),
        ("window = 512", "windows = 512", "window: Field required"),
        ("window = 512", "window = 512\ntiles = 2", "tiles: Extra inputs are not permitted"),
        ("[input]", "[input]\nstdev = [1.0]", "input: stdev: Extra inputs are not permitted"),
        ('"softmax"', '"tanh"', "output: activation: Input should be 'none', 'sigmoid' or 'softmax'"),
        ("interior = 1", "crown = 1", "output: planes.crown.[key]: Input should be"),
        ("interior = 1", "interior = -1", "output: planes.interior: Input should be greater than or equal to 0"),
        ("planes = { interior = 1 }", "", "say which channel is which plane, as in [output] planes = { interior = 0 }"),
        ("mean = [0.485, 0.456, 0.406]", "mean = [0.5, 0.5]", "mean has 2 values for 3 bands"),
        ("std = [0.229, 0.224, 0.225]", "std = [0.0]", "input: std.0: Input should be greater than 0"),
        ("window = 512", 'window = 512\nbands = ["red", "green", "blue", "nir"]\n', "mean has 3 values for 4 bands"),
        (
            "window = 512\n\n[input]\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]",
            'window = 512\nbands = ["nir"]\n[input]\norder = "bgr"',
            "order is bgr with 1 bands: list the bands in the model's own order",
        ),
        ('"planes"', '"detections"', "each mask of a detection stands alone: wanted activation sigmoid or none"),
        ("[input]", "[input", "cannot be read as TOML"),
    ],
)
def test_a_wrong_description_is_told_in_one_line(tmp_path, old, new, said):
    assert old in TEXT
    path = tmp_path / "a.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(BadOption) as caught:
        read_description(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_description(tmp_path):
    with pytest.raises(BadOption, match=r"none\.toml cannot be read as TOML"):
        read_description(tmp_path / "none.toml")
