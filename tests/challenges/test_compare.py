"""A draw is settled as if its images were files: each protocol is scored again on files that are really repeated."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.compare import compare_files
from overtrace.challenges.protocols import score_files
from overtrace.errors import BadOption
from tests.support.coco_sets import draw_set

IMAGES = 5
Times = list[int]


def write_itc(folder: Path, times: Times, seed: int) -> None:
    for name, own in (("a", times[:3]), ("b", times[3:])):
        data, results = draw_set(np.random.default_rng(7), len(own), 2)
        scores = np.random.default_rng(seed).permutation(len(results)) / 100
        for row, score in zip(results, scores.tolist(), strict=True):
            row["score"] = score
        ids = sorted(image["id"] for image in data["images"])
        copies = {image: [10 * image + copy for copy in range(number)] for image, number in zip(ids, own, strict=True)}
        repeated = {
            "images": [{**row, "id": copy} for row in data["images"] for copy in copies[row["id"]]],
            "categories": data["categories"],
            "annotations": [
                {**row, "image_id": copy} for row in data["annotations"] for copy in copies[row["image_id"]]
            ],
        }
        for i, row in enumerate(repeated["annotations"]):
            row["id"] = i + 1
        (folder / "truth").mkdir(exist_ok=True, parents=True)
        (folder / "answer").mkdir(exist_ok=True)
        (folder / "truth" / f"{name}.json").write_text(json.dumps(repeated))
        rows = [{**row, "image_id": copy} for row in results for copy in copies[row["image_id"]]]
        (folder / "answer" / f"{name}.json").write_text(json.dumps(rows))


def write_scenes(folder: Path, times: Times, seed: int) -> None:
    for side in ("truth", "answer"):
        (folder / side).mkdir(parents=True)
        rng = np.random.default_rng(3 if side == "truth" else seed)
        for image, number in enumerate(times):
            labels = rng.integers(0, 5, (8, 8), np.uint8)
            for copy in range(number):
                Image.fromarray(labels).save(folder / side / f"{image}_{copy}.png")


def write_buildings(folder: Path, times: Times, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines: dict[str, list[str]] = {"truth": [], "answer": []}
    for image, number in enumerate(times):
        city = "AOI_2_Vegas" if image < 3 else "AOI_3_Paris"
        shifts = rng.integers(0, 8, 4)
        for copy in range(number):
            for i, shift in enumerate(shifts):
                for side, x in (("truth", 40 * i), ("answer", 40 * i + shift)):
                    ring = f"{x} 0,{x + 10} 0,{x + 10} 10,{x} 10,{x} 0"
                    lines[side].append(f'{city}_img{image}c{copy},{i},"POLYGON (({ring}))",1')
    folder.mkdir()
    for side, rows in lines.items():
        (folder / side).write_text("\n".join(rows))
        (folder / side).rename(folder / f"{side}.csv")


def write_trees(folder: Path, times: Times, seed: int) -> None:
    for side in ("truth", "answer"):
        (folder / side).mkdir(parents=True)
        rng = np.random.default_rng(5 if side == "truth" else seed)
        for image, number in enumerate(times):
            points = rng.uniform(0, 20, (6, 2))
            rows = "x,y\n" + "\n".join(f"{x},{y}" for x, y in points)
            for copy in range(number):
                (folder / side / f"{image}_{copy}.csv").write_text(rows)


WRITERS: dict[str, tuple[Callable[[Path, Times, int], None], str]] = {
    "itc": (write_itc, ""),
    "sceneparsing": (write_scenes, ""),
    "camvid": (write_scenes, ""),
    "deepglobe": (write_buildings, ".csv"),
    "trees": (write_trees, ""),
}


def ask(protocol: str, folder: Path, times: Times, seed: int = 1) -> Question:
    write, suffix = WRITERS[protocol]
    write(folder, times, seed)
    return Question(folder / f"truth{suffix}", folder / f"answer{suffix}")


@pytest.mark.parametrize("protocol", WRITERS)
@pytest.mark.parametrize("times", [[1, 1, 1, 1, 1], [2, 0, 1, 0, 2], [0, 0, 3, 1, 1], [1, 1, 1, 2, 0]])
def test_a_draw_is_scored_as_repeated_files_are(tmp_path, protocol, times):
    once = score_files(protocol, ask(protocol, tmp_path / "once", [1] * IMAGES))
    repeated = score_files(protocol, ask(protocol, tmp_path / "repeated", times))
    parts = once.sample.settle(np.array([times]))
    assert parts.shape == (1, len(once.sample.parts))
    if times == [1] * IMAGES:
        assert parts.mean() == once.score
    assert parts.mean() == pytest.approx(repeated.score, rel=1e-12)


@pytest.mark.parametrize("protocol", WRITERS)
def test_an_answer_and_a_worse_one(tmp_path, protocol):
    question = ask(protocol, tmp_path / "one", [1] * IMAGES)
    other = ask(protocol, tmp_path / "other", [1] * IMAGES, seed=2)
    # Of these the truth is an answer too.
    perfect = [question.truth] if protocol in ("sceneparsing", "camvid", "trees") else []
    found = compare_files(protocol, question, [question.answers, other.answers, *perfect], resamples=200)
    for standing, verdict in zip(found.standings, found.verdicts, strict=True):
        assert standing.score == verdict.score
        assert standing.low <= standing.score <= standing.high
    if perfect:
        # It wins every draw.
        assert found.standings[2].best_rank == found.standings[2].worst_rank == 1
        np.testing.assert_array_equal(found.standings[2].beats, [1, 1, 0.5])


def test_the_same_seed_gives_the_same_numbers(tmp_path):
    question = ask("trees", tmp_path / "one", [1] * IMAGES)
    other = ask("trees", tmp_path / "other", [1] * IMAGES, seed=2)
    answers = [question.answers, other.answers]
    one, two = (compare_files("trees", question, answers, 200, seed=seed).as_json() for seed in (4, 4))
    assert one == two
    assert one != compare_files("trees", question, answers, 200, seed=5).as_json()
    assert [row["name"] for row in one["answers"]] == ["one/answer", "other/answer"]


def test_what_cannot_be_compared(tmp_path):
    question = ask("trees", tmp_path / "one", [1] * IMAGES)
    with pytest.raises(BadOption, match="one answer cannot be compared"):
        compare_files("trees", question, [question.answers])
    with pytest.raises(BadOption, match="compared with itself"):
        compare_files("trees", question, [question.answers, question.answers])
    with pytest.raises(BadOption, match="99 resamples"):
        compare_files("trees", question, [question.answers, question.truth], resamples=99)
