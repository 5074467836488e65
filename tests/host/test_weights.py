import io
import json
import struct
import zipfile

import numpy as np
import onnx
import pytest
import torch

from overtrace.host.weights import UnknownWeights, count_bytes, shuffle
from overtrace.models.shipped import find_model


def write_safetensors(**tensors: np.ndarray) -> bytes:
    head, data = {}, b""
    for name, tensor in tensors.items():
        kind = {"float32": "F32", "int64": "I64", "uint8": "U8"}[str(tensor.dtype)]
        head[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + tensor.nbytes],
        }
        data += tensor.tobytes()
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def read_safetensors(data: bytes) -> dict[str, np.ndarray]:
    (length,) = struct.unpack_from("<Q", data)
    kinds = {"F32": np.float32, "I64": np.int64, "U8": np.uint8}
    return {
        name: np.frombuffer(
            data[8 + length + one["data_offsets"][0] : 8 + length + one["data_offsets"][1]], kinds[one["dtype"]]
        )
        for name, one in json.loads(data[8 : 8 + length]).items()
    }


def test_numbers_are_shuffled_within_their_tensor_and_integers_that_may_be_shapes_stay():
    before = {"a": np.arange(1000, dtype=np.float32), "b": -np.arange(500, dtype=np.float32), "c": np.arange(90)}
    after = read_safetensors(shuffle(write_safetensors(**before), np.random.default_rng(0)))
    for name in "ab":
        assert (after[name] != before[name]).mean() > 0.9
        np.testing.assert_array_equal(np.sort(after[name]), np.sort(before[name]))
    np.testing.assert_array_equal(after["c"], before["c"])


def test_halves_share_out_the_tensors():
    before = {name: np.arange(100, dtype=np.float32) for name in "abcd"}
    data = write_safetensors(**before)
    first = read_safetensors(shuffle(data, np.random.default_rng(0), 0, 0.5))
    second = read_safetensors(shuffle(data, np.random.default_rng(0), 0.5, 1))
    assert [(first[name] == before[name]).all() for name in "abcd"] == [False, False, True, True]
    assert [(second[name] == before[name]).all() for name in "abcd"] == [True, True, False, False]


def test_zeros_take_the_place_of_numbers():
    data = write_safetensors(a=np.ones(100, np.float32))
    assert not read_safetensors(shuffle(data, np.random.default_rng(0), zero=True))["a"].any()


def test_an_onnx_file_stays_one_with_all_weights_changed():
    data = find_model("trees").read_bytes()
    changed = onnx.load_from_string(shuffle(data, np.random.default_rng(0)))
    onnx.checker.check_model(changed)
    before = {one.name: one for one in onnx.load_from_string(data).graph.initializer}
    large = [one for one in changed.graph.initializer if len(one.raw_data) > 1000]
    assert large
    for one in large:
        assert one.raw_data != before[one.name].raw_data
        assert (one.name, one.dims, one.data_type) == (one.name, before[one.name].dims, before[one.name].data_type)


def test_an_archive_of_pytorch_is_read_by_pytorch():
    model = torch.nn.Conv2d(3, 16, 3)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    found = torch.load(io.BytesIO(shuffle(file.getvalue(), np.random.default_rng(0))))
    assert (found["weight"] != model.weight).float().mean() > 0.9
    assert torch.equal(found["weight"].flatten().sort()[0], model.weight.detach().flatten().sort()[0])


def test_npz_and_archives_in_archives_are_known():
    inner = io.BytesIO()
    np.savez(inner, a=np.arange(100.0))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("model/weights.npz", inner.getvalue())
        archive.writestr("readme.txt", "text")
    assert count_bytes(outer.getvalue()) == 800
    with zipfile.ZipFile(io.BytesIO(shuffle(outer.getvalue(), np.random.default_rng(0)))) as archive:
        found = np.load(io.BytesIO(archive.read("model/weights.npz")))["a"]
        assert archive.read("readme.txt") == b"text"
    assert (found != np.arange(100.0)).any()
    np.testing.assert_array_equal(np.sort(found), np.arange(100.0))


@pytest.mark.parametrize(
    "data", [b"", b"text", bytes(1000), b"\x08" * 500, bytes(range(256)) * 9, b"PK\x05\x06" + bytes(18)]
)
def test_what_is_not_known_is_said(data):
    with pytest.raises(UnknownWeights, match="wanted ONNX, safetensors, PyTorch, npz"):
        shuffle(data, np.random.default_rng(0))
