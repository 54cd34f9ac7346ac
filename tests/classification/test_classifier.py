"""A finished run in use: the figures it ended with come back, and images get their classes."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from jaxvision.classification.classifier import evaluate, load_classifier, predict
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.training import train
from jaxvision.data.images import ImageError
from jaxvision.data.sources import digits
from jaxvision.data.splits import complete_splits


def test_evaluate_repeats_the_runs_result_exactly(run):
    result = json.loads((run.path / "result.json").read_text())
    for part in ("test", "validation"):
        metrics, logits, source = evaluate(run.path, part=part)
        assert metrics == result[part]
        assert len(logits) == len(source)


def test_predict_agrees_with_evaluate_and_names_the_class(run, tmp_path):
    test = complete_splits(digits()).test
    for i in range(20):
        Image.fromarray(test[i]["image"][..., 0]).save(tmp_path / f"{i}.png")
    _, logits, _ = evaluate(run.path)
    classifier = load_classifier(run.path)
    answers = predict(classifier, [tmp_path / f"{i}.png" for i in range(20)], k=3)
    for answer, row in zip(answers, logits, strict=False):
        probabilities = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        order = np.argsort(-probabilities)[:3]
        assert [p.name for p in answer] == [str(c) for c in order]
        np.testing.assert_allclose([p.probability for p in answer], probabilities[order], rtol=1e-4)


def test_an_image_of_any_size_and_mode_is_brought_to_the_networks(run, tmp_path):
    digit = complete_splits(digits()).test[3]["image"][..., 0]
    large = Image.fromarray(digit).resize((80, 80), Image.Resampling.BICUBIC)
    for name, image in (("grey.png", large), ("colour.jpg", large.convert("RGB"))):
        image.save(tmp_path / name)
    answers = predict(
        load_classifier(run.path), [tmp_path / "grey.png", tmp_path / "colour.jpg"], k=99
    )
    assert answers[0][0].name == answers[1][0].name
    assert len(answers[0]) == 10
    np.testing.assert_allclose(sum(p.probability for p in answers[0]), 1, rtol=1e-5)


def test_an_unreadable_image_is_named(run, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match=r"broken\.png"):
        predict(load_classifier(run.path), [tmp_path / "broken.png"])


def folder_of(tmp_path, classes, mode="L"):
    for label, name in enumerate(classes):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(2):
            pixels = np.full((8, 8), 100 * i + 10 * label, np.uint8)
            Image.fromarray(pixels).convert(mode).save(tmp_path / "images" / name / f"{i}.png")
    return f"folder:{tmp_path / 'images'}"


def test_other_data_of_the_same_classes_can_be_measured(run, tmp_path):
    data = folder_of(tmp_path, "0123456789", mode="RGB")
    metrics, logits, source = evaluate(run.path, data, part="train")
    assert logits.shape == (20, 10) and len(source) == 20
    assert 0 <= metrics["accuracy"] <= 1


def test_other_classes_and_other_parts_are_refused(run, tmp_path):
    data = folder_of(tmp_path, ("cats", "dogs"))
    with pytest.raises(ValueError, match=r"`data` must have the classes of the run, 0, 1,.*cats"):
        evaluate(run.path, data, part="train")
    with pytest.raises(ValueError, match=r"`part` is unknown: 'test'.*Known: train"):
        evaluate(run.path, data)


def test_images_of_other_channels_are_refused(tmp_path):
    config = TrainConfig(
        model="softmax_regression", channels=3, epochs=1, out=tmp_path / "coloured"
    )
    path = train(config, Console(file=io.StringIO()))
    message = r"`data` must have images of 3 channel.*got 1: .*--channels 1"
    with pytest.raises(ValueError, match=message):
        evaluate(path, "digits", part="train")
    with pytest.raises(ValueError, match=r"`images` must have 3 channel.*got 1"):
        load_classifier(path)(np.zeros((1, 8, 8, 1), np.uint8))


def test_what_is_not_a_run_or_not_finished_or_damaged_is_named(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent is not a run"):
        load_classifier(tmp_path / "absent")
    young = tmp_path / "young"
    young.mkdir()
    shutil.copy(run.path / "config.json", young)
    with pytest.raises(FileNotFoundError, match=r"has not finished an epoch.*--resume"):
        load_classifier(young)
    (young / "config.json").write_text('{"config": {"colour": "blue"}}')
    with pytest.raises(ValueError, match=r"config\.json cannot be understood .* Train anew"):
        load_classifier(young)
    shutil.copy(run.path / "config.json", young)
    (young / "model.safetensors").write_bytes((run.path / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_classifier(young)
