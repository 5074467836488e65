import json
import subprocess
import sys

from tests.challenges.test_compare import ask


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_table_and_a_file(tmp_path):
    one = ask("trees", tmp_path / "one", [1] * 5)
    other = ask("trees", tmp_path / "other", [1] * 5, seed=2)
    out = tmp_path / "out.json"
    done = run("trees", "--truth", one.truth, one.answers, other.answers, one.truth, "--resamples", 500, "--json", out)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["rank", "answer", "score", "95%", "from", "to", "tied", "rank", "by", "ranks"]
    assert lines[1].split() == ["1", "one/truth", "1.0000", "1.0000", "1.0000", "no", "1"]
    assert lines[-1] == "trees (trees): 500 draws of 5 images within 1 part, seed 0"
    answers = json.loads(out.read_text())["answers"]
    assert [answer["rank"] for answer in answers].count(1) == 1
    assert answers[2]["beats"]["one/answer"] == 1
    assert answers[2]["parts"][0]["interval"] == [1, 1]


def test_bad_input_is_one_line(tmp_path):
    one = ask("trees", tmp_path / "one", [1] * 5)
    done = run("trees", "--truth", one.truth, one.answers)
    assert done.returncode == 1
    assert done.stderr == "overtrace: error: one answer cannot be compared: give two or more\n"
