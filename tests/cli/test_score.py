import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from overtrace import __version__


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "score", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def files(score_files) -> Path:
    return score_files


CASES = [
    ("itc", "itc.json", "itc-default100", np.nextafter(1, 0) - 2**-53),
    ("sceneparsing", "scenes", "sceneparsing", (1 + 1 / 150) / 2),
    ("camvid", "scenes", "camvid", 1 / 11),
    ("deepglobe", "buildings.csv", "spacenet2-topcoder", 0.25),
    ("trees", "points", "trees", 2 / 3),
]


@pytest.mark.parametrize(("protocol", "name", "profile", "score"), CASES)
def test_each_protocol(files, protocol, name, profile, score):
    out, table = files / "score.json", files / "images.csv"
    truth, answer = files / "truth" / name, files / "answer" / name
    done = run(protocol, "--truth", truth, "--answers", answer, "--json", out, "--per-image", table)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(out.read_text())
    assert found["score"] == pytest.approx(score, rel=1e-15)
    assert (found["protocol"], found["profile"]) == (protocol, profile)
    assert found["scorer"] == {"name": "overtrace", "version": __version__}
    assert found["parts"]
    assert done.stdout.splitlines()[-1] == f"{protocol} ({profile}): {found['score']!r}"
    with table.open() as rows:
        assert len(list(csv.DictReader(rows))) == (3 if protocol == "deepglobe" else 1)
    assert sorted(path.name for path in files.iterdir()) == ["answer", "images.csv", "score.json", "truth"]


@pytest.mark.parametrize(("protocol", "name", "profile", "score"), CASES)
def test_each_protocol_has_a_report(files, protocol, name, profile, score):
    truth, answer, out = files / "truth" / name, files / "answer" / name, files / "report.html"
    done = run(protocol, "--truth", truth, "--answers", answer, "--report", out, "--images", files / "truth")
    assert (done.returncode, done.stderr) == (0, "")
    page = out.read_text()
    assert f'"protocol":"{protocol}","profile":"{profile}"' in page
    assert done.stdout.splitlines()[-1].rpartition(" ")[2] in page
    assert sorted(path.name for path in files.iterdir()) == ["answer", "report.html", "truth"]


def test_a_profile_and_a_list_of_images(files):
    (files / "ids.txt").write_text("AOI_2_Vegas_img1\n")
    arguments = [
        "deepglobe",
        "--truth",
        files / "truth" / "buildings.csv",
        "--answers",
        files / "answer" / "buildings.csv",
    ]
    done = run(*arguments, "--profile", "spacenet-utilities", "--ids", files / "ids.txt")
    # Squares of 100 pixels: all codes agree. One of two houses was found.
    assert done.stdout.splitlines()[-1] == f"deepglobe (spacenet-utilities): {2 / 3!r}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chess", "--truth", "a", "--answers", "b"], "no protocol is called chess: use one of itc, sceneparsing"),
        (["itc", "--truth", "a", "--answers", "b"], "a: it does not exist: check the path"),
        (["itc", "--truth", "truth/itc.json", "--answers", "nothing"], "nothing: it does not exist"),
        (["itc", "--truth", "answer/itc.json", "--answers", "answer/itc.json"], "is no COCO data set"),
        (["itc", "--truth", "truth/itc.json", "--answers", "truth/itc.json"], "wanted a list of results"),
        (
            ["itc", "--truth", "truth/itc.json", "--answers", "answer/itc.json", "--profile", "x"],
            "has no profile called x",
        ),
        (
            ["trees", "--truth", "truth/points", "--answers", "answer/points", "--profile", "x"],
            "has no profile called x",
        ),
        (
            ["trees", "--truth", "truth/points", "--answers", "answer/points", "--json", "no/a.json"],
            "folder no does not",
        ),
        (
            ["deepglobe", "--truth", "truth/buildings.csv", "--answers", "answer/points"],
            "more: overtrace check lists them",
        ),
        (["itc", "--truth", "a", "--answers", "b", "--images", "truth"], "--images needs --report"),
        (["itc", "--truth", "a", "--answers", "b", "--report", "a.html", "--images", "no"], "--images no is no folder"),
        (["sceneparsing", "--truth", "truth/scenes", "--answers", "answer/points"], "it holds no .png file"),
    ],
)
def test_bad_input_is_one_line(files, arguments, said):
    done = run(*arguments, cwd=files)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("overtrace: error: ")
    assert said in line
    assert sorted(path.name for path in files.iterdir()) == ["answer", "truth"]


def test_a_small_set_is_scored_at_once(files):
    arguments = ["itc", "--truth", files / "truth" / "itc.json", "--answers", files / "answer" / "itc.json"]
    run(*arguments)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        assert run(*arguments).returncode == 0
        times.append(time.perf_counter() - begin)
    # Kernels that are compiled anew take half a minute; a busy machine is given some seconds.
    assert min(times) < 6
