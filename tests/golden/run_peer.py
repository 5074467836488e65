"""Run an official code of SpaceNet-2 as it is installed elsewhere, and print what it says of each image as JSON.

``PYTHON run_peer.py {solaris,cw-eval,utilities} TRUTH ANSWER [--stable]``: PYTHON is one that has that code; nothing of
ours is imported. Where a code no longer runs as it was written, it is helped from outside: see README.md.
"""

import argparse
import contextlib
import io
import json
import sys
import time
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

IOU = 0.5
LEAST_PX = 20
Counts = dict[str, list[int]]
"""Hits, false alarms and misses of each image."""
Score = Callable[[str, str], tuple[Counts, dict[str, Any]]]
"""From the truth and the answer to what is said of each image and of each city."""


def main() -> None:
    """Run one code on one pair of files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("code", choices=["solaris", "cw-eval", "utilities"])
    parser.add_argument("truth")
    parser.add_argument("answer")
    parser.add_argument("--stable", action="store_true", help="equal confidences keep their order")
    chosen = parser.parse_args()
    if chosen.stable:
        sort_stably()
    score = {"solaris": load_solaris, "cw-eval": load_cw_eval, "utilities": load_utilities}[chosen.code]()
    with contextlib.redirect_stdout(io.StringIO()):
        begin = time.perf_counter()
        images, cities = score(chosen.truth, chosen.answer)
        inside = time.perf_counter() - begin
    print(json.dumps({"name": chosen.code, "images": images, "cities": cities, "inside_s": inside}))


def load_solaris() -> Score:
    """solaris.eval.challenges.spacenet_buildings_2, without the networks that ``import solaris`` brings."""
    spec = find_spec("solaris")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    for name, path in {"solaris": folder, "solaris.eval": folder / "eval"}.items():
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    from solaris.eval.challenges import spacenet_buildings_2

    def score(truth: str, answer: str) -> tuple[Counts, dict[str, Any]]:
        cities, images = spacenet_buildings_2(answer, truth, miniou=IOU, min_area=LEAST_PX)
        return read_table(images.set_index("imageID")), read_cities(cities)

    return score


def read_table(table: Any) -> Counts:
    """A data frame of solaris or cw-eval."""
    return {str(name): [int(row[key]) for key in ("TruePos", "FalsePos", "FalseNeg")] for name, row in table.iterrows()}


def read_cities(table: Any) -> dict[str, Any]:
    """F1 too."""
    return {name: [*counts, float(table.loc[name, "F1Score"])] for name, counts in read_table(table).items()}


def load_cw_eval() -> Score:
    """What cw_eval's challenge for off-nadir images calls, for any images."""
    import pandas
    from cw_eval.baseeval import EvalBase

    def score(truth: str, answer: str) -> tuple[Counts, dict[str, Any]]:
        evaluation = EvalBase(truth)
        evaluation.load_proposal(answer, conf_field_list=["Confidence"], proposalCSV=True)
        rows = evaluation.eval_iou_spacenet_csv(miniou=IOU, minArea=LEAST_PX)
        return read_table(pandas.DataFrame(rows).set_index("imageID")), {}

    return score


def sort_stably() -> None:
    """Let pandas keep the order of equal confidences; its own choice leaves it to chance."""
    import geopandas

    sort = geopandas.GeoDataFrame.sort_values

    def sort_values(frame: Any, *arguments: Any, **options: Any) -> Any:
        return sort(frame, *arguments, kind="stable", **options)

    geopandas.GeoDataFrame.sort_values = sort_values


class Name(str):
    """Python 2 said that a text is larger than any number, which the script relies on."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __gt__(self, other: object) -> bool:
        return True if isinstance(other, int) else str.__gt__(self, str(other))

    def __ge__(self, other: object) -> bool:
        return True if isinstance(other, int) else str.__ge__(self, str(other))


def load_utilities() -> Score:
    """evaluateScene.py, which lies in the folder where this runs."""
    sys.path.insert(0, str(Path.cwd()))
    import rtree
    from spacenetutilities import geoTools

    # Rtree of that time had no length, and was always true.
    rtree.index.Index.__bool__ = lambda index: True
    geoTools.open = lambda path, mode: io.TextIOWrapper(io.FileIO(path), newline="")
    read = geoTools.readwktcsv

    def readwktcsv(*arguments: Any, **options: Any) -> Any:
        return [{**row, "ImageId": Name(row["ImageId"])} for row in read(*arguments, **options)]

    geoTools.readwktcsv = readwktcsv
    import evaluateScene

    def score(truth: str, answer: str) -> tuple[Counts, dict[str, Any]]:
        results = evaluateScene.evaluateSpaceNetSolution(truth, answer, minPolygonSize=LEAST_PX, iouThreshold=IOU)
        stats = results[0]["PerImageStatsResultList"]
        images = {str(name): [int(number) for number in counts[1:]] for counts, name in stats}
        keys = ("TruePositiveTotal", "FalsePositiveTotal", "FalseNegativeTotal")
        cities = {row["AOI_Name"]: [*(int(row[key]) for key in keys), float(row["F1ScoreTotal"])] for row in results}
        return images, {name: counts for name, counts in cities.items() if any(counts)}

    return score


if __name__ == "__main__":
    main()
