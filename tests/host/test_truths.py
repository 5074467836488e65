"""What is true: whether others of the machine can read it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from overtrace.host.truths import find_readable
from tests.support.hosted import make_contest


def test_truth_that_others_may_open_is_told():
    # Not where pytest keeps its folders, which nobody else may enter.
    with TemporaryDirectory(dir="/tmp") as place:
        folder = Path(place)
        contest = make_contest(folder)
        truth, file = folder / "truth", folder / "truth" / "a.csv"
        folder.chmod(0o755)
        truth.chmod(0o755)
        for mode, found in ((0o644, [file]), (0o640, [file]), (0o600, []), (0o604, [file])):
            file.chmod(mode)
            assert find_readable(contest, folder) == found
        truth.chmod(0o700)
        assert find_readable(contest, folder) == []
