import pytest

from overtrace.host.contest_file import find_data_faults, read_contest
from overtrace.host.trial import try_boards
from tests.support.answers import TRUTH, png, write

POLYGON = b"""{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry":
{"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9], [0, 0]]]}}]}"""
TRUTHS = {
    "itc": ("challenge: itc", TRUTH["itc"], "data_sets/*/score"),
    "sceneparsing": ("challenge: sceneparsing", TRUTH["sceneparsing"], "accuracy"),
    "camvid": ("challenge: camvid", {"a.png": png([[0, 1, 10, 11]] * 3)}, "mean_iou_present"),
    "deepglobe": ("challenge: deepglobe", TRUTH["deepglobe"], "cities/*/F1"),
    "points": ("challenge: trees", TRUTH["trees"], "F1"),
    "boxes": ("challenge: trees", TRUTH["boxes"], "recall"),
    "coco-masks": ("challenge: own\nprofile: coco-masks", TRUTH["itc"], "data_sets/*/numbers/AP50"),
    "pixels": ("challenge: own\nprofile: pixels\nclasses: 3", {"a.png": png([[0, 1, 2, 255]] * 3)}, "mean_iou"),
    "polygons": ("challenge: own\nprofile: polygons", {"a.geojson": POLYGON}, "F1"),
}


def put(folder, rule, path):
    text = f"""\
name: test
title: A test
{rule}
organisers: [{{name: Ada, email: ada@example.org}}]
phases:
- name: one
  title: One
  start: 2026-05-01T00:00:00Z
  end: 2026-06-01T00:00:00Z
  truth: truth
  boards:
  - name: all
    title: All
    columns:
    - {{title: "*", path: "{path}"}}
"""
    (folder / "contest.yaml").write_text(text)
    return read_contest(folder / "contest.yaml")


@pytest.mark.parametrize("kind", TRUTHS)
def test_the_truth_answers_itself(tmp_path, kind):
    rule, truth, path = TRUTHS[kind]
    write(tmp_path / "truth", truth)
    file = put(tmp_path, rule, path)
    assert find_data_faults(file) == []
    (trial,), faults = try_boards(file)
    assert faults == []
    assert (trial.phase, trial.board) == ("one", "all")
    assert trial.columns
    assert list(trial.columns.values()) == pytest.approx([1] * len(trial.columns))


def test_a_column_that_the_scorer_does_not_have_is_named_with_its_line(tmp_path):
    write(tmp_path / "truth", TRUTH["trees"])
    trials, (fault,) = try_boards(put(tmp_path, "challenge: trees", "precison"))
    assert trials == []
    place = f"{tmp_path}/contest.yaml:14 phases[0].boards[0].columns"
    assert str(fault).startswith(
        f"{place}: precison: the scorer has no precison there: wanted one of precision, recall"
    )
