import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest

torch = pytest.importorskip("torch")

import transformers  # noqa: E402
from transformers.models.eomt.image_processing_pil_eomt import EomtImageProcessorPil  # noqa: E402
from transformers.models.mask2former.image_processing_pil_mask2former import (  # noqa: E402
    Mask2FormerImageProcessorPil,
)

from overtrace.errors import BadModel, BadOption  # noqa: E402
from overtrace.learn.adapt_transformers import (  # noqa: E402
    export_transformers,
    load_transformers,
    queries_to_classes,
    queries_to_detections,
    wrap,
)
from overtrace.models.card import read_card  # noqa: E402

ENTRIES = {"licence": "Apache-2.0", "pixel_size_m": (0.1, 0.3), "window": 64, "margin": 8}
QUERIES = {"num_queries": 7, "num_labels": 3}
VIT = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "num_blocks": 2, "image_size": 64}


def make_segformer():
    config = transformers.SegformerConfig(
        depths=(1, 1, 1, 1),
        hidden_sizes=(8, 8, 16, 16),
        num_attention_heads=(1, 1, 2, 2),
        decoder_hidden_size=16,
        num_labels=3,
        id2label={0: "road", 1: "roof", 2: "tree"},
    )
    return transformers.SegformerForSemanticSegmentation(config)


def make_mask2former():
    stages = [f"stage{i}" for i in range(1, 5)]
    backbone = transformers.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_features=stages
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=3,
        num_attention_heads=2,
        **QUERIES,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


def make_eomt():
    return transformers.EomtForUniversalSegmentation(transformers.EomtConfig(patch_size=16, **VIT, **QUERIES))


def make_eomt_dinov3():
    config = transformers.EomtDinov3Config(patch_size=16, **VIT, **QUERIES)
    return transformers.EomtDinov3ForUniversalSegmentation(config)


MAKERS = {
    "segformer": make_segformer,
    "mask2former": make_mask2former,
    "eomt": make_eomt,
    "eomt_dinov3": make_eomt_dinov3,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformers")
    for seed, (kind, make) in enumerate(MAKERS.items()):
        torch.manual_seed(seed)
        model = make()
        with torch.no_grad():
            for weights in model.parameters():
                # As they come, random weights answer with nearly the same number everywhere.
                weights += 0.1 * torch.randn_like(weights)
        model.save_pretrained(folder / kind)
    return folder


def run_both(path: Path, image: np.ndarray) -> list[list[np.ndarray]]:
    session = onnxruntime.InferenceSession(path)
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [output.name for output in session.get_outputs()]
    answer = compiled([image])
    return [session.run(names, {"image": image}), [answer[name] for name in names]]


TASKS = {"segformer": "classes", "mask2former": "detections", "eomt": "classes", "eomt_dinov3": "detections"}


@pytest.fixture(scope="module")
def files(folders):
    for kind, task in TASKS.items():
        export_transformers(str(folders / kind), {**ENTRIES, "task": task}, folders / f"{kind}.onnx")
    return folders


@pytest.mark.parametrize("kind", TASKS)
def test_the_file_answers_in_both_runtimes_as_torch_does(files, kind):
    network, task = wrap(*load_transformers(str(files / kind)), TASKS[kind])
    # A SegFormer takes every size; the others were drawn up for one.
    image = torch.rand(1, 3, 96, 32) if kind == "segformer" else torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        truth = network(image)
    truth = [truth] if task == "classes" else list(truth)
    assert truth[0].std() > 1e-3
    for found in run_both(files / f"{kind}.onnx", image.numpy()):
        for values, wanted in zip(found, truth, strict=True):
            assert values.dtype == wanted.numpy().dtype
            np.testing.assert_allclose(values, wanted.numpy(), atol=2e-3)


@pytest.mark.parametrize("kind", TASKS)
def test_the_file_has_a_card_and_leaves_nothing_beside_it(files, kind):
    card = read_card(files / f"{kind}.onnx")
    assert (card.task, card.name, card.window, card.licence) == (TASKS[kind], kind, 64, "Apache-2.0")
    assert card.classes == (("road", "roof", "tree") if kind == "segformer" else ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert {path.name for path in files.iterdir()} == {*TASKS, *(f"{name}.onnx" for name in TASKS)}


def test_segformer_answers_at_a_quarter_of_any_size(files):
    answer, _ = run_both(files / "segformer.onnx", np.zeros((1, 3, 32, 128), np.float32))
    assert answer[0].shape == (1, 3, 8, 32)


def test_no_double_precision_is_left(files):
    # ONNX Runtime has no GridSample of doubles.
    graph = onnx.shape_inference.infer_shapes(onnx.load(files / "mask2former.onnx")).graph
    assert onnx.TensorProto.DOUBLE not in {value.type.tensor_type.elem_type for value in graph.value_info}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (None, [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]),
        ({"image_mean": [0.5, 0.25, 0.0], "image_std": [0.5, 0.5, 2.0]}, [0.0, 0.5, 0.25]),
        ({"do_normalize": False}, [0.5, 0.5, 0.5]),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [1.0] * 3}, [0.0, 0.0, 0.0]),
    ],
)
def test_the_image_is_normalised_as_the_preprocessor_says(said, wanted, tmp_path):
    make_segformer().save_pretrained(tmp_path)
    if said is not None:
        (tmp_path / "preprocessor_config.json").write_text(
            json.dumps({"image_processor_type": "SegformerImageProcessor", **said})
        )
    network, _ = wrap(*load_transformers(str(tmp_path)))
    found = network.normalise(torch.full((1, 3, 1, 1), 0.5)).flatten()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def draw_queries(labels: int, seed: int = 0):
    """Random answers of 6 queries at a quarter of 384 pixels; the last has no mask."""
    torch.manual_seed(seed)
    masks = torch.nn.functional.interpolate(4 * torch.randn(1, 6, 6, 6), size=(96, 96), mode="bicubic")
    masks[:, -1] = -1
    return SimpleNamespace(
        class_queries_logits=3 * torch.randn(1, 6, labels + 1), masks_queries_logits=masks, patch_offsets=None
    )


def test_classes_are_those_of_the_library():
    answer = draw_queries(labels=4)
    found = queries_to_classes(answer.class_queries_logits, answer.masks_queries_logits, (384, 384))
    sizes = [(384, 384)]
    for library in (Mask2FormerImageProcessorPil(), EomtImageProcessorPil(size={"shortest_edge": 384})):
        if isinstance(library, EomtImageProcessorPil):
            size = {"shortest_edge": 384, "longest_edge": 384}
            truth = library.post_process_semantic_segmentation(answer, sizes, size, return_segmentation_scores=True)
        else:
            truth = library.post_process_semantic_segmentation(answer, sizes, return_segmentation_scores=True)
        np.testing.assert_allclose(found[0], truth[0].segmentation_scores, atol=1e-5)


def test_scores_and_classes_of_detections_are_those_of_the_library():
    answer = draw_queries(labels=4)
    _, scores, classes, _ = queries_to_detections(
        answer.class_queries_logits[0], answer.masks_queries_logits[0], (384, 384)
    )
    size = {"shortest_edge": 384, "longest_edge": 384}
    truth = EomtImageProcessorPil().post_process_instance_segmentation(answer, [(384, 384)], 0.0, size)
    told = sorted(((one["score"], one["label_id"]) for one in truth[0]["segments_info"]), reverse=True)
    assert scores[-1] == 0
    np.testing.assert_allclose(scores[:-1], [score for score, _ in told], atol=1e-5)
    assert classes[:-1].tolist() == [label for _, label in told]


def test_boxes_and_masks_of_detections_are_those_of_the_library():
    # With one class, the best class of each query and the best pairs of query and class are the same.
    answer = draw_queries(labels=1)
    boxes, scores, _, masks = queries_to_detections(
        answer.class_queries_logits[0], answer.masks_queries_logits[0], (384, 384)
    )
    truth = Mask2FormerImageProcessorPil().post_process_instance_segmentation(
        answer, threshold=0.0, return_binary_maps=True
    )[0]
    by_score = sorted(zip(truth["segments_info"], truth["segmentation"], strict=True), key=lambda one: -one[0]["score"])
    np.testing.assert_allclose(scores[:-1], [facts["score"] for facts, _ in by_score], atol=1e-5)
    for (left, top, right, bottom), mask, (_, whole) in zip(boxes.int().tolist(), masks, by_score, strict=False):
        rows, columns = whole.any(dim=1).nonzero(), whole.any(dim=0).nonzero()
        assert (left, top) == (columns.min(), rows.min())
        assert (right, bottom) == (columns.max() + 1, rows.max() + 1)
        own = torch.nn.functional.interpolate(mask[None, None], size=(bottom - top, right - left), mode="bilinear")
        assert ((own[0, 0] > 0.5) == whole[top:bottom, left:right].bool()).float().mean() > 0.99


def test_a_detection_worked_by_hand():
    masks = torch.full((2, 8, 8), -20.0)
    masks[1, 2:5, 3:7] = 20.0
    classes = torch.tensor([[9.0, 0.0, 0.0], [0.0, np.log(2.0), 0.0]])
    boxes, scores, labels, cells = queries_to_detections(classes, masks, (8, 8))
    assert boxes.tolist() == [[3, 2, 7, 5], [0, 0, 0, 0]]
    np.testing.assert_allclose(scores, [2 / 4, 0], atol=1e-6)
    assert labels[0] == 1
    assert cells.shape == (2, 56, 56)
    assert cells[0, 28, 28] > 0.999


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("eomt", {}, "a model of type eomt answers in two ways: say as task either classes or detections"),
        ("eomt", {"task": "planes"}, "task is planes: a model of type eomt answers with classes or detections"),
        ("segformer", {"task": "detections"}, "a segformer finds no single objects"),
        ("eomt", {"task": "classes", "window": 96}, "window is 96: this model sees 64 pixels"),
        ("segformer", {"window": 100}, "window is 100: wanted a multiple of the stride, 32"),
        ("segformer", {"bands": ("nir",)}, "bands are nir: this model takes 3"),
        ("segformer", {"classes": ("tree",)}, "1 classes are named: this model knows 3"),
        ("segformer", {"licence": None}, "segformer: licence: "),
        ("segformer", {"windows": 64}, "windows: Extra inputs are not permitted"),
        ("missing", {}, "missing is no folder: give one that save_pretrained wrote, or hub:OWNER/NAME"),
    ],
)
def test_a_wrong_wish_is_told_in_one_line(folders, kind, changes, said, tmp_path):
    with pytest.raises(BadOption) as caught:
        export_transformers(str(folders / kind), {**ENTRIES, **changes}, tmp_path / "a.onnx")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_fitting_model_is_told_in_one_line(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    bert = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    bert.save_pretrained(tmp_path / "bert")
    make_segformer().segformer.save_pretrained(tmp_path / "headless")
    make_segformer().save_pretrained(tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    for name, said in [
        ("empty", "cannot be read as a model of transformers"),
        ("bert", "holds a model of type bert: wanted segformer, mask2former, eomt, eomt_dinov3"),
        ("headless", "weights, such as decode_head."),
        ("cut", "cannot be read as a model of transformers"),
    ]:
        with pytest.raises(BadModel) as caught:
            load_transformers(str(tmp_path / name))
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_without_the_library_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(BadOption, match=r"pip install 'overtrace\[transformers\]'"):
        load_transformers("anything")
