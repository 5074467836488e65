"""How fast is scoring beside the scorers that people use, on the same files?

``python -m benchmarks.scoring [--images 500] [--least 60] [--most 300] [--repeats 5] [--polygons] [--keep FOLDER]
[--record]``.

Each tool reads the JSON files and settles all twelve numbers, in a process of its own; tools take turns. The time
within the process leaves out start-up and, for ours, the loading of kernels; the time of the process has all of it, and
is that of ``overtrace score`` for ours, kernels compiled before.
Peers: pycocotools, ultrafast-pycocotools, faster-coco-eval, hotcoco, where they are installed.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.record import describe_machine, publish

PEERS = {
    "ultrafast-pycocotools": "ultrafast_pycocotools",
    "faster-coco-eval": "faster_coco_eval",
    "hotcoco": "hotcoco",
    "pycocotools": "pycocotools",
}


def main() -> None:
    """Draw a set, let all tools take turns, print, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--least", type=int, default=60, help="crowns in an image")
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--cap", type=int, default=100, help="detections kept of an image")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="folder of the set, drawn there if it is not yet")
    parser.add_argument("--polygons", action="store_true", help="truth as polygons")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without", nargs="*", default=[], help="tools to leave out")
    parser.add_argument("--record", action="store_true", help="append the figures to RESULTS.md")
    parser.add_argument("--one", nargs=4, metavar=("TOOL", "TRUTH", "ANSWER", "CAP"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(run_one(*chosen.one, chosen.workers)))
        return
    from benchmarks.itc_set import write_set

    machine = describe_machine()
    tools = ["overtrace", *(name for name, module in PEERS.items() if importlib.util.find_spec(module))]
    tools = [tool for tool in tools if tool not in chosen.without]
    with TemporaryDirectory() as folder:
        place = chosen.keep or Path(folder) / "set"
        if not (place / "facts.json").exists():
            facts = {"images": chosen.images, **write_set(place, chosen.images, 0, chosen.least, chosen.most)}
            (place / "facts.json").write_text(json.dumps(facts))
        facts = json.loads((place / "facts.json").read_text())
        write_set(place / "warm", 3, 1)
        truth = "truth_polygons.json" if chosen.polygons else "truth_rle.json"
        runs: dict[str, list[dict]] = {tool: [] for tool in tools}
        for _ in range(chosen.repeats):
            for tool in tools:
                runs[tool].append(measure(tool, place, truth, chosen.cap, chosen.workers))
    title = f"{facts['images']:,} images, {facts['crowns']:,} crowns, {facts['detections']:,} detections"
    lines = [
        f"- {title}; truth as {truth.split('_')[1][:-5]}, {chosen.cap} detections an image, {chosen.workers} threads"
    ]
    lines += [describe(tool, runs[tool], runs["overtrace"]) for tool in tools]
    publish("benchmarks/scoring.py", machine, lines, record=chosen.record)


def describe(tool: str, runs: list[dict], ours: list[dict]) -> str:
    """One line of figures; ratios are medians of those of each turn."""
    inside, whole = (statistics.median(run[key] for run in runs) for key in ("inside_s", "process_s"))
    peak = max(run["peak_mb"] for run in runs)
    figures = f"{inside:.3f} s, as a process {whole:.2f} s, peak {peak:.0f} MB, AP50 {runs[0]['ap50']!r}"
    line = f"- {tool} {version(tool)}: {figures}"
    if tool == "overtrace":
        return line
    ratios = [
        statistics.median(theirs[key] / own[key] for theirs, own in zip(runs, ours, strict=True))
        for key in ("inside_s", "process_s")
    ]
    return f"{line}; **{ratios[0]:.1f} times ours, {ratios[1]:.1f} as a process**"


def measure(tool: str, folder: Path, truth: str, cap: int, workers: int) -> dict:
    """One turn of one tool in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--workers", str(workers)]
    command += ["--one", tool, str(folder / truth), str(folder / "answer.json"), str(cap)]
    begin = time.perf_counter()
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    whole = time.perf_counter() - begin
    if tool == "overtrace":
        # Above, a small set is scored first, which loads the kernels; the process of a user is the command.
        command = [str(Path(sys.executable).with_name("overtrace")), "score", "itc", "--workers", str(workers)]
        command += ["--truth", str(folder / truth), "--answers", str(folder / "answer.json")]
        command += ["--profile", "itc-default100" if cap == 100 else "itc-uncapped"]
        begin = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        whole = time.perf_counter() - begin
    return {**json.loads(answer.splitlines()[-1]), "process_s": whole}


def run_one(tool: str, truth: str, answer: str, cap: str, workers: int) -> dict:
    """Import, warm up, score once."""
    score = {"overtrace": score_ours, "hotcoco": score_hotcoco}.get(tool, score_like_pycocotools)
    if tool == "overtrace":
        warm = Path(truth).parent / "warm"
        score(tool, str(warm / Path(truth).name), str(warm / "answer.json"), int(cap), workers)
    with contextlib.redirect_stdout(io.StringIO()):
        begin = time.perf_counter()
        ap50 = score(tool, truth, answer, int(cap), workers)
        inside = time.perf_counter() - begin
    return {"inside_s": inside, "ap50": ap50, "peak_mb": read_peak_mb()}


def read_peak_mb() -> float:
    """Largest resident memory of this process; getrusage would count that of its parent too."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def score_ours(tool: str, truth: str, answer: str, cap: int, workers: int) -> float:
    """AP50 by this project."""
    from overtrace.challenges import itc, itc_files

    del tool
    data_sets, answers = itc_files.read(Path(truth), Path(answer))
    score = itc.score_answer(data_sets, answers, itc.Profile("benchmark", (1, 10, cap)), workers)
    return score.score


def score_like_pycocotools(tool: str, truth: str, answer: str, cap: int, workers: int) -> float:
    """AP50 by pycocotools, or by what is used in its place."""
    del workers
    if tool == "ultrafast-pycocotools":
        from ultrafast_pycocotools.coco import COCO
        from ultrafast_pycocotools.cocoeval import COCOeval
    elif tool == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as COCOeval
    data = COCO(truth)
    evaluation = COCOeval(data, data.loadRes(answer), "segm")
    return _settle(evaluation, cap)


def score_hotcoco(tool: str, truth: str, answer: str, cap: int, workers: int) -> float:
    """AP50 by hotcoco."""
    import hotcoco

    del tool, workers
    data = hotcoco.COCO(truth)
    return _settle(hotcoco.COCOeval(data, data.load_res(answer), "segm"), cap)


def _settle(evaluation, cap: int) -> float:
    if hasattr(evaluation.params, "maxDets"):
        evaluation.params.maxDets = [1, 10, cap]
    else:
        evaluation.params.max_dets = [1, 10, cap]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[1])


if __name__ == "__main__":
    main()
