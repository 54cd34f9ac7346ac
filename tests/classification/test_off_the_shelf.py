"""`jaxvision features`: of real digits, by a run that has learned them."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.classification.classifier import load_classifier
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.off_the_shelf import (
    compare_classifiers,
    compute_features,
    save_features,
)
from jaxvision.classification.setup import open_splits
from jaxvision.data.batches import load_resident

pytestmark = pytest.mark.usefixtures("own_cache")


def test_they_are_the_features_of_the_run(lenet):
    found = compute_features(TrainConfig(pretrained=str(lenet)), unit_length=False)
    assert found.feature == "f6" and found.classes == tuple("0123456789")
    classifier = load_classifier(lenet)
    splits = open_splits(TrainConfig(image_size=16))
    for name, part in splits._asdict().items():
        data = load_resident(part)
        _, features = classifier.model.apply(
            classifier.variables, classifier.normalization(jnp.asarray(data["image"])), train=False
        )
        np.testing.assert_allclose(found.of[name], features["f6"], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found.labels[name], data["label"])


def test_pools_and_lengths(lenet):
    config = TrainConfig(pretrained=str(lenet))
    plain = compute_features(config, "c3", "max", unit_length=False).of["test"]
    unit = compute_features(config, "c3", "max").of["test"]
    assert plain.shape == unit.shape == (359, 16)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        unit * np.linalg.norm(plain, axis=1, keepdims=True), plain, rtol=1e-4, atol=1e-6
    )


def test_every_classifier_is_measured_on_what_it_has_not_seen(lenet):
    found = compute_features(TrainConfig(pretrained=str(lenet)))
    scores = compare_classifiers(found)
    assert [score.name for score in scores] == [
        *("ridge", "logistic regression", "linear SVM", "nearest neighbours")
    ]
    for score in scores:
        assert min(score.cross_validation, score.validation, score.test) > 0.85
        assert max(score.cross_validation, score.validation, score.test) < 1
    swapped = found._replace(labels=found.labels | {"test": (found.labels["test"] + 1) % 10})
    for ours, theirs in zip(scores, compare_classifiers(swapped), strict=True):
        assert theirs[:4] == ours[:4] and theirs.test < 0.1


def test_a_file_has_all_that_a_classifier_needs(lenet, tmp_path):
    found = compute_features(TrainConfig(pretrained=str(lenet)))
    save_features(tmp_path / "new" / "digits.npz", found)
    with np.load(tmp_path / "new" / "digits.npz", allow_pickle=False) as arrays:
        assert list(arrays["classes"]) == list("0123456789")
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(arrays[part], found.of[part])
            np.testing.assert_array_equal(arrays[f"{part}_labels"], found.labels[part])
    with pytest.raises(FileExistsError, match=r"digits.npz is there already: choose another name"):
        save_features(tmp_path / "new" / "digits.npz", found)
    with pytest.raises(ValueError, match=r"`out` must end in .npz, got .*digits.txt"):
        save_features(tmp_path / "digits.txt", found)


def test_weights_without_a_word_of_their_normalisation_get_that_of_the_images(lenet):
    config = TrainConfig(
        pretrained=f"lenet5:{lenet / 'model.safetensors'}", channels=1, image_size=16
    )
    ours, theirs = compute_features(config), compute_features(TrainConfig(pretrained=str(lenet)))
    np.testing.assert_allclose(ours.of["test"], theirs.of["test"], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"`feature` is unknown: 'c7'"):
        compute_features(config, "c7")
