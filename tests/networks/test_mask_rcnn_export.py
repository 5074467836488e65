from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from overtrace.networks.mask_rcnn import IMAGENET  # noqa: E402
from overtrace.networks.rcnn_export import OUTPUTS, export_mask_rcnn  # noqa: E402
from tests.support.tiny_rcnn import TINY, build_decided, draw_image  # noqa: E402

CASES = {
    "one class, fixed sampling": (replace(TINY, classes=1, score_least=0.55, sampling=2), 96),
    "many boxes, small levels": (replace(TINY, canonical_size=40, detections=300, anchor_ratios=(0.5, 1, 2)), 160),
    "torchvision's bands, an odd window": (
        replace(TINY, bgr=False, stride_in_1x1=False, norm="frozen", pixel_std=IMAGENET.pixel_std),
        100,
    ),
}


def run_onnxruntime(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(list(OUTPUTS), {"image": image})


def run_openvino(path):
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY", "INFERENCE_NUM_THREADS": "1"}
    network = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda image: [network([image])[name] for name in OUTPUTS]


RUNTIMES = (run_onnxruntime, run_openvino)


def assert_same_detections(detected, wanted):
    """Each of one is one of the other; those of nearly the same score may have changed places."""
    assert [array.dtype.name for array in detected] == ["float32", "float32", "int64", "float32"]
    assert [array.shape for array in detected] == [array.shape for array in wanted]
    boxes, scores, classes, masks = detected
    assert (np.diff(scores) <= 0).all()
    found = []
    for box, score, kind, mask in zip(*wanted, strict=True):
        off = np.abs(boxes - box).max(1) + np.abs(scores - score) + 1e3 * (classes != kind)
        place = int(off.argmin())
        found.append(place)
        np.testing.assert_allclose(boxes[place], box, atol=1e-3)
        np.testing.assert_allclose(scores[place], score, atol=1e-4)
        np.testing.assert_allclose(masks[place], mask, atol=1e-3)
    assert sorted(found) == list(range(len(boxes)))


@pytest.mark.parametrize("case", CASES)
def test_the_file_detects_what_torch_detects(case, tmp_path):
    settings, window = CASES[case]
    network = build_decided(settings)
    export_mask_rcnn(network, window, tmp_path / "model.onnx")
    images = [draw_image(seed, window, window) for seed in range(2)]
    with torch.no_grad():
        wanted = [[array.numpy() for array in network(image)] for image in images]
    assert min(len(boxes) for boxes, *_ in wanted) > 3
    for load in RUNTIMES:
        run = load(tmp_path / "model.onnx")
        for image, detections in zip(images, wanted, strict=True):
            assert_same_detections(run(image.numpy()), detections)


def test_a_file_may_detect_nothing(tmp_path):
    export_mask_rcnn(build_decided(replace(TINY, score_least=1.0)), 64, tmp_path / "model.onnx")
    for load in RUNTIMES:
        detected = load(tmp_path / "model.onnx")(draw_image(0, 64, 64).numpy())
        assert [array.shape for array in detected] == [(0, 4), (0,), (0,), (0, 28, 28)]


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    network = build_decided().train()
    export_mask_rcnn(network, 64, path)
    assert network.training
    return onnx.load(path).graph


def test_suppression_and_pooling_are_operators(graph):
    kinds = [node.op_type for node in graph.node]
    # One suppression a level and one of detections; four levels are pooled twice.
    assert kinds.count("NonMaxSuppression") == 6
    assert kinds.count("RoiAlign") == 8
    assert not {"Loop", "If", "Scan", "GridSample"} & set(kinds)


def test_names_and_shapes_of_the_file(graph):
    def shape(value):
        return [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]

    assert [(value.name, shape(value)) for value in graph.input] == [("image", [1, 3, 64, 64])]
    assert [value.name for value in graph.output] == ["boxes", "scores", "classes", "masks"]
    assert {str(shape(value)[0]) for value in graph.output} == {"detections"}


@pytest.mark.parametrize("load", RUNTIMES)
def test_an_image_in_which_nothing_is_proposed(load, tmp_path):
    network = build_decided(replace(TINY, classes=3))
    image = draw_image(0, 64, 64)
    with torch.no_grad():
        # Width and height of every box become exp(-200), which is 0.
        network.proposal_generator.rpn_head.anchor_deltas.weight.zero_()
        network.proposal_generator.rpn_head.anchor_deltas.bias.fill_(-200)
        wanted = [array.numpy() for array in network(image)]
    assert [array.shape for array in wanted] == [(0, 4), (0,), (0,), (0, 28, 28)]
    export_mask_rcnn(network, 64, tmp_path / "model.onnx")
    assert_same_detections(load(tmp_path / "model.onnx")(image.numpy()), wanted)
