"""A detector's run: its files, the same bits, going on, what is refused."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxvision.data.objects import Objects
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detectors import anchors_of, levels_of, make_backbone, make_detector
from jaxvision.detection.feature_maps import find_levels, find_map
from jaxvision.detection.job import make_job
from jaxvision.detection.material import hold_out, open_parts, read_material
from jaxvision.detection.record import read_config
from jaxvision.detection.trained import evaluate, load_detector, predict
from jaxvision.detection.training import follow_pretrained, resume_detector, train_detector
from jaxvision.ops.normalization import Normalization
from jaxvision.train.interruption import InterruptedRunError, Interruption
from jaxvision.transfer.backbone import begin_on_backbone
from tests.detection.conftest import SMALL, quiet

ONE = ((12.0, 24.0), (1.0,))


def change(trained, tmp_path, **changes):
    return dataclasses.replace(trained.config, out=tmp_path / "run", **changes)


def test_a_run_has_all_its_files(trained):
    names = {file.name for file in trained.path.iterdir()}
    assert names >= {
        *("config.json", "metrics.jsonl", "result.json", "model.safetensors", "checkpoints"),
        *("curves.png", "precision_recall.png", "errors.png", "detections.png"),
    }
    history = [
        json.loads(line) for line in (trained.path / "metrics.jsonl").read_text().splitlines()
    ]
    assert len(history) == 2
    assert all(0 <= record["validation"]["mAP"] <= 1 for record in history)
    parts = [name for name in history[0]["train"] if name != "loss"]
    for record in history:
        assert record["train"]["loss"] == pytest.approx(sum(record["train"][n] for n in parts))
    result = json.loads((trained.path / "result.json").read_text())
    assert result["test"]["images"] == 24
    assert result["test"]["objects"] > 24
    assert "mAP" in trained.output and "AP at IoU .5" in trained.output


def test_the_configuration_is_read_back(trained):
    assert read_config(trained.path) == dataclasses.replace(trained.config, out=None)


class StopsAfterAnEpoch(Interruption):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def requested(self):
        return (self.path / "metrics.jsonl").exists()


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(trained, tmp_path):
    # And so a run that was not has the same bytes each time, too.
    config = change(trained, tmp_path)
    with pytest.raises(InterruptedRunError):
        train_detector(config, quiet(), interruption=StopsAfterAnEpoch(config.out))
    assert not (config.out / "result.json").exists()
    resume_detector(config.out, quiet())
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (config.out / name).read_bytes() == (trained.path / name).read_bytes(), name


def test_what_a_run_found_is_found_again(trained):
    evaluation = evaluate(trained.path)
    result = json.loads((trained.path / "result.json").read_text())
    assert evaluation.figures == result["test"]


def test_an_image_of_any_size_gets_boxes_in_its_own_pixels(trained, tmp_path):
    from PIL import Image

    file = tmp_path / "wide.png"
    Image.fromarray(np.zeros((50, 300), np.uint8)).save(file)
    detector = load_detector(trained.path)
    ((image, found),) = predict(detector, [file])
    assert image.shape == (50, 300, 1)
    assert np.all(found.boxes[:, [0, 2]] <= 300) and np.all(found.boxes[:, [1, 3]] <= 50)
    assert np.all(np.diff(found.scores) <= 0)


def test_a_classifiers_run_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"config": {"model": "lenet5"}}))
    with pytest.raises(ValueError, match="of a run that is no detector's"):
        read_config(tmp_path)


# --- refused before anything is written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "yolov8"}, "`model` is unknown: 'yolov8'"),
        ({"backbone": "resnet51"}, "`backbone` is unknown: 'resnet51'. Did you mean `resnet50`"),
        ({"data": "scene"}, "`data` is unknown: 'scene'. Did you mean `scenes`"),
        ({"data": "voc:"}, "nothing after the colon. Try 'voc:cells'"),
        ({"data": "voc:nowhere"}, "nowhere"),
        ({"stride": 5}, "`stride` must be one that a feature map .* it has 2, 4, 8, 16"),
        ({"max_boxes": 2}, "more than `most` = 2. Raise it"),
        (
            {"dtype": "bfloat16", "backbone": "lenet5_original"},
            "`dtype` cannot be chosen for lenet5_original",
        ),
        ({"optimizer": "adamm"}, "`optimizer` is unknown"),
    ],
)
def test_what_cannot_be_is_said(changes, message, tmp_path):
    config = dataclasses.replace(SMALL, out=tmp_path / "run", **changes)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train_detector(config, quiet())
    assert not (tmp_path / "run").exists()


def test_every_value_that_cannot_be_is_named():
    with pytest.raises(ValueError, match=r"`batch_size`.*`epochs`.*`height`.*`anchor_sizes`"):
        DetectConfig(batch_size=0, epochs=0, height=0, anchor_sizes=(0.0,))
    with pytest.raises(ValueError, match="`freeze` must be left out without `pretrained`"):
        DetectConfig(freeze="stage3")


def test_pretrained_brings_its_backbone_and_wants_colours():
    named = follow_pretrained(DetectConfig(pretrained="vgg16", channels=3))
    assert named.backbone == "vgg16" and named.pretrained == "vgg16:lpips"
    with pytest.raises(ValueError, match="`backbone` must be left out"):
        follow_pretrained(DetectConfig(pretrained="vgg16", backbone="resnet18", channels=3))
    with pytest.raises(ValueError, match="give --channels 3"):
        follow_pretrained(DetectConfig(pretrained="vgg16"))


# --- parts


def test_a_part_is_held_out_once_and_wholly():
    scenes = open_parts(SMALL).train
    train, held = hold_out(scenes, 0.25, 0)
    assert len(train) == 18 and len(held) == 6
    assert sorted([*train.rows, *held.rows]) == list(range(24))
    np.testing.assert_array_equal(held[2]["image"], scenes[int(held.rows[2])]["image"])
    assert held.describe(2) == scenes.describe(int(held.rows[2]))
    assert isinstance(held.objects(0), Objects)
    again = hold_out(scenes, 0.25, 0)[1]
    np.testing.assert_array_equal(again.rows, held.rows)
    with pytest.raises(ValueError, match=r"must leave images in both parts, got 0\.01 of 24"):
        hold_out(scenes, 0.01, 0)


def test_boxes_are_those_of_the_images_on_the_canvas():
    config = dataclasses.replace(SMALL, height=64, width=96)
    material = read_material(config, open_parts(config), None)
    batch = {name: np.asarray(x) for name, x in material.train.data.items()}
    assert batch["image"].shape == (24, 64, 96, 1)
    for i in range(24):
        objects = material.parts.train.objects(i)
        boxes = batch["boxes"][i][batch["box_mask"][i]]
        np.testing.assert_allclose(boxes, objects.boxes + np.array([16, 0, 16, 0]), atol=1e-4)


def test_anchors_are_as_large_as_the_boxes():
    sides = np.linspace(10, 40, 601)[:, None] * np.array([[0, 0, 1, 2]])
    sizes, ratios = anchors_of(DetectConfig(), sides.astype(np.float32))
    np.testing.assert_allclose(sizes, np.array([15, 25, 35]) * 2**0.5, atol=0.051)
    assert ratios == (2.0,)
    asked = DetectConfig(anchor_sizes=(8.0,), anchor_ratios=(1.0,))
    assert anchors_of(asked, sides.astype(np.float32)) == ((8.0,), (1.0,))
    with pytest.raises(ValueError, match="no boxes to choose anchors by"):
        anchors_of(DetectConfig(), np.zeros((0, 4), np.float32))


def test_the_last_map_of_a_stride_is_looked_at():
    backbone = make_backbone(DetectConfig())
    assert find_map(backbone, (64, 64, 1), 8) == "conv10"
    assert find_map(backbone, (64, 64, 1), 16) == "conv13"
    assert find_map(make_backbone(DetectConfig(backbone="vgg16")), (96, 96, 3), 16) == "relu5_3"


@pytest.mark.parametrize(
    ("name", "value"), [("pretrained", "vgg16"), ("backbone", "vgg16"), ("stride", 8)]
)
@pytest.mark.parametrize("model", ["yolo_v1", "fast_yolo"])
def test_a_published_network_has_no_backbone_of_its_own(model, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be left out: {model} is as published"):
        DetectConfig(model=model, **{name: value})
    DetectConfig(model="yolo", **{name: value})


def test_a_pyramid_has_a_level_for_each_stride_and_one_above():
    config = DetectConfig(model="faster_rcnn", pyramid=16)
    backbone = make_backbone(config)
    found = find_levels(config, backbone, (64, 64, 1))
    assert found == (("conv10", "conv13"), (8, 16, 32)) and levels_of(config, (64, 64, 1)) == 3
    alone = dataclasses.replace(config, pyramid=None)
    assert find_levels(alone, backbone, (64, 64, 1)) == (("conv10",), (8,))
    assert levels_of(alone, (64, 64, 1)) is None
    boxes = np.linspace(10, 40, 601)[:, None] * np.array([[0, 0, 1, 1]])
    sizes, _ = anchors_of(config, boxes.astype(np.float32), 3)
    np.testing.assert_allclose(sizes, [15, 25, 35], atol=0.051)
    same = np.tile(np.array([[0, 0, 9, 9]], np.float32), (5, 1))
    assert anchors_of(config, same, 3) == ((9.0, 9.0, 9.0), (1.0,))  # each level has its own
    detector = make_detector(config, 10, (64, 64, 1), anchors_of(config, same, 3))
    assert detector.model.sizes == ((9.0,), (9.0,), (9.0,)) and detector.feature == "conv13"
    with pytest.raises(ValueError, match="3, one for each level of the pyramid"):
        anchors_of(dataclasses.replace(config, anchor_sizes=(8.0,)), same, 3)
    with pytest.raises(ValueError, match="left out where the model is not faster_rcnn"):
        DetectConfig(model="yolo", pyramid=16)


def test_what_no_box_depends_on_does_not_learn():
    shape = (64, 64, 1)
    detector = make_detector(SMALL, 10, shape, ONE)
    key = jax.random.key(0)
    begun = begin_on_backbone(detector.model, None, shape, (detector.feature,), None, key)
    assert set(begun["frozen"]["params"]["backbone"]) == {
        f"{kind}{i}" for kind in ("conv", "bn") for i in (11, 12, 13)
    }
    config = dataclasses.replace(SMALL, stride=16)
    deeper = make_detector(config, 10, shape, ONE)
    begun = begin_on_backbone(deeper.model, None, shape, (deeper.feature,), None, key)
    assert set(begun) == {"variables"}


def test_the_average_and_several_parts_of_a_batch(tmp_path):
    config = dataclasses.replace(
        SMALL, epochs=1, average_decay=0.9, accumulate=2, flip=True, shift=0.1, zoom=0.1,
        crop=0.3, color=0.2, weight_decay=1e-4, out=tmp_path / "run",
    )  # fmt: skip
    path = train_detector(config, quiet())
    tensors = load_file(path / "model.safetensors")
    assert all(np.all(np.isfinite(x)) for x in tensors.values())


def test_an_image_without_objects_is_valid(tmp_path):
    shape = (64, 64, 1)
    detector = make_detector(SMALL, 10, shape, ONE)
    job = make_job(SMALL, detector, shape, 10, Normalization((0.0,), (1.0,)))
    state = job.init(jax.random.key(0))
    batch = {
        "image": np.zeros((2, *shape), np.uint8),
        "boxes": np.zeros((2, 3, 4), np.float32),
        "box_mask": np.zeros((2, 3), bool),
        "label": np.zeros((2, 3), np.int32),
        "mask": np.ones(2, bool),
    }
    _, totals = job.train_step(state, batch)
    assert totals["skipped"] == 0 and totals["box"] == 0 and totals["class"] == 0
