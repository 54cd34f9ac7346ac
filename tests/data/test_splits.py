"""Splits: every example once, every class in proportion, the same from the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.data.sources import ArraySource, digits
from jaxvision.data.splits import complete_splits, stratified_split, train_validation_test

counts = st.lists(st.integers(3, 60), min_size=1, max_size=12)
weights = st.lists(st.integers(1, 20), min_size=3, max_size=3)


@settings(deadline=None, max_examples=200)
@given(counts=counts, weights=weights, seed=st.integers(0, 1000))
def test_every_class_is_within_one_example_of_its_share_and_every_row_is_in_one_part(
    counts, weights, seed
):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    fractions = np.array(weights) / sum(weights)
    parts = stratified_split(labels, tuple(fractions), seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for fraction, rows in zip(fractions, parts, strict=True):
        share = fraction * np.array(counts)
        assert np.all(np.abs(np.bincount(labels[rows], minlength=len(counts)) - share) < 1)


def test_the_parts_totals_are_right_too():
    # 100 classes of 5: a tenth is half an example a class, and 50 in all: not 0, not 100.
    labels = np.repeat(np.arange(100), 5)
    sizes = [len(rows) for rows in stratified_split(labels, (0.7, 0.1, 0.2), seed=0)]
    assert sizes == [350, 50, 100]


def test_the_digits_have_their_fifth():
    splits = complete_splits(digits())
    assert [len(part) for part in splits] == [1258, 180, 359]
    for part in splits:
        assert part.classes == tuple("0123456789")
        example = part[5]
        assert example["label"] == part.labels[5]
        np.testing.assert_array_equal(
            example["image"], digits()["train"][int(part.rows[5])]["image"]
        )


def test_the_seed_decides():
    labels = np.repeat(np.arange(3), 20)
    first, again, other = (stratified_split(labels, (0.5, 0.5), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def source(n=30):
    return ArraySource(np.zeros((n, 2, 2, 1), np.uint8), np.arange(n) % 3)


def test_parts_that_the_data_come_with_are_kept_and_only_the_others_are_cut():
    given_test = source(9)
    splits = complete_splits({"train": source(), "test": given_test}, validation_fraction=0.2)
    assert splits.test is given_test
    assert (len(splits.train), len(splits.validation)) == (24, 6)
    whole = {"train": source(), "validation": source(6), "test": given_test}
    assert complete_splits(whole) == (whole["train"], whole["validation"], whole["test"])


def test_one_source_is_divided_in_three():
    splits = train_validation_test(source(60), validation_fraction=0.2, test_fraction=0.3, seed=4)
    assert [len(part) for part in splits] == [30, 12, 18]
    np.testing.assert_array_equal(
        np.sort(np.concatenate([part.rows for part in splits])), np.arange(60)
    )
    for part in splits:
        counts = np.bincount(part.labels)
        assert counts.tolist() == [len(part) // 3] * 3


def test_one_source_is_divided_as_a_data_set_that_has_only_a_training_part():
    for options in ({}, {"validation_fraction": 0.3, "test_fraction": 0.1, "seed": 7}):
        for part, other in zip(
            train_validation_test(digits()["train"], **options),
            complete_splits(digits(), **options),
            strict=True,
        ):
            np.testing.assert_array_equal(part.rows, other.rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stratified_split(np.zeros(9, int), (0.9, 0.2), 0), r"`fractions` .* add up to 1"),
        (lambda: stratified_split(np.zeros(9, int), (1.1, -0.1), 0), r"`fractions` .* positive"),
        (
            lambda: stratified_split(np.zeros(9, int), (float("nan"), 0.5), 0),
            r"`fractions` .* got \(nan, 0.5\)",
        ),
        (
            lambda: stratified_split(np.zeros(9, int), (0.5, 0.5), -1),
            r"`seed` must be at least 0, got -1. Take",
        ),
        (
            lambda: stratified_split(np.array([0, 0, 0, 1, 1]), (0.5, 0.3, 0.2), 0),
            r"at least 3 examples of each class.*class 1 has 2",
        ),
        (
            lambda: complete_splits(
                {
                    "train": ArraySource(
                        np.zeros((5, 2, 2, 1), np.uint8), [0, 0, 0, 1, 1], ("cat", "dog")
                    )
                }
            ),
            r"at least 3 examples, one for each of train, validation and test, and 'dog' has 2",
        ),
        (lambda: complete_splits({"test": source()}), r"a part called train, got \['test'\]"),
        (
            lambda: complete_splits({"train": source()}, test_fraction=0.0),
            r"`test_fraction` must be in \(0, 1\), got 0.0",
        ),
        (
            lambda: complete_splits(
                {"train": source()}, validation_fraction=0.6, test_fraction=0.5
            ),
            r"`fractions` must be positive",
        ),
        (
            lambda: train_validation_test(source(9), validation_fraction=0.01),
            r"`validation_fraction` and `test_fraction` must leave .* of 9 .*0.01 for validation",
        ),
        (
            lambda: complete_splits(
                {"train": source(9), "test": source()}, validation_fraction=0.99
            ),
            r"^`validation_fraction` must leave .* of 9 .* 0.01 for train has none. Make it larger",
        ),
        (
            lambda: train_validation_test(source(9), test_fraction=1.0),
            r"`test_fraction` must be in \(0, 1\), got 1.0",
        ),
    ],
)
def test_errors_name_the_argument_and_the_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()
