"""Folds: every row in its place, every class in proportion, the same from the same seed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from jaxvision.data.duplicates import without_copies
from jaxvision.data.folds import FILLING, Folds, repeated_subsamples, rows_of, stratified_folds
from jaxvision.data.sources import ArraySource, digits
from jaxvision.data.splits import train_validation_test
from jaxvision.data.views import Subset

LABELS = digits()["train"].labels
counts = st.lists(st.integers(6, 40), min_size=1, max_size=8)


def shuffled(counts, seed):
    """Labels with so many examples of each class, in random order, and some rows of them."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(counts)) * 3 - 1, counts))
    others = np.full(len(labels) // 2, 99)  # a class that no row of `rows` has
    place = random.permutation(len(labels) + len(others))
    whole = np.concatenate([labels, others])[place]
    return whole, random.permutation(np.flatnonzero(whole != 99))


def check_form(folds, rows):
    """Rows of both sides make up all rows, ascend, and are followed by filling only."""
    for train, validation in zip(folds.train, folds.validation, strict=True):
        sides = rows_of(train), rows_of(validation)
        for filled, side in zip((train, validation), sides, strict=True):
            assert np.all(np.diff(side) > 0)
            np.testing.assert_array_equal(filled[: len(side)], side)
            assert np.all(filled[len(side) :] == FILLING)
        np.testing.assert_array_equal(np.sort(np.concatenate(sides)), np.sort(rows))
    for matrix in (folds.train, folds.validation):
        assert matrix.dtype == np.int32 and len(matrix) == folds.k
        assert np.any(matrix[:, -1] != FILLING)  # no wider than the longest fold


@settings(deadline=None, max_examples=100)
@given(counts=counts, k=st.integers(2, 6), seed=st.integers(0, 1000))
def test_every_row_is_validated_once_and_every_class_is_within_one_of_its_share(counts, k, seed):
    labels, rows = shuffled(counts, seed)
    folds = stratified_folds(labels, k, seed, rows=rows)
    assert folds.k == k
    check_form(folds, rows)
    validated = [rows_of(validation) for validation in folds.validation]
    np.testing.assert_array_equal(np.sort(np.concatenate(validated)), np.sort(rows))
    sizes = [len(part) for part in validated]
    assert max(sizes) - min(sizes) <= 1
    for part in validated:
        for label, count in zip(*np.unique(labels[rows], return_counts=True), strict=True):
            assert abs(np.sum(labels[part] == label) - count / k) < 1


@settings(deadline=None, max_examples=100)
@given(counts=counts, fraction=st.floats(0.1, 0.9), seed=st.integers(0, 1000))
def test_every_repeat_has_the_class_proportions_and_the_fraction(counts, fraction, seed):
    labels, rows = shuffled(counts, seed)
    assume(1 <= fraction * len(rows) <= len(rows) - 1)
    folds = repeated_subsamples(labels, 3, fraction, seed, rows=rows)
    assert folds.k == 3
    check_form(folds, rows)
    for validation in folds.validation:
        part = rows_of(validation)
        assert abs(len(part) - fraction * len(rows)) <= 0.5 + 1e-6
        for label, count in zip(*np.unique(labels[rows], return_counts=True), strict=True):
            assert abs(np.sum(labels[part] == label) - fraction * count) < 1


def test_the_parts_of_a_small_division_by_hand():
    # Two classes of 3 and 2 in 2 folds: 2 + 1 and 1 + 1. The folds' sizes are 3 and 2.
    labels = np.array([7, 7, 4, 4, 7])
    folds = stratified_folds(labels, 2, seed=0)
    assert folds.train.shape == folds.validation.shape == (2, 3)
    first, second = (rows_of(part) for part in folds.validation)
    assert sorted([len(first), len(second)]) == [2, 3]
    np.testing.assert_array_equal(rows_of(folds.train[0]), second)
    np.testing.assert_array_equal(rows_of(folds.train[1]), first)
    for part in (first, second):
        assert np.sum(labels[part] == 4) == 1
    assert np.count_nonzero(folds.train == FILLING) == 1


def test_rows_of_takes_off_the_filling_only():
    np.testing.assert_array_equal(rows_of(np.array([0, 3, 5, FILLING, FILLING])), [0, 3, 5])


@pytest.mark.parametrize("k", [2, 5, 10])
def test_the_digits_are_divided_as_scikit_learn_divides_them(k):
    folds = stratified_folds(LABELS, k, seed=0)
    theirs = StratifiedKFold(k, shuffle=True, random_state=0).split(LABELS, LABELS)
    ours = [np.bincount(LABELS[rows_of(part)]) for part in folds.validation]
    theirs = [np.bincount(LABELS[part]) for _, part in theirs]
    assert np.abs(np.array(ours) - theirs).max() <= 1
    assert sorted(map(sum, ours)) == sorted(map(sum, theirs))


def test_the_seed_decides():
    first, again, other = (stratified_folds(LABELS, 5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)
    first, again, other = (repeated_subsamples(LABELS, 2, 0.2, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)


def test_a_repeat_does_not_depend_on_how_many_there_are_and_none_is_like_another():
    few, many = (repeated_subsamples(LABELS, repeats, 0.25, seed=3) for repeats in (2, 5))
    np.testing.assert_array_equal(few.train, many.train[:2])
    np.testing.assert_array_equal(few.validation, many.validation[:2])
    in_validation = np.zeros((5, len(LABELS)))
    for repeat, part in enumerate(many.validation):
        in_validation[repeat, part] = 1
    # Independent draws of a quarter have a sixteenth in common: of 1,797 rows 112 +- 9.
    common = in_validation @ in_validation.T
    np.testing.assert_allclose(common[~np.eye(5, dtype=bool)], len(LABELS) / 16, atol=40)


def test_repeats_reach_every_row_also_where_a_class_has_less_than_one_example_to_give():
    # A tenth of 5 is half an example: in each repeat half of the classes have none to judge by.
    labels = np.repeat(np.arange(10), 5)
    folds = repeated_subsamples(labels, 200, 0.1, seed=0)
    assert folds.validation.shape == (200, 5)
    times = np.bincount(folds.validation.ravel(), minlength=50)  # 20 +- 4.2 each
    assert times.min() > 3 and times.max() < 45


def test_the_order_of_the_rows_does_not_matter():
    rows = np.flatnonzero(LABELS < 5)
    for divide in (
        lambda rows: stratified_folds(LABELS, 4, 0, rows=rows),
        lambda rows: repeated_subsamples(LABELS, 4, 0.3, 0, rows=rows),
    ):
        for one, other in zip(divide(rows), divide(rows[::-1].copy()), strict=True):
            np.testing.assert_array_equal(one, other)


def test_train_and_validation_without_test_are_divided_in_the_rows_of_the_whole():
    source = digits()["train"]
    splits = train_validation_test(source)
    rows = np.concatenate([splits.train.rows, splits.validation.rows])
    folds = stratified_folds(source.labels, 5, 0, rows=rows)
    for train, validation in zip(folds.train, folds.validation, strict=True):
        assert not np.isin(splits.test.rows, np.concatenate([train, validation])).any()
    part = Subset(source, rows_of(folds.validation[0]))
    assert part.classes == source.classes and len(part) == 288


def test_copies_are_on_one_side_when_they_are_left_out_before():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 4, 4, 1), dtype=np.uint8).repeat(2, axis=0)
    source = ArraySource(images, np.arange(40) // 2 % 2)
    once = without_copies(source).rows
    np.testing.assert_array_equal(once, np.arange(0, 40, 2))
    folds = stratified_folds(source.labels, 5, 0, rows=once)
    for train, validation in zip(folds.train, folds.validation, strict=True):
        assert not np.isin(rows_of(train) // 2, rows_of(validation) // 2).any()


def test_one_compiled_program_serves_all_folds():
    values = np.random.default_rng(0).normal(size=len(LABELS)).astype(np.float32)
    folds = stratified_folds(LABELS, 7, 0)  # 1,797 is no multiple of 7: there is filling

    @jax.jit
    def means(folds):
        def mean(filled):
            real = filled != FILLING
            return jnp.sum(jnp.take(values, filled) * real) / jnp.sum(real)

        return jax.vmap(lambda fold: (mean(fold.train), mean(fold.validation)))(folds)

    train, validation = means(folds)
    assert (folds.train == FILLING).any()
    for i in range(folds.k):
        assert train[i] == pytest.approx(values[rows_of(folds.train[i])].mean(), abs=1e-6)
        assert validation[i] == pytest.approx(values[rows_of(folds.validation[i])].mean(), abs=1e-6)
    assert isinstance(jax.tree.map(lambda matrix: matrix[0], folds), Folds)


FEW = np.array([5, 5, 5, 5, 8, 8, 8])
ONE = np.array([5, 5, 5, 8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stratified_folds(FEW, 1, 0), r"`folds` must be at least 2, got 1.*stratified_spl"),
        (
            lambda: stratified_folds(FEW, 4, 0),
            r"`folds` must be at most 3, .*class 8\), .*got 4\. Take at most 3 folds, add examples",
        ),
        (
            lambda: stratified_folds(ONE, 2, 0),
            r"`folds` must be at most 1, .*class 8\), .*got 2\. Add examples, or leave the class",
        ),
        (
            lambda: stratified_folds(FEW, 3, 0, rows=np.array([0, 1, 2, 4, 5])),
            r"`folds` must be at most 2, .*class 8\), .*got 3",
        ),
        (lambda: stratified_folds(FEW, 2, -1), r"`seed` must be at least 0, got -1. Take 0"),
        (lambda: stratified_folds(FEW[:0], 2, 0), r"`labels` and `rows` must leave .* got none"),
        (
            lambda: stratified_folds(FEW, 2, 0, rows=np.array([1, 2, 4, 5, 2])),
            r"`rows` must name each example once, .* got \[2\] repeatedly.*np.unique",
        ),
        (
            lambda: stratified_folds(FEW, 2, 0, rows=np.array([0, 1, 4, 7])),
            r"`rows` must be in \[0, 7\), .* got 0 to 7. Give the labels of the whole",
        ),
        (
            lambda: stratified_folds(FEW, 2, 0, rows=np.array([0, 1, 4, -1])),
            r"`rows` must be in \[0, 7\), .* got -1 to 4",
        ),
        (lambda: repeated_subsamples(FEW, 0, 0.5, 0), r"`repeats` must be at least 1, got 0. Take"),
        (lambda: repeated_subsamples(FEW, 2, 0.5, -3), r"`seed` must be at least 0, got -3"),
        (
            lambda: repeated_subsamples(ONE, 2, 0.5, 0),
            r"`labels` must hold at least 2 examples of each class.* got 1 of class 8. Add",
        ),
        (
            lambda: repeated_subsamples(FEW, 2, 0.1, 0),
            r"`validation_fraction` must be in \[1/7, 1 - 1/7\].*got 0.1. Make it larger",
        ),
        (
            lambda: repeated_subsamples(FEW, 2, 20.0, 0),
            r"`validation_fraction` must be in .*got 20.0. Make it smaller",
        ),
        (
            lambda: repeated_subsamples(FEW, 2, float("nan"), 0),
            r"`validation_fraction` must be in .*got nan",
        ),
        (
            lambda: repeated_subsamples(FEW, 2, 0.5, 0, rows=np.array([1, 1, 4, 5])),
            r"`rows` must name each example once",
        ),
    ],
)
def test_errors_name_the_argument_and_the_remedy(call, message):
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_the_smallest_fraction_leaves_one_example():
    assert repeated_subsamples(np.zeros(10, int), 2, 0.1, 0).validation.shape == (2, 1)
    assert repeated_subsamples(np.zeros(10, int), 2, 0.9, 0).train.shape == (2, 1)
