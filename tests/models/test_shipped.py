import pytest

from overtrace.errors import BadModel
from overtrace.models import shipped
from overtrace.models.shipped import find_model


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that ships two files."""
    (tmp_path / "files").mkdir()
    for name in ("trees.onnx", "trees-fp32.onnx", "notes.txt"):
        (tmp_path / "files" / name).touch()
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path)
    return tmp_path / "files"


def test_shipped_files_are_found_by_name(package):
    assert shipped.shipped() == [("trees", package / "trees.onnx"), ("trees-fp32", package / "trees-fp32.onnx")]
    assert find_model("trees") == package / "trees.onnx"


def test_others_are_found_by_path(package, tmp_path):
    (tmp_path / "mine.onnx").touch()
    assert find_model(tmp_path / "mine.onnx") == tmp_path / "mine.onnx"


@pytest.mark.parametrize(
    ("name", "words"),
    [("oaks", "no model is called oaks: wanted one of trees"), ("a/b.onnx", "does not exist"), (".", "is a folder")],
)
def test_what_is_not_there(package, name, words):
    with pytest.raises(BadModel, match=words):
        find_model(name)
