"""Keys: one for each part by its place, one for each example by its place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import compose, per_example
from tests.augment.made_up import batch, photo

KEY = jax.random.key(3)


def tell(name):
    """An augmentation that writes down what key it was given."""

    def apply(key, example):
        return example | {name: jax.random.key_data(key)}

    return apply


def test_every_part_has_a_key_by_its_position():
    out = compose(tell("a"), tell("b"))(KEY, {"image": photo()})
    for position, name in enumerate("ab"):
        expected = jax.random.key_data(jax.random.fold_in(KEY, position))
        np.testing.assert_array_equal(out[name], expected)


def test_parts_come_in_order_and_none_are_the_identity():
    def add(key, example):
        return example | {"image": example["image"] + 1}

    def double(key, example):
        return example | {"image": 2 * example["image"]}

    example = {"image": photo()}
    out = compose(add, double)(KEY, example)
    np.testing.assert_array_equal(out["image"], 2 * (example["image"] + 1))
    assert compose()(KEY, example) is example


@pytest.mark.parametrize("size", [3, 5])
def test_every_example_has_a_key_by_its_position_however_many_there_are(size):
    out = per_example(tell("key"))(KEY, batch(size))
    expected = [jax.random.key_data(jax.random.fold_in(KEY, i)) for i in range(size)]
    np.testing.assert_array_equal(out["key"], jnp.stack(expected))


@pytest.mark.parametrize("per_batch", [True, False])
def test_what_the_batch_has_in_common_reaches_each_and_comes_back_as_it_was(per_batch):
    given = batch(5) | ({} if per_batch else {"epoch": np.full(5, 3, np.int32)})

    def apply(key, example):
        return example | {"sum": example["row"] + example["epoch"]}

    out = per_example(apply)(KEY, given)
    np.testing.assert_array_equal(out["sum"], np.arange(5) + 3)
    for name, value in given.items():
        np.testing.assert_array_equal(out[name], value)
        assert out[name].shape == value.shape and out[name].dtype == value.dtype
