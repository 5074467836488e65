"""How fast are scenes scored beside decoding alone, and beside what people use, on the same files?

``python -m benchmarks.scenes [--images 2000] [--repeats 5] [--few 200] [--record]``.

Label maps of ADE20K's size, 150 classes, written by Pillow; 200 are drawn, the others are copies of them. Each tool
reads the PNG files of truth and answer and settles accuracy and mean IoU; tools take turns. The fast ones take all
images, the slow ones the first ``--few`` of them; ratios are of the times per image. Decoding alone is our own reader,
the fastest that we have.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.record import describe_machine, publish

CLASSES = 150
DRAWN = 200
Names = list[str]


def main() -> None:
    """Draw a set, let all tools take turns, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--few", type=int, default=100, help="images for slow tools")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    chosen = parser.parse_args()
    machine = describe_machine()
    with TemporaryDirectory() as place:
        folder = Path(place)
        pixels = write_maps(folder, chosen.images)
        tools = list_tools(folder, chosen.workers)
        names = sorted(path.name for path in (folder / "truth").iterdir())
        times: dict[str, list[float]] = {tool: [] for tool in tools}
        said: dict[str, float] = {}
        for turn in range(chosen.repeats + 1):
            for tool, (run, fast) in tools.items():
                part = names if fast else names[: chosen.few]
                begin = time.perf_counter()
                said[tool] = run(part)
                if turn:  # The first one warms up.
                    times[tool].append((time.perf_counter() - begin) / len(part))
    lines = [
        f"- {chosen.images:,} pairs of maps, {pixels / chosen.images / 1e6:.2f} megapixels each, "
        f"{chosen.workers} threads where a tool has any; peers that are marked so on {chosen.few}"
    ]
    for tool, (_, fast) in tools.items():
        lines.append(describe(tool, times, said[tool], "" if fast else " (marked)"))
    publish("benchmarks/scenes.py", machine, lines, record=chosen.record)


def describe(tool: str, times: dict[str, list[float]], said: float, mark: str) -> str:
    """One line of figures; ratios are medians of those of each turn."""
    line = f"- {tool}{mark}: {1e3 * statistics.median(times[tool]):.3f} ms a pair"
    if tool != "decoding alone":
        line += f", mean IoU {said!r}"
    base = "overtrace" if tool not in ("overtrace", "decoding alone") else "decoding alone"
    if tool == base:
        return line
    ratio = statistics.median(a / b for a, b in zip(times[tool], times[base], strict=True))
    return f"{line}; **{ratio:.2f} times {'ours' if base == 'overtrace' else base}**"


def write_maps(folder: Path, images: int) -> int:
    """Truth and answer, as patches of labels whose borders are off by some pixels; how many pixels truth has.

    Every DRAWN maps the same come again, as files of their own: drawing takes longer than all tools together.
    """
    rng = np.random.default_rng(0)
    sizes: list[int] = []
    for side in ("truth", "answer"):
        (folder / side).mkdir()
    pixels = 0
    for i in range(images):
        if i >= DRAWN:
            for side in ("truth", "answer"):
                old, new = (folder / side / f"ADE_val_{n:08d}.png" for n in (i % DRAWN, i))
                shutil.copyfile(old, new)
            pixels += sizes[i % DRAWN]
            continue
        height, width = (int(side) for side in rng.normal((512, 683), 60).clip(256, 1000))
        spots = rng.uniform(0, 1, (int(rng.integers(8, 30)), 2)) * (height, width)
        labels = rng.integers(0, CLASSES + 1, len(spots)).astype(np.uint8)
        rows, cols = np.mgrid[:height, :width].astype(np.float32)
        for side, shift in (("truth", 0.0), ("answer", 9.0)):
            waves = 6 * np.sin(cols / 19 + i) + 6 * np.cos(rows / 23)
            best, found = np.full((height, width), np.inf, np.float32), np.zeros((height, width), np.uint8)
            for (y, x), label in zip(spots + rng.normal(0, shift, spots.shape), labels, strict=True):
                far = np.hypot(rows - y + waves, cols - x)
                nearer = far < best
                best[nearer], found[nearer] = far[nearer], label if side == "truth" else max(label, 1)
            Image.fromarray(found).save(folder / side / f"ADE_val_{i:08d}.png")
        sizes.append(height * width)
        pixels += sizes[-1]
    return pixels


def list_tools(folder: Path, workers: int) -> dict[str, tuple[Callable[[Names], float], bool]]:
    """What runs, and whether it takes all images."""
    tools: dict[str, tuple[Callable[[Names], float], bool]] = {
        "decoding alone": (lambda names: decode(folder, names, workers), True),
        "overtrace": (lambda names: score_ours(folder, names, workers), True),
    }
    if importlib.util.find_spec("cv2"):
        tools[f"cv2 {version('opencv-python-headless')} and numpy.bincount"] = (
            lambda names: score_bincount(folder, names, workers, read_cv2),
            True,
        )
    tools[f"Pillow {version('pillow')} and numpy.bincount"] = (
        lambda names: score_bincount(folder, names, workers, read_pillow),
        True,
    )
    if importlib.util.find_spec("torchmetrics"):
        tools[f"torchmetrics {version('torchmetrics')}"] = (lambda names: score_torchmetrics(folder, names), False)
    if importlib.util.find_spec("mmeval"):
        tools[f"mmeval {version('mmeval')}"] = (lambda names: score_mmeval(folder, names), False)
    if importlib.util.find_spec("mit_semseg"):
        tools[f"mit_semseg {version('mit-semseg')}"] = (lambda names: score_mit_semseg(folder, names), False)
    return tools


def decode(folder: Path, names: Names, workers: int) -> float:
    """Read all maps and look at nothing."""
    from overtrace.scoring.png import read_labels

    def read(name: str) -> None:
        for side in ("truth", "answer"):
            path = folder / side / name
            read_labels(path.read_bytes(), path)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(read, names))
    return 0.0


def score_ours(folder: Path, names: Names, workers: int) -> float:
    """Mean IoU by this project."""
    from overtrace.challenges.scene_files import pair_files
    from overtrace.challenges.sceneparsing import score_pairs

    wanted = set(names)
    pairs = [pair for pair in pair_files(folder / "truth", folder / "answer") if f"{pair.name}.png" in wanted]
    return score_pairs(pairs, workers=workers).whole.mean_iou


def read_cv2(path: Path) -> np.ndarray:
    """A map by OpenCV."""
    import cv2

    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def read_pillow(path: Path) -> np.ndarray:
    """A map by Pillow."""
    with Image.open(path) as image:
        return np.asarray(image)


def score_bincount(folder: Path, names: Names, workers: int, read: Callable[[Path], np.ndarray]) -> float:
    """Mean IoU as it is usually written: one joint histogram of both maps."""

    def count(name: str) -> np.ndarray:
        true, found = (read(folder / side / name).ravel() for side in ("truth", "answer"))
        joint = true.astype(np.uint16) * (CLASSES + 1) + found
        return np.bincount(joint, minlength=(CLASSES + 1) ** 2)

    with ThreadPoolExecutor(workers) as pool:
        table = sum(pool.map(count, names)).reshape(CLASSES + 1, CLASSES + 1)[1:]
    return _mean_iou(table)


def _mean_iou(table: np.ndarray) -> float:
    both = np.diagonal(table[:, 1:])
    union = table.sum(axis=1) + table[:, 1:].sum(axis=0) - both
    return float(np.divide(both, union, out=np.zeros(CLASSES), where=union > 0).mean())


def score_torchmetrics(folder: Path, names: Names) -> float:
    """Mean IoU from torchmetrics' confusion matrix."""
    import torch
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    table = np.zeros((CLASSES + 1, CLASSES + 1), np.int64)
    for name in names:
        true, found = (torch.from_numpy(read_pillow(folder / side / name).copy()) for side in ("truth", "answer"))
        table += multiclass_confusion_matrix(found, true, CLASSES + 1).numpy()
    return _mean_iou(table[1:])


def score_mmeval(folder: Path, names: Names) -> float:
    """Mean IoU by mmeval, which takes it over the classes that occur."""
    from mmeval import MeanIoU

    metric = MeanIoU(num_classes=CLASSES, ignore_index=-1)
    for name in names:
        true, found = (read_pillow(folder / side / name).astype(int) - 1 for side in ("truth", "answer"))
        metric.add(found[None], true[None])
    return float(metric.compute()["mIoU"])


def score_mit_semseg(folder: Path, names: Names) -> float:
    """Mean IoU by the PyTorch kit."""
    from mit_semseg.utils import accuracy, intersectionAndUnion

    both, union = np.zeros(CLASSES), np.zeros(CLASSES)
    for name in names:
        true, found = (read_pillow(folder / side / name).astype(int) - 1 for side in ("truth", "answer"))
        accuracy(found, true)
        inter, area = intersectionAndUnion(found, true, CLASSES)
        both += inter
        union += area
    return float((both / (union + 1e-10)).mean())


if __name__ == "__main__":
    main()
