"""What an idea is worth: short trainings with it and without it, on the same crops, scored on what was held back.

    python -m benchmarks.ideas --data DIR --teacher FILE [--only points] [--seeds 2] [--out DIR] [--record]

DIR holds urban_california/ and fair_kampala/. *points*: F1 of tree points within 6 m on val_socal, learned from
train_socal in RGB and near infrared. *roofs*: F1 of buildings at IoU 0.5 on patches of Kampala that were held back,
which are few: what differs by a few hundredths differs by chance. Thresholds are chosen on the same tiles for each, so
that figures are high by a little, and alike. The networks are the smallest, the schedules minutes long: it tells which
ideas help a beginning, not what they are worth at the end of a long training. A run that stands in --out is not run
again.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import tomli_w

from benchmarks.record import describe_machine, publish

Settings = Mapping[str, Any]

FIT = {"batch": 8, "crop_px": 128, "learning_rate": 4e-3, "warm_up": 30, "average": 0.99, "keep_every": 1000}
TREES = {"reader": "urban_california", "folder": "urban_california", "challenge": "trees"}
TAUGHT = {"network": {"planes": ["interior", "distance"]}, "teacher": {"model": "{trees-nir}", "views": 8}}
"""By a model that has no plane of touching borders."""
SOCAL = {"nir": True, "peaks": "points"}
BASES: dict[str, Settings] = {
    "points": {
        "network": {"kind": "mini", "size": "s"},
        "planes": {"interior": 0.3, "distance": 6.0, "peak": 8.0, "focus": 1.0},
        "augment": {"light": 0.4},
        "fit": {**FIT, "steps": 500},
        "validation": {"views": False},
        "data": [{**TREES, "options": {**SOCAL, "split": "train_socal"}, "own_size": 1.0}],
        "check": [{**TREES, "options": {**SOCAL, "split": "val_socal"}, "name": "held-back"}],
        "card": {
            "pixel_size_m": [0.6, 0.6],
            "window": 256,
            "margin": 32,
            "decode": {"peak_px": 2, "min_seed_px": 1, "min_area_px": 1, "grow_px": 12, "hole_px": 0},
        },
    },
    "roofs": {
        "network": {"kind": "mini", "size": "s"},
        "fit": {**FIT, "steps": 300},
        "validation": {"views": False},
        "data": [
            {
                "reader": "fair",
                "folder": "fair_kampala",
                "options": {"zooms": [20]},
                "pixel_size_m": [0.14, 0.3],
                "hold_out": 0.4,
                "challenge": "deepglobe",
            }
        ],
        "card": {"pixel_size_m": [0.15, 0.3], "window": 256, "margin": 32},
    },
}
IDEAS: dict[str, dict[str, Settings]] = {
    "points": {
        "as it is": {},
        "interior alone": {"network": {"planes": ["interior"]}},
        "interior and distance": {"network": {"planes": ["interior", "distance"]}},
        "no focus on the wrong": {"planes": {"focus": 0.0}},
        "losses at three pixel sizes (deep = 0.3)": {"network": {"deep": 0.3}},
        "no average of weights": {"fit": {"average": 0.0}},
        "objects pasted (paste = 3)": {"augment": {"paste": 3.0}},
        "taught by itself, 8 views": {"teacher": {"model": "{as it is}", "views": 8}},
        "interior and distance, taught by trees-nir, 8 views": TAUGHT,
        "RGB, interior and distance": {
            "bands": ["red", "green", "blue"],
            "network": {"planes": ["interior", "distance"]},
        },
        "RGB, interior and distance, taught by trees-nir, 8 views": {"bands": ["red", "green", "blue"], **TAUGHT},
    },
    "roofs": {
        "as it is": {},
        "no touching borders": {"network": {"planes": ["interior", "distance"]}},
        "pixels in gaps weigh more (gap = 8)": {"planes": {"gap": 8.0}},
        "Lovász from 0.6 of the steps": {"planes": {"lovasz_from": 0.6}},
        "losses at three pixel sizes (deep = 0.3)": {"network": {"deep": 0.3}},
        "objects pasted (paste = 3)": {"augment": {"paste": 3.0}},
        "score of instances learned": {"validation": {"scorer": True}},
    },
}


def main() -> None:
    """Train what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data")
    parser.add_argument("--teacher", type=Path, required=True, help="a model file of trees in RGB and near infrared")
    parser.add_argument("--only", nargs="*", default=list(IDEAS), choices=list(IDEAS))
    parser.add_argument("--seeds", type=int, default=2, help="runs of each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/ideas"))
    parser.add_argument("--record", action="store_true", help="add the table to RESULTS.md")
    told = parser.parse_args()
    machine, lines = describe_machine(), []
    for name in told.only:
        rows = {idea: [try_idea(name, idea, seed, told) for seed in range(1, told.seeds + 1)] for idea in IDEAS[name]}
        lines += [*show_table(name, rows), ""]
    publish("benchmarks/ideas.py", machine, lines, record=told.record)


def try_idea(name: str, idea: str, seed: int, told: argparse.Namespace) -> dict[str, float]:
    """Scores of a run on what was held back: of ``fp32`` and of ``int8``."""
    recipe = mix(BASES[name], IDEAS[name][idea])
    out = place(told.out, name, idea, seed)
    if "teacher" in recipe:
        files = {"{trees-nir}": told.teacher, "{as it is}": place(told.out, name, "as it is", seed) / "idea-fp32.onnx"}
        recipe["teacher"]["model"] = str(files[recipe["teacher"]["model"]].resolve())
    kept = out / "scores.json"
    if not kept.exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / "idea.toml").write_text(tomli_w.dumps({**recipe, "name": "idea", "seed": seed}))
        options = ["--data", told.data, "--out", out, "--accelerator", "cpu", "--threads", told.threads]
        command = [sys.executable, "-m", "overtrace", "train", out / "idea.toml", *options, "--resume", "--json"]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, check=True)
        kept.write_bytes(done.stdout)
    scores = json.loads(kept.read_text())["scores"]
    return dict(zip(("fp32", "int8"), scores.values(), strict=True))


def mix(base: Settings, changes: Settings) -> dict[str, Any]:
    """A recipe with some of its settings changed."""
    tables = {
        key: {**base.get(key, {}), **value} if isinstance(value, dict) else value for key, value in changes.items()
    }
    return {**base, **tables}


def place(out: Path, name: str, idea: str, seed: int) -> Path:
    """The folder of a run."""
    words = "".join(letter if letter.isalnum() else " " for letter in idea).split()
    return out / name / f"{'-'.join(words)}-{seed}"


def show_table(name: str, rows: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """A row for each idea: the mean, each seed, against the first, and how far int8 is from fp32."""
    first = mean(run["fp32"] for run in rows["as it is"])
    lines = [f"| {name} | F1 | of each seed | against the first | int8 against fp32 |", "|---|---|---|---|---|"]
    for idea, runs in rows.items():
        found = mean(run["fp32"] for run in runs)
        each = ", ".join(f"{run['fp32']:.3f}" for run in runs)
        drop = mean(run["int8"] - run["fp32"] for run in runs)
        lines.append(f"| {idea} | {found:.3f} | {each} | {found - first:+.3f} | {drop:+.3f} |")
    return lines


if __name__ == "__main__":
    main()
