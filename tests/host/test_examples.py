import csv
import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.inspection import Claim
from overtrace.challenges.protocols import check_files, score_files
from overtrace.errors import BadOption, BadOutput
from overtrace.host.contest_file import find_data_faults, list_gaps, list_paths, read_contest
from overtrace.host.examples import EXAMPLES, make_answer, make_example
from overtrace.host.trial import ask, try_boards

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILES = [(name, "contest.yaml") for name in EXAMPLES] + [("itc", "contest-2026.yaml")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("examples")
    return {name: make_example(name, folder / name, NOW).parent for name in EXAMPLES}


@pytest.mark.parametrize(("name", "file"), FILES)
def test_an_example_is_complete_and_in_order(folders, name, file):
    contest_file = read_contest(folders[name] / file)
    assert find_data_faults(contest_file) == []
    assert [gap for gap in list_gaps(contest_file.contest) if "locks_at" not in gap] == []


@pytest.mark.parametrize(("name", "file"), FILES)
def test_an_example_takes_answers_when_it_is_made(folders, name, file):
    phases = read_contest(folders[name] / file).contest.phases
    assert any(phase.is_open(NOW) for phase in phases)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_the_truth_is_a_perfect_answer_on_every_board(folders, name, file):
    contest_file = read_contest(folders[name] / file)
    trials, faults = try_boards(contest_file)
    assert faults == []
    assert len(trials) == sum(len(phase.boards) for phase in contest_file.contest.phases) > 0
    for trial in trials:
        assert trial.score == pytest.approx(1)
        assert list(trial.columns.values()) == pytest.approx([1] * {"itc": 9, "sceneparsing": 2, "deepglobe": 4}[name])


@pytest.mark.parametrize(("name", "file"), FILES)
def test_answers_are_in_order_and_the_better_the_higher_their_score(folders, name, file):
    contest_file = read_contest(folders[name] / file)
    i, phase = [(i, phase) for i, phase in enumerate(contest_file.contest.phases) if phase.truth][-1]
    scores = []
    for quality in (0, 0.5, 1):
        answer = make_answer(folders[name] / file, phase.name, quality, np.random.default_rng(7))
        ids, truth = contest_file.resolve(phase.ids), contest_file.resolve(phase.truth)
        assert check_files(name, Claim(answer, ids=ids)).faults == []
        assert check_files(name, Claim(answer, truth)).faults == []
        scores.append(score_files(name, ask(contest_file, i, phase.boards[0], answer)).score)
    assert scores == sorted(scores)
    assert scores[0] < 0.2
    assert scores[-1] == pytest.approx(1)


def test_an_answer_is_drawn_by_its_rng_and_has_a_name_of_its_own(folders):
    first, again, other = (
        make_answer(folders["deepglobe"], "final", 0.5, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert len({first, again, other}) == 3
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    with pytest.raises(ValueError, match="no phase training that takes answers"):
        make_answer(folders["itc"], "training", 0.5, np.random.default_rng(0))


def digests(folder) -> dict[str, str]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_the_same_whenever_it_is_made(tmp_path, name):
    one, two = (digests(make_example(name, tmp_path / folder).parent) for folder in "ab")
    assert one == two


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_truth_is_in_what_participants_are_given(folders, name):
    file = read_contest(folders[name] / "contest.yaml")
    found = list_paths(file.folder, file.tree, "truth")
    truths = [path for _, truth in found for path in ([truth] if truth.is_file() else truth.rglob("*.*"))]
    assert truths
    given = [path.read_bytes() for path in (folders[name] / "data").iterdir()]
    for path in (folders[name] / "data").glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            given += [archive.read(member) for member in archive.namelist()]
    assert not {path.read_bytes() for path in truths} & set(given)


def test_crowns_are_nine_data_sets_with_ids_of_their_own(folders):
    contents = [json.loads(path.read_text()) for path in sorted((folders["itc"] / "truth" / "testing").iterdir())]
    ids = [image["id"] for content in contents for image in content["images"]]
    assert (len(contents), len(set(ids))) == (9, len(ids))
    assert sorted(json.loads((folders["itc"] / "data" / "testing_img_id.json").read_text()).values()) == ids


def test_scenes_have_all_classes_and_pixels_without_one(folders):
    maps = [np.asarray(Image.open(path)) for path in (folders["sceneparsing"] / "truth" / "testing").iterdir()]
    assert np.unique(maps).tolist() == list(range(151))


def test_public_and_private_images_are_halves_of_each_city(folders):
    with (folders["deepglobe"] / "truth" / "final.csv").open(newline="") as rows:
        images = {row["ImageId"] for row in csv.DictReader(rows)}
    boards = folders["deepglobe"] / "boards"
    public, private = (set((boards / f"final_{half}.txt").read_text().split()) for half in ("public", "private"))
    assert (public & private, public | private) == (set(), images)
    for half in (public, private):
        assert {city: sum(name.startswith(city) for name in half) for city in ("AOI_2", "AOI_3", "AOI_4", "AOI_5")} == {
            "AOI_2": 3, "AOI_3": 3, "AOI_4": 3, "AOI_5": 3,
        }  # fmt: skip


def test_dates_with_a_source_are_those_of_the_contests(tmp_path):
    ends = {}
    for name in EXAMPLES:
        make_example(name, tmp_path / name)
    for name, file in FILES:
        phase = read_contest(tmp_path / name / file).contest.phases[-1]
        ends[name, file] = phase.end.isoformat()
    assert ends == {
        ("itc", "contest.yaml"): "2024-06-22T00:00:00+00:00",
        ("itc", "contest-2026.yaml"): "2026-06-01T00:00:00+00:00",
        ("sceneparsing", "contest.yaml"): "2016-09-19T00:00:00+00:00",
        ("deepglobe", "contest.yaml"): "2018-05-15T23:59:00+00:00",
    }


def test_dates_are_moved_by_whole_days(tmp_path, folders):
    as_it_was = read_contest(make_example("deepglobe", tmp_path / "a")).contest
    moved = read_contest(folders["deepglobe"] / "contest.yaml").contest
    (days,) = {
        getattr(new, end) - getattr(old, end)
        for old, new in zip(as_it_was.phases, moved.phases, strict=True)
        for end in ("start", "end")
    } | {moved.teams.locks_at - as_it_was.teams.locks_at}
    assert days.seconds == days.microseconds == 0


def test_an_example_does_not_replace_anything(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    with pytest.raises(BadOutput, match="holds something else"):
        make_example("itc", tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "file"]
    with pytest.raises(BadOption, match="no example is called chess: use one of itc, sceneparsing, deepglobe"):
        make_example("chess", tmp_path / "chess")
