import math

import pytest

from overtrace.errors import BadOption
from overtrace.host.columns import pick_columns
from overtrace.host.contest import Column

PARTS = {
    "accuracy": 0.5,
    "rmse": None,
    "data_sets": [
        {"name": "North", "score": 0.25, "numbers": {"AP": 0.1, "AP50": 0.2}},
        {"name": "South", "score": math.nan, "numbers": {"AP": 0.3, "AP50": 0.4}},
    ],
    "cities": [{"city": "AOI_2_Vegas", "F1": 1}],
}


def pick(*columns):
    return pick_columns(PARTS, [Column(title=title, path=path) for title, path in columns])


def test_a_path_leads_to_a_number():
    assert pick(("Pixel accuracy", "accuracy"), ("AP", "data_sets/South/numbers/AP")) == {
        "Pixel accuracy": 0.5,
        "AP": 0.3,
    }


def test_a_star_is_a_column_for_each_key():
    assert pick(("*", "cities/*/F1")) == {"AOI_2_Vegas": 1.0}
    assert pick(("AP50", "data_sets/*/numbers/AP50")) == {"AP50 North": 0.2, "AP50 South": 0.4}
    assert pick(("* (%)", "data_sets/North/numbers/*")) == {"AP (%)": 0.1, "AP50 (%)": 0.2}
    assert list(pick(("*", "data_sets/*/numbers/*"))) == ["North AP", "North AP50", "South AP", "South AP50"]


def test_what_is_no_number_yet_is_none():
    assert pick(("RMSE", "rmse"), ("*", "data_sets/*/score")) == {"RMSE": None, "North": 0.25, "South": None}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            [("a", "mean_iou")],
            "mean_iou: the scorer has no mean_iou there: wanted one of accuracy, rmse",
        ),
        ([("a", "data_sets/East/score")], "has no East there: wanted one of North, South"),
        ([("a", "accuracy/x")], "has no x there: wanted one of nothing"),
        ([("a", "data_sets")], "data_sets is no number: name one of North, South"),
        ([("a", "data_sets/*/name")], "data_sets/*/name is no number"),
        ([("a", "accuracy"), ("a", "rmse")], "two columns are called a"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(columns, said):
    with pytest.raises(BadOption) as error:
        pick(*columns)
    assert said in str(error.value)
