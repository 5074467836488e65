import contextlib
import subprocess
import sys

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overtrace.errors import BadModel
from overtrace.models.metadata import digest_network, read_metadata, write_metadata
from tests.support.networks import write_conv_model, write_conv_network


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_conv_network(tmp_path_factory.mktemp("network") / "a.onnx")


@given(entries=st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=5))
def test_what_is_written_is_read(network, entries):
    target = network.with_name("b.onnx")
    write_metadata(network, entries, target)
    assert read_metadata(target) == entries


def test_onnx_reads_what_we_write_and_we_what_it_writes(network, tmp_path):
    target = tmp_path / "a.onnx"
    write_metadata(network, {"key": "välue" * 100}, target)
    model = onnx.load(target)
    onnx.checker.check_model(model)
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("key", "välue" * 100)]
    assert model.graph == onnx.load(network).graph
    onnx.helper.set_model_props(model, {"other": "1"})
    onnx.save(model, target)
    assert read_metadata(target) == {"other": "1"}


def test_entries_are_replaced_and_others_kept(network, tmp_path):
    target = tmp_path / "a.onnx"
    write_metadata(network, {"a": "1", "b": "2"}, target)
    write_metadata(target, {"b": "3"}, target)
    assert read_metadata(target) == {"a": "1", "b": "3"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_file_cut_short(network, tmp_path, share):
    data = network.read_bytes()
    (tmp_path / "a.onnx").write_bytes(data[: int(share * len(data))])
    with pytest.raises(BadModel, match=r"a\.onnx is (empty|no ONNX file)"):
        read_metadata(tmp_path / "a.onnx")


@given(data=st.binary(max_size=200))
def test_garbage_is_refused_or_read_never_worse(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "garbage.onnx"
    path.write_bytes(data)
    with contextlib.suppress(BadModel):
        read_metadata(path)


def test_missing_and_text(tmp_path):
    with pytest.raises(BadModel, match="cannot be read"):
        read_metadata(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("hello " * 100)
    with pytest.raises(BadModel, match="is no ONNX file"):
        read_metadata(tmp_path / "text.onnx")


def test_the_onnx_package_is_not_needed():
    code = "import sys; sys.modules['onnx'] = None; import overtrace.models.card, overtrace.models.runtime"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_digest_of_a_network_does_not_know_its_card(tmp_path):
    path = write_conv_model(tmp_path / "a.onnx")
    other = write_conv_model(tmp_path / "b.onnx", summary="Told in other words.")
    assert path.read_bytes() != other.read_bytes()
    assert digest_network(path) == digest_network(other)
    assert digest_network(path) != digest_network(write_conv_network(tmp_path / "c.onnx", planes=1))
