from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

from overtrace.errors import BadModel, BadOption
from overtrace.models.adapt import adapt_onnx
from overtrace.models.card import read_card
from overtrace.models.description import read_description
from overtrace.models.runtime import load_network

FLOAT = TensorProto.FLOAT
CARD = """
task = "planes"
name = "mine"
licence = "MIT"
classes = ["tree crown"]
pixel_size_m = [0.1, 0.3]
window = 64
"""
PLANES = """
[output]
activation = "sigmoid"
planes = { interior = 0, touch = 2 }
"""


def write_network(path: Path, nodes, *, takes=("x", ["n", 3, 64, 64]), gives=("y",), weights=(), opset=17, kind=FLOAT):
    """A user's file; ``nodes`` are (operator, inputs, outputs, attributes)."""
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, outputs, **attributes) for operator, inputs, outputs, attributes in nodes],
        "user",
        [helper.make_tensor_value_info(takes[0], kind, takes[1])],
        [helper.make_empty_tensor_value_info(name) for name in gives],
        [numpy_helper.from_array(array, name) for name, array in weights],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def adapt(tmp_path: Path, text: str, nodes, **facts):
    """A function from an image to the answers of the adapted file, the same in both runtimes."""
    source = write_network(tmp_path / "user.onnx", nodes, **facts)
    (tmp_path / "user.toml").write_text(text)
    target = tmp_path / "model.onnx"
    card = adapt_onnx(source, read_description(tmp_path / "user.toml"), target)
    assert read_card(target) == card
    assert {path.name for path in tmp_path.iterdir()} == {"user.onnx", "user.toml", "model.onnx"}
    session = onnxruntime.InferenceSession(target)
    compiled = openvino.Core().compile_model(target, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [output.name for output in session.get_outputs()]

    def run(image):
        answers, others = session.run(names, {"image": image}), compiled([image])
        for name, answer in zip(names, answers, strict=True):
            np.testing.assert_allclose(others[name], answer, atol=1e-6)
        return dict(zip(names, answers, strict=True))

    return run


def draw_image(height=64, width=64, bands=3):
    return np.random.default_rng(1).random((1, bands, height, width), dtype=np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


IDENTITY = [("Identity", ["x"], ["y"], {})]


def test_planes_are_chosen_and_made_probabilities(tmp_path):
    image = draw_image()
    answer = adapt(tmp_path, CARD + PLANES, IDENTITY)(image)["planes"]
    np.testing.assert_allclose(answer, sigmoid(image[:, [0, 2]]), atol=1e-6)
    card = read_card(tmp_path / "model.onnx")
    assert (card.planes, card.margin, card.bands) == (("interior", "touch"), 8, ("red", "green", "blue"))
    assert card.recipe.startswith("user.toml sha256 ")
    np.testing.assert_allclose(load_network(tmp_path / "model.onnx").run(image), answer, atol=1e-6)


@pytest.mark.parametrize("opset", [11, 12, 13, 17])
def test_softmax_is_over_the_channels_in_every_opset(tmp_path, opset):
    text = CARD + '[output]\nactivation = "softmax"\nplanes = { interior = 1 }'
    image = draw_image()
    answer = adapt(tmp_path, text, IDENTITY, opset=opset)(image)["planes"]
    wanted = np.exp(image) / np.exp(image).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answer, wanted[:, 1:2], atol=1e-6)
    imports = onnx.load(tmp_path / "model.onnx").opset_import
    assert [entry.version for entry in imports] == [opset]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("scale = 255.0", lambda image: image * 255),
        ("mean = [0.5]\nstd = [0.25]", lambda image: (image - 0.5) / 0.25),
        (
            'order = "bgr"\nscale = 255.0\nmean = [103.5, 116.3, 123.7]',
            lambda image: image[:, ::-1] * 255 - np.reshape([103.5, 116.3, 123.7], (3, 1, 1)),
        ),
    ],
)
def test_the_image_comes_as_the_network_was_trained(tmp_path, text, wanted):
    description = CARD + f"[input]\n{text}\n" + PLANES
    image = draw_image()
    # A hundredth, so that the sigmoid does not saturate.
    small = [("Mul", ["x", "hundredth"], ["y"], {})]
    run = adapt(tmp_path, description, small, weights=[("hundredth", np.float32([0.01]))])
    np.testing.assert_allclose(run(image)["planes"], sigmoid(0.01 * wanted(image))[:, [0, 2]], atol=1e-5)


def test_channels_last_inside_and_out(tmp_path):
    text = CARD + '[input]\nlayout = "nhwc"\nmean = [0.1, 0.2, 0.3]\n' + PLANES + 'layout = "nhwc"'
    image = draw_image()
    run = adapt(tmp_path, text, IDENTITY, takes=("x", [1, 64, 64, 3]))
    wanted = sigmoid(image - np.float32([0.1, 0.2, 0.3]).reshape(3, 1, 1))[:, [0, 2]]
    np.testing.assert_allclose(run(image)["planes"], wanted, atol=1e-6)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.UINT8])
def test_other_types_inside(tmp_path, kind):
    text = CARD + "[input]\nscale = 255.0\n" + "[output]\nplanes = { interior = 0 }"
    nodes = [("Cast", ["x"], ["a"], {"to": FLOAT}), ("Div", ["a", "white"], ["y"], {})]
    run = adapt(tmp_path, text, nodes, weights=[("white", np.float32([255]))], kind=kind)
    levels = np.resize(np.arange(256), (1, 3, 64, 64))
    answer = run((levels / 255).astype(np.float32))["planes"]
    np.testing.assert_array_equal(np.round(answer * 255), levels[:, :1])


def test_names_that_model_files_use_may_be_in_the_file_and_in_its_branches(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("Add", ["image", "masks"], ["boxes"])],
        "branch",
        [],
        [helper.make_empty_tensor_value_info("boxes")],
    )
    nodes = [("If", ["yes"], ["planes"], {"then_branch": branch, "else_branch": branch})]
    weights = [("yes", np.array(True)), ("masks", np.float32([1]))]
    text = CARD + PLANES + 'name = "planes"'
    run = adapt(tmp_path, text, nodes, takes=("image", ["n", 3, 64, 64]), gives=("planes",), weights=weights)
    image = draw_image()
    np.testing.assert_allclose(run(image)["planes"], sigmoid(image + 1)[:, [0, 2]], atol=1e-6)


def test_classes_keep_their_stride_and_take_any_size(tmp_path):
    text = CARD.replace("planes", "classes").replace('["tree crown"]', '["road", "roof", "tree"]')
    nodes = [("MaxPool", ["x"], ["y"], {"kernel_shape": [4, 4], "strides": [4, 4]})]
    run = adapt(tmp_path, text, nodes, takes=("x", ["n", 3, "h", "w"]))
    image = draw_image(96, 32)
    wanted = image.reshape(1, 3, 24, 4, 8, 4).max(axis=(3, 5))
    np.testing.assert_array_equal(run(image)["classes"], wanted)


def test_classes_of_a_fixed_size_stay_fixed(tmp_path):
    text = CARD.replace("planes", "classes").replace('["tree crown"]', '["road", "roof", "tree"]')
    adapt(tmp_path, text, IDENTITY)
    assert onnxruntime.InferenceSession(tmp_path / "model.onnx").get_inputs()[0].shape == [1, 3, 64, 64]


DETECTIONS = CARD.replace("planes", "detections").replace('["tree crown"]', '["pine", "oak"]')
NAMES = """
[output]
activation = "sigmoid"
boxes = "dets"
scores = "conf"
classes = "labels"
masks = "pieces"
first_class = 1
"""


def detector(*, labels=(2, 1, 2), confidences=(0.2, 0.9, 0.5), side=28, batch=()):
    """A network that answers with fixed detections, and the weights it does so with."""
    values = {
        "dets": np.arange(12, dtype=np.float32).reshape(*batch, 3, 4),
        "conf": np.float32(confidences).reshape(*batch, 3),
        "labels": np.int64(labels).reshape(*batch, 3),
        "pieces": np.linspace(-3, 3, 3 * side * side, dtype=np.float32).reshape(3, 1, side, side),
    }
    weights = [(f"{name}_", value) for name, value in values.items()] + [("none", np.float32([0]))]
    # The image must be of use to the graph.
    nodes = [("ReduceMax", ["x"], ["top"], {"keepdims": 0}), ("Mul", ["top", "none"], ["zero"], {})]
    for name in values:
        kind = TensorProto.INT64 if name == "labels" else FLOAT
        nodes += [("Cast", ["zero"], [f"{name}_zero"], {"to": kind}), ("Add", [f"{name}_", f"{name}_zero"], [name], {})]
    return values, {"nodes": nodes, "weights": weights, "gives": tuple(values)}


@pytest.mark.parametrize("batch", [(), (1,)])
def test_detections_are_ranked_and_counted_from_0(tmp_path, batch):
    values, network = detector(batch=batch)
    answer = adapt(tmp_path, DETECTIONS + NAMES, **network)(draw_image())
    order = [1, 2, 0]
    np.testing.assert_array_equal(answer["boxes"], values["dets"].reshape(3, 4)[order])
    np.testing.assert_array_equal(answer["scores"], np.float32([0.9, 0.5, 0.2]))
    np.testing.assert_array_equal(answer["classes"], [0, 1, 1])
    assert answer["classes"].dtype == np.int64
    np.testing.assert_allclose(answer["masks"], sigmoid(values["pieces"][order, 0]), atol=1e-6)


def test_a_number_of_detections_that_varies(tmp_path):
    # Those whose score is above the brightest value of the image: none of the noise that it is tried with.
    _, network = detector()
    nodes = [
        *network["nodes"],
        ("Greater", ["conf", "top"], ["bright"], {}),
        ("NonZero", ["bright"], ["places"], {}),
        ("Reshape", ["places", "flat"], ["place"], {}),
        *(("Gather", [name, "place"], [f"some_{name}"], {}) for name in network["gives"]),
    ]
    text = DETECTIONS + NAMES
    for name in network["gives"]:
        text = text.replace(f'"{name}"', f'"some_{name}"')
    run = adapt(
        tmp_path,
        text,
        nodes,
        weights=[*network["weights"], ("flat", np.array([-1]))],
        gives=tuple(f"some_{name}" for name in network["gives"]),
    )
    assert [len(value) for value in run(np.full((1, 3, 64, 64), 0.4, np.float32)).values()] == [2] * 4
    none = run(np.ones((1, 3, 64, 64), np.float32))
    assert [none[name].shape for name in ("boxes", "scores", "classes", "masks")] == [(0, 4), (0,), (0,), (0, 28, 28)]


@pytest.mark.parametrize(
    ("text", "facts", "said"),
    [
        (CARD + PLANES, {"takes": ("x", [1, 4, 64, 64])}, "takes 1x4x64x64, not 1x3x64x64: correct bands, window or"),
        (CARD + PLANES, {"takes": ("x", ["n", 64, 64, 3])}, "takes ?x64x64x3, not 1x3x64x64: correct bands, window or"),
        (CARD + PLANES, {"takes": ("x", [1, 3, 64])}, "takes 1x3x64, not 1x3x64x64"),
        (CARD + PLANES, {"opset": 9}, "is of opset 9: export it again with 11 or later"),
        (CARD + PLANES, {"nodes": [("Blur", ["x"], ["y"], {})]}, "cannot be run on 1x3x64x64: "),
        (CARD + PLANES.replace("2", "3"), {}, "answers 1x3x64x64: wanted 1 x channels x rows x columns with 4 or more"),
        (CARD + PLANES.replace("sigmoid", "none"), {"nodes": [("Neg", ["x"], ["y"], {})]}, "correct output.activation"),
        (CARD + PLANES + 'name = "z"', {}, "has no output z, but y 1x3x64x64: correct the names under [output]"),
        (
            CARD + PLANES,
            {"nodes": [*IDENTITY, ("Neg", ["x"], ["z"], {})], "gives": ("y", "z")},
            "answers y 1x3x64x64, z 1x3x64x64: say which is wanted, as output.name",
        ),
        (
            CARD + PLANES,
            {"nodes": [("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "strides": [2, 2]})]},
            "answers 1x2x32x32: wanted 1x2x64x64, the window's own pixels",
        ),
        (
            CARD + PLANES,
            {"nodes": [("ArgMax", ["x"], ["y"], {"axis": 1, "keepdims": 0})]},
            "answers 1x64x64: wanted 1 x",
        ),
        (
            CARD + PLANES,
            {"nodes": [("Sub", ["x", "w"], ["y"], {})], "weights": [("w", np.float32([np.nan]))]},
            "no numb",
        ),
        (CARD.replace("planes", "classes"), {}, "with 1 channels, one a class"),
        (DETECTIONS + NAMES, {}, "has no output dets, but y 1x3x64x64"),
        (DETECTIONS + NAMES, detector(side=64)[1], "has masks 3x1x64x64: wanted a square over each box, as 28x28"),
        (
            DETECTIONS + NAMES,
            detector(labels=(0, 1, 2))[1],
            "answers classes -1 to 1, not 0 to 1: correct classes or",
        ),
        (
            DETECTIONS + NAMES,
            detector(confidences=(7, 0, 0))[1],
            "has scores from 0 to 7, not 0 to 1: export it with",
        ),
        (DETECTIONS + NAMES.replace("sigmoid", "none"), detector()[1], "has masks from -3 to 3, not 0 to 1: correct"),
    ],
)
def test_a_file_that_does_not_keep_its_word_is_told_in_one_line(tmp_path, text, facts, said):
    with pytest.raises(BadModel) as caught:
        adapt(tmp_path, text, **{"nodes": IDENTITY, **facts})
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'user.onnx'} ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()
    assert len(list(tmp_path.iterdir())) == 2


def adapt_file(tmp_path, source):
    (tmp_path / "user.toml").write_text(CARD + PLANES)
    return adapt_onnx(source, read_description(tmp_path / "user.toml"), tmp_path / "model.onnx")


def test_files_that_cannot_be_taken_are_told_in_one_line(tmp_path):
    whole = write_network(tmp_path / "whole.onnx", IDENTITY).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[:-20])
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(BadModel, match=r"missing\.onnx cannot be read"):
        adapt_file(tmp_path, tmp_path / "missing.onnx")
    with pytest.raises(BadModel, match=r"cut\.onnx is no ONNX file"):
        adapt_file(tmp_path, tmp_path / "cut.onnx")
    with pytest.raises(BadModel, match=r"empty\.onnx is empty"):
        adapt_file(tmp_path, tmp_path / "empty.onnx")


def test_weights_in_another_file_are_told_in_one_line(tmp_path):
    nodes = [("Mul", ["x", "w"], ["y"], {})]
    path = write_network(tmp_path / "user.onnx", nodes, weights=[("w", np.ones((1, 3, 64, 64), np.float32))])
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin")
    with pytest.raises(BadModel, match=r"keeps its weights in other files: make it one with onnx\.save"):
        adapt_file(tmp_path, path)


def test_a_file_over_the_limit_is_told_in_one_line(tmp_path):
    path = write_network(tmp_path / "user.onnx", IDENTITY)
    with path.open("r+b") as file:
        # One more field, of nothing, which takes no room on the disk.
        size = 2**31
        file.seek(0, 2)
        file.write(bytes([0x82, 0x3F, 0x80, 0x80, 0x80, 0x80, 0x08]))
        file.truncate(file.tell() + size)
    with pytest.raises(BadModel, match="is larger than 2 GB"):
        adapt_file(tmp_path, path)


def test_two_inputs_are_one_too_many(tmp_path):
    path = write_network(tmp_path / "user.onnx", IDENTITY)
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("size", FLOAT, [2]))
    onnx.save(model, path)
    with pytest.raises(BadModel, match="takes 2 inputs: wanted one, the image"):
        adapt_file(tmp_path, path)


def test_without_onnx_its_extra_is_named(tmp_path, monkeypatch):
    path = write_network(tmp_path / "user.onnx", IDENTITY)
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(BadOption, match=r"pip install 'overtrace\[train\]'"):
        adapt_file(tmp_path, path)
