"""A verb imports what it uses: help, a mistyped option and a small set then answer at once."""

import subprocess
import sys

import pytest

from tests.cli.test_score import CASES

HEAVY = {
    "numba", "onnxruntime", "openvino", "PIL", "pyarrow", "pyogrio", "pyproj", "rasterio", "rich",
    "scipy.linalg", "scipy.optimize", "shapely", "torch",
}  # fmt: skip
USED = {
    "itc": {"numba"},
    "sceneparsing": {"numba", "PIL"},
    "camvid": {"numba", "PIL"},
    "deepglobe": {"numba", "shapely"},
    "trees": {"scipy.linalg", "scipy.optimize"},
}


def find_heavy(*arguments) -> set[str]:
    """Which heavy libraries a run of the command imports."""
    command = [sys.executable, "-X", "importtime", "-c", "from overtrace.cli.main import main; main()"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=True)
    return HEAVY & {line.split("|")[-1].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(("protocol", "name"), [case[:2] for case in CASES])
def test_scoring_imports_what_the_protocol_uses(score_files, protocol, name):
    folder = score_files
    found = find_heavy("score", protocol, "--truth", folder / "truth" / name, "--answers", folder / "answer" / name)
    assert found <= USED[protocol]


@pytest.mark.parametrize("arguments", [["--version"], ["score", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    assert find_heavy(*arguments) <= {"rich"}
