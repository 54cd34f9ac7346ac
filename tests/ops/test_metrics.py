"""Metrics against counting by hand and scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from jaxvision.ops.metrics import confusion_matrix, correct, masked_mean, top_k


def test_masked_mean_counts_only_what_the_mask_keeps():
    values = jnp.array([1.0, 2.0, jnp.nan])
    assert masked_mean(values, jnp.array([True, True, False])) == 1.5
    assert masked_mean(values[:2], None) == 1.5
    assert masked_mean(values, jnp.zeros(3, bool)) == 0  # and not 0 / 0


def test_correct_takes_the_first_of_equal_logits():
    logits = jnp.array([[1.0, 2.0], [3.0, 3.0], [3.0, 3.0]])
    np.testing.assert_array_equal(correct(logits, jnp.array([1, 0, 1])), [True, True, False])


def test_confusion_matrix_has_true_classes_in_its_rows():
    matrix = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [0, 1, 0], [0, 0, 0]])


def test_confusion_matrix_equals_scikit_learn():
    random = np.random.default_rng(0)
    labels, predictions = random.integers(0, 5, (2, 200))
    np.testing.assert_array_equal(
        confusion_matrix(labels, predictions, 5),
        sklearn_metrics.confusion_matrix(labels, predictions, labels=range(5)),
    )


def test_confusion_matrix_refuses_a_class_that_does_not_exist():
    with pytest.raises(ValueError, match=r"`labels` must be in \[0, 3\), got 0 to 3"):
        confusion_matrix(np.array([0, 3]), np.array([0, 0]), 3)
    with pytest.raises(ValueError, match=r"`predictions` must be in \[0, 3\), got -1 to 0"):
        confusion_matrix(np.array([0, 1]), np.array([0, -1]), 3)


def test_top_k_is_sorted_and_never_more_than_there_are_classes():
    logits = jnp.log(jnp.array([[0.1, 0.6, 0.3]]))
    probabilities, classes = top_k(logits, 2)
    np.testing.assert_allclose(probabilities, [[0.6, 0.3]], rtol=1e-6)
    np.testing.assert_array_equal(classes, [[1, 2]])
    assert top_k(logits, 5)[1].shape == (1, 3)
