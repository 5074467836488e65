import json
import subprocess
import sys

import pytest

from overtrace import __version__
from tests.support.answers import ANSWERS, TRUTH, protocol_of, result, rle, write


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


LINES = {
    "itc": "1 file, 2 images, 4 detections",
    "sceneparsing": "2 files, 2 images",
    "deepglobe": "2 images, 1 building",
    "trees": "1 image, 2 trees",
}


@pytest.mark.parametrize("kind", LINES)
def test_an_answer_in_order_is_one_line(tmp_path, kind):
    truth, answers = write(tmp_path / "truth", TRUTH[kind]), write(tmp_path / "answers", ANSWERS[kind])
    done = run(protocol_of(kind), "--truth", truth, "--answers", answers)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{answers} is in order for {kind}: {LINES[kind]}\n"


def test_all_faults_are_listed_and_counted(tmp_path):
    rows = [result(score="x"), rle([5]), result(image_id=9)]
    write(tmp_path / "answers", {"a.json": json.dumps(rows).encode()})
    write(tmp_path / "truth", TRUTH["itc"])
    arguments = ("itc", "--truth", "truth", "--answers", "answers/a.json", "--json", "found.json")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "answers/a.json /0/score: found 'x': wanted a number",
        "answers/a.json /1/segmentation: its run lengths do not add up to height x width: they fill 5 of 6 pixels: "
        "encode the mask with pycocotools",
        "answers/a.json /2/image_id: no image has the id 9: use those of the data set",
    ]
    assert done.stderr == (
        "overtrace: error: answers/a.json has 3 faults in 1 file: mend what is listed above, and check again\n"
    )
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["checker"] == {"name": "overtrace", "version": __version__}
    assert (found["protocol"], found["profile"], found["in_order"]) == ("itc", "itc-default100", False)
    assert [fault["where"] for fault in found["faults"]] == ["/0/score", "/1/segmentation", "/2/image_id"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers", "found.json", "truth"]


def test_an_empty_answer_is_a_note(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    done = run("itc", "--answers", "a.json", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "note: a.json: there is no detection in it: an empty answer is allowed, and finds nothing",
        "a.json is in order for itc: 1 file, 0 images, 0 detections",
    ]


def test_a_name_that_no_terminal_can_show(tmp_path):
    folder = str(tmp_path).encode()
    with open(folder + b"/\xff\n.json", "wb") as file:
        file.write(b"[1]")
    done = run("itc", "--answers", tmp_path)
    assert done.returncode == 1
    assert done.stdout == f"{tmp_path}/\\udcff\\n.json /0: found a number: wanted an object\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chess", "--answers", "a.json"], "no protocol is called chess"),
        (["itc", "--answers", "a.json", "--profile", "x"], "itc has no profile called x"),
        (["itc", "--answers", "a.json", "--truth", "a.json"], "a.json is no COCO data set"),
        (["itc", "--answers", "a.json", "--ids", "none"], "none cannot be read as a list of images"),
        (["itc", "--answers", "a.json", "--json", "no/a.json"], "folder no does not exist"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, arguments, said):
    (tmp_path / "a.json").write_text("[]")
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("overtrace: error: ")
    assert said in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
