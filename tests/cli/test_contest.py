import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from overtrace.host.contest_file import read_contest
from tests.cli.test_without_torch import run_without


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", "contest", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contest")
    done = run("new", "deepglobe", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "wrote deepglobe/contest.yaml",
        "look at it:  overtrace contest check deepglobe/contest.yaml --dry-run",
        "open it:     overtrace host deepglobe/contest.yaml",
    ]
    return folder / "deepglobe"


def test_a_new_contest_is_open(example):
    phases = read_contest(example / "contest.yaml").contest.phases
    assert any(phase.is_open(datetime.now(UTC)) for phase in phases)


def test_a_contest_in_order_is_told_with_its_times_in_utc(example):
    done = run("check", "contest.yaml", cwd=example)
    assert (done.returncode, done.stderr) == (0, "")
    first, head, development, final = done.stdout.splitlines()
    assert first == (
        "contest.yaml is in order: DeepGlobe building extraction 2018 (example) (deepglobe, spacenet2-topcoder)"
    )
    assert head.split("  ")[0] == "phase"
    assert "from (UTC)" in head
    start = read_contest(example / "contest.yaml").contest.phases[0].start
    assert development.startswith(f"development  {start:%Y-%m-%d} 18:00  ")
    assert [word in development for word in ("open", "10 a day, 2 at once", "f1 (live)")] == [True] * 3
    assert final.endswith("later  5 a day, 20 in all, 2 at once  public (live), private (after)")


def test_a_dry_run_shows_the_boards(example):
    done = run("check", "contest.yaml", "--dry-run", "--workers", 1, cwd=example)
    assert (done.returncode, done.stderr) == (0, "")
    cities = ["  AOI_2_Vegas: 1.0", "  AOI_3_Paris: 1.0", "  AOI_4_Shanghai: 1.0", "  AOI_5_Khartoum: 1.0"]
    boards = ("development, board f1", "final, board public", "final, board private")
    expected = [line for board in boards for line in (f"{board}: the truth scores 1.0", *cities)]
    assert done.stdout.splitlines()[5:] == expected


def test_faults_are_listed_and_counted(example):
    text = (example / "contest.yaml").read_text()
    broken = text.replace("at_once: 2", "at_onse: 2").replace("truth/final.csv", "truth/finale.csv")
    (example / "broken.yaml").write_text(broken.replace("T18:00:00+00:00", "T18:00:00"))
    done = run("check", "broken.yaml", "--dry-run", cwd=example)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split(": ")[0].split()[-1] for line in lines] == [
        "phases[0].start",
        "phases[0].limits.at_onse",
        "phases[1].truth",
        "phases[1].limits.at_onse",
    ]
    assert lines[1].endswith(": there is no such key: did you mean at_once?")
    assert done.stderr == "overtrace: error: broken.yaml has 4 faults: mend what is listed above\n"


def test_a_column_that_is_not_there_is_found_by_a_dry_run(example):
    text = (example / "contest.yaml").read_text()
    (example / "columns.yaml").write_text(text.replace("cities/*/F1", "towns/*/F1"))
    assert run("check", "columns.yaml", cwd=example).returncode == 0
    done = run("check", "columns.yaml", "--dry-run", cwd=example)
    assert done.returncode == 1
    assert "columns: towns/*/F1: the scorer has no towns there: wanted one of cities" in done.stdout


def test_the_schema_is_json_that_knows_the_keys():
    done = run("schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    assert schema["required"] == ["name", "title", "challenge", "organisers", "phases"]
    assert schema["$defs"]["Phase"]["properties"]["start"]["format"] == "date-time"
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "chess"], "no example is called chess: use one of itc, sceneparsing, deepglobe"),
        (["new", "itc", "taken"], "taken is a file: name a folder"),
        (["check", "nowhere.yaml"], "nowhere.yaml has 1 fault: mend what is listed above"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, arguments, said):
    (tmp_path / "taken").write_text("")
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"overtrace: error: {said}\n")


def test_without_the_packages_of_a_host_it_says_which_to_install():
    done = run_without({"yaml"}, "contest", "check", "contest.yaml")
    assert done.returncode == 1
    assert done.stderr == "overtrace: error: contest needs pyyaml: pip install 'overtrace[host]'\n"
