"""Classifiers on features: each learns, and its setting is the best of the folds."""

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from jaxvision.data.folds import rows_of, stratified_folds
from jaxvision.transfer.classifiers import CLASSIFIERS, NEIGHBOURS


def clouds(n=60, classes=3, width=5, spread=0.3):
    """Points around as many corners as there are classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    points = np.eye(classes, width)[labels] + spread * rng.normal(size=(n, width))
    return points.astype(np.float32), labels


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_learns_what_can_be_learned(name):
    features, labels = clouds(spread=0.1)
    learned = CLASSIFIERS[name](features, labels, 3, stratified_folds(labels, 5, seed=0))
    assert learned.accuracy == 1.0
    others, truth = clouds(n=33, spread=0.12)
    found = learned.classify(others)
    assert found.shape == (33,) and found.dtype.kind == "i"
    np.testing.assert_array_equal(found, truth)
    assert learned.setting.split(" = ")[0] in ("penalty", "C", "k")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_that_say_nothing_are_not_learned(name):
    features, _ = clouds(n=120)
    labels = np.random.default_rng(1).permutation(np.arange(120) % 3)
    learned = CLASSIFIERS[name](features, labels, 3, stratified_folds(labels, 5, seed=0))
    assert 0.2 < learned.accuracy < 0.5  # of examples that were left out; chance is a third


def test_the_setting_is_the_best_over_these_very_folds():
    features, labels = clouds(n=90, spread=0.9)
    folds = stratified_folds(labels, 4, seed=3)
    learned = CLASSIFIERS["nearest neighbours"](features, labels, 3, folds)
    pairs = [(rows_of(a), rows_of(b)) for a, b in zip(*folds, strict=True)]
    accuracies = [
        cross_val_score(KNeighborsClassifier(k), features, labels, cv=pairs).mean()
        for k in NEIGHBOURS
    ]
    assert learned.accuracy == pytest.approx(max(accuracies))
    assert learned.setting == f"k = {NEIGHBOURS[int(np.argmax(accuracies))]}"
    assert len({round(a, 3) for a in accuracies}) > 1


def test_there_are_never_more_neighbours_than_examples():
    features, labels = clouds(n=9)
    learned = CLASSIFIERS["nearest neighbours"](
        features, labels, 3, stratified_folds(labels, 3, seed=0)
    )
    assert int(learned.setting.removeprefix("k = ")) <= 6
