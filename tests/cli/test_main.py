import subprocess
import sys

import overtrace

HEAVY = ("numba", "numpy", "onnxruntime", "openvino", "pydantic", "rasterio", "shapely")


def run(*arguments):
    command = [sys.executable, "-c", "from overtrace.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"overtrace {overtrace.__version__}\n")


def test_a_wrong_call_exits_with_2():
    assert run("demo", "--nonsense").returncode == 2
    assert run("nonsense").returncode == 2


def test_what_the_user_can_put_right_is_one_line_and_exit_1(tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = run("demo", "--offline", "--out", tmp_path / "taken")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("overtrace: error: cannot make the folder")
    assert done.stderr.count("\n") == 1


def test_help_imports_nothing_heavy():
    code = f"import sys, overtrace.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_reader_that_leaves_is_no_error():
    pipe = f"{sys.executable} -c 'from overtrace.cli.main import main; main()' --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) in [(1, ""), (0, "")]
