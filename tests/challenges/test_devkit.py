"""The profile devkit-matlab beside the kit's formulas, written out one image at a time as MATLAB runs them."""

import numpy as np
import pytest
from PIL import Image

from overtrace.challenges.challenge import Question
from overtrace.challenges.protocols import score_files
from overtrace.challenges.scene_files import pair_files
from overtrace.challenges.sceneparsing import score_pairs, score_pairs_like_devkit
from overtrace.errors import BadAnswer
from overtrace.scoring.imresize import resize_bicubic

CLASSES = 150


def hist(labels: np.ndarray) -> np.ndarray:
    """MATLAB's hist(labels, 0:150): the last bin is open."""
    return np.bincount(np.minimum(labels.ravel(), CLASSES), minlength=CLASSES + 1)[1:].astype(float)


def run_the_kit(truth: dict[str, np.ndarray], answer: dict[str, np.ndarray]) -> tuple[float, float]:
    inter, union, correct, labelled = [], [], 0, 0
    for name, found in sorted(answer.items()):
        if name not in truth or found.ndim > 2:
            continue
        true = truth[name].astype(np.uint16)
        if found.shape != true.shape:
            found = resize_bicubic(found, *true.shape)
        found = found.astype(np.uint16)
        correct += ((found == true) & (true > 0)).sum()
        labelled += (true > 0).sum()
        found = found * (true > 0)
        same = hist(found * (found == true))
        inter.append(same)
        union.append(hist(found) + hist(true) - same)
    iou = np.sum(inter, axis=0) / np.sum(np.finfo(float).eps + np.array(union), axis=0)
    return correct / labelled, iou.mean()


def write(folder, maps) -> None:
    folder.mkdir()
    for name, labels in maps.items():
        Image.fromarray(labels).save(folder / f"{name}.png")


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_the_kit(tmp_path, seed):
    rng = np.random.default_rng(seed)
    truth = {f"t{i}": rng.integers(0, CLASSES + 1, (9, 11), np.uint8) for i in range(5)}
    answer = {name: np.where(rng.random(labels.shape) < 0.5, labels, rng.integers(0, 256, labels.shape, np.uint8))
              for name, labels in truth.items()}  # fmt: skip
    answer["t1"] = rng.integers(0, CLASSES + 1, (5, 16), np.uint8)
    answer["t2"] = rng.integers(0, 256, (9, 11, 3), np.uint8)
    answer["t3"] = rng.integers(0, 1000, (9, 11), np.uint16)
    del answer["t4"]
    answer["nobody's"] = truth["t0"]
    write(tmp_path / "truth", truth)
    write(tmp_path / "answer", answer)
    found = score_pairs_like_devkit(pair_files(tmp_path / "truth", tmp_path / "answer", lenient=True), workers=2)
    accuracy, mean_iou = run_the_kit(truth, answer)
    assert found.names == ("t0", "t1", "t3")
    assert (found.whole.accuracy, found.whole.mean_iou) == (accuracy, mean_iou)


def test_a_label_beyond_the_classes_is_an_answer_of_the_last(tmp_path):
    write(tmp_path / "truth", {"a": np.array([[150, 150, 1, 1]], np.uint8)})
    write(tmp_path / "answer", {"a": np.array([[150, 200, 200, 1]], np.uint8)})
    found = score_pairs_like_devkit(pair_files(tmp_path / "truth", tmp_path / "answer")).whole
    # Of class 150 one pixel is right, of a union of two true and two answered besides; the 200 itself is never right.
    assert found.accuracy == 2 / 4
    assert found.iou[149] == 1 / 4
    assert found.iou[0] == 1 / 2


def test_an_answer_in_order_scores_alike_under_both_profiles(tmp_path):
    rng = np.random.default_rng(3)
    truth = {name: rng.integers(0, 151, (30, 40), np.uint8) for name in "abc"}
    answer = {
        name: np.where(rng.random(labels.shape) < 0.3, labels, 7).astype(np.uint8) for name, labels in truth.items()
    }
    write(tmp_path / "truth", truth)
    write(tmp_path / "answer", answer)
    pairs = pair_files(tmp_path / "truth", tmp_path / "answer")
    assert score_pairs_like_devkit(pairs).score == pytest.approx(score_pairs(pairs).score, rel=1e-15)
    verdict = score_files("sceneparsing", Question(tmp_path / "truth", tmp_path / "answer", "devkit-matlab"))
    assert verdict.score == score_pairs_like_devkit(pairs).score
    assert verdict.profile == "devkit-matlab"
    # The PyTorch kit's: 1e-10 in each division.
    assert verdict.parts["mit_semseg"]["score"] == pytest.approx(verdict.score, abs=1e-9)
    assert verdict.parts["mit_semseg"]["score"] != verdict.score


def test_nothing_in_common(tmp_path):
    write(tmp_path / "truth", {"a": np.ones((3, 3), np.uint8)})
    write(tmp_path / "answer", {"b": np.ones((3, 3), np.uint8)})
    with pytest.raises(BadAnswer, match="no map of one band for an image of the truth"):
        score_pairs_like_devkit(pair_files(tmp_path / "truth", tmp_path / "answer", lenient=True))
