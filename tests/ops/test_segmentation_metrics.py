"""Confusions of pixels and what they say, by hand, as scikit-learn, and in parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from jaxvision.ops.segmentation_metrics import (
    confusion_counts,
    dice_per_class,
    iou_per_class,
    mean_iou,
    pixel_accuracy,
)


def drawn(seed=0, shape=(4, 5, 6), classes=3):
    random = np.random.default_rng(seed)
    return (jnp.asarray(random.integers(0, classes, shape), jnp.int32) for _ in range(2))


def test_by_hand():
    labels = jnp.array([[[0, 0, 1], [1, 1, 255]]])
    predictions = jnp.array([[[0, 1, 1], [1, 0, 0]]])
    counts = confusion_counts(labels, predictions, 3, ignore=255)
    np.testing.assert_array_equal(counts, [[[1, 1, 0], [1, 2, 0], [0, 0, 0]]])
    np.testing.assert_allclose(pixel_accuracy(counts), [3 / 5])
    np.testing.assert_allclose(iou_per_class(counts), [[1 / 3, 2 / 4, np.nan]], rtol=1e-6)
    np.testing.assert_allclose(mean_iou(counts), [(1 / 3 + 1 / 2) / 2], rtol=1e-6)
    np.testing.assert_allclose(dice_per_class(counts), [[2 / 4, 4 / 6, np.nan]], rtol=1e-6)


def test_a_class_that_is_only_called_has_an_iou_of_0():
    counts = confusion_counts(jnp.zeros((1, 1, 2), int), jnp.array([[[0, 1]]]), 2)
    np.testing.assert_allclose(iou_per_class(counts), [[0.5, 0]])
    np.testing.assert_allclose(mean_iou(counts), [0.25])


def test_equals_scikit_learns():
    labels, predictions = drawn()
    counts = jax.jit(lambda t, p: confusion_counts(t, p, 3))(labels, predictions)
    for b in range(len(labels)):
        pair = np.ravel(labels[b]), np.ravel(predictions[b])
        np.testing.assert_array_equal(counts[b], metrics.confusion_matrix(*pair))
        np.testing.assert_allclose(pixel_accuracy(counts)[b], metrics.accuracy_score(*pair))
        np.testing.assert_allclose(
            iou_per_class(counts)[b], metrics.jaccard_score(*pair, average=None), rtol=1e-6
        )
        np.testing.assert_allclose(
            dice_per_class(counts)[b], metrics.f1_score(*pair, average=None), rtol=1e-6
        )


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_counts_of_parts_add_up(seed):
    labels, predictions = drawn(seed)
    counts = confusion_counts(labels, predictions, 3)
    assert counts.shape == (4, 3, 3)
    whole = confusion_counts(labels.reshape(1, 20, 6), predictions.reshape(1, 20, 6), 3)[0]
    np.testing.assert_array_equal(counts.sum(axis=0), whole)
    np.testing.assert_allclose(
        mean_iou(np.asarray(counts, np.float32).sum(axis=0)), mean_iou(whole)
    )
    np.testing.assert_array_equal(
        whole.sum(axis=1), np.bincount(np.ravel(labels), minlength=3)
    )  # rows are what is there
    iou = iou_per_class(whole)
    np.testing.assert_allclose(dice_per_class(whole), 2 * iou / (1 + iou), rtol=1e-6)


def test_what_is_no_class_is_never_counted_in_silence():
    labels, predictions = drawn(shape=(3, 2, 2))
    for wrong in (-1, 3, 255):
        counts = confusion_counts(labels.at[0, 0, 0].set(wrong), predictions, 3)
        assert np.isnan(counts[0]).all() and np.isfinite(counts[1:]).all()
        counts = confusion_counts(labels, predictions.at[1, 0, 0].set(wrong), 3)
        assert np.isnan(counts[1]).all() and np.isfinite(counts[::2]).all()
        for score in (pixel_accuracy, mean_iou):
            assert np.isnan(score(counts.sum(axis=0)))
    # Where the label is ignored, a prediction may be anything.
    ignored = confusion_counts(
        labels.at[0, 0, 0].set(-1), predictions.at[0, 0, 0].set(7), 3, ignore=-1
    )
    assert ignored[0].sum() == 3


def test_no_pixels_have_no_accuracy():
    counts = confusion_counts(jnp.full((1, 2, 2), 255), jnp.zeros((1, 2, 2), int), 2, ignore=255)
    assert np.isnan(pixel_accuracy(counts)[0]) and np.isnan(mean_iou(counts)[0])


@pytest.mark.parametrize("ignore", [None, 0])
def test_an_ignored_class_has_no_row(ignore):
    labels, predictions = drawn()
    counts = confusion_counts(labels, predictions, 3, ignore=ignore)
    assert (counts[:, 0].sum() == 0) == (ignore == 0)
    assert counts[:, 1:].sum() == (labels != 0).sum()
