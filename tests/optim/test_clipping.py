"""Clipping by hand, against Optax, and what it must not do: turn, zero or touch a gradient."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.optim.clipping import clip_by_global_norm, clip_by_value
from jaxvision.optim.masks import kernels


def clip(tx, gradients):
    return tx.update(gradients, tx.init(gradients))[0]


def random_gradients(scale=1.0, dtype=jnp.float32):
    random = np.random.default_rng(0)
    tree = {"a": {"kernel": random.standard_normal((30, 20))}, "bias": random.standard_normal(20)}
    return jax.tree.map(lambda g: jnp.array(scale * g, dtype), tree)


def norm(tree):
    return np.sqrt(sum(np.sum(np.asarray(g, np.float64) ** 2) for g in jax.tree.leaves(tree)))


def test_by_value_by_hand():
    gradients = {"kernel": jnp.array([3.0, -3.0, 0.5]), "bias": jnp.array([-9.0])}
    clipped = clip(clip_by_value(2.0), gradients)
    np.testing.assert_array_equal(clipped["kernel"], [2.0, -2.0, 0.5])
    np.testing.assert_array_equal(clipped["bias"], [-2.0])
    clipped = clip(clip_by_value(2.0, kernels), gradients)
    np.testing.assert_array_equal(clipped["kernel"], [2.0, -2.0, 0.5])
    np.testing.assert_array_equal(clipped["bias"], [-9.0])


def test_by_global_norm_by_hand():
    # The norm of (3, 4, 12) is 13; of the kernel alone, 5.
    gradients = {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.array([12.0])}
    clipped = clip(clip_by_global_norm(6.5), gradients)
    np.testing.assert_array_equal(clipped["kernel"], [1.5, 2.0])
    np.testing.assert_array_equal(clipped["bias"], [6.0])
    clipped = clip(clip_by_global_norm(2.5, kernels), gradients)
    np.testing.assert_array_equal(clipped["kernel"], [1.5, 2.0])
    np.testing.assert_array_equal(clipped["bias"], [12.0])


@pytest.mark.parametrize("limit", [0.5, 5.0, 500.0])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(clip_by_value, optax.clip), (clip_by_global_norm, optax.clip_by_global_norm)],
)
def test_follows_optax(ours, theirs, limit):
    gradients = random_gradients(3.0)
    # Each sums 620 squares, in its own order, and divides in its own order: a few roundings.
    expected = clip(theirs(limit), gradients)
    chex.assert_trees_all_close(clip(ours(limit), gradients), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e15])
def test_the_direction_is_kept_and_the_norm_is_the_limit(scale):
    gradients = random_gradients(scale)
    clipped = clip(clip_by_global_norm(1e-3), gradients)
    np.testing.assert_allclose(norm(clipped), 1e-3, rtol=1e-6)
    factor = 1e-3 / norm(gradients)
    chex.assert_trees_all_close(clipped, jax.tree.map(lambda g: g * factor, gradients), rtol=1e-6)


@pytest.mark.parametrize("gradient", [[5.0, 12.0], [0.1, 0.7], [-0.0, 1e-40], [0.0, 0.0]])
def test_up_to_the_limit_a_gradient_passes_bit_for_bit(gradient):
    tx, gradients = clip_by_global_norm(13.0), {"kernel": jnp.array(gradient, jnp.float32)}
    with jax.debug_nans(True):
        for update in (tx.update, jax.jit(tx.update)):
            clipped, _ = update(gradients, tx.init(gradients))
            assert clipped["kernel"].tobytes() == gradients["kernel"].tobytes()


@pytest.mark.parametrize("bad", [np.inf, np.nan, 1e30])
def test_a_norm_that_is_not_finite_is_not_hidden(bad):
    # The square of 1e30 is not a float32; scaled by limit / inf = 0, the step would vanish.
    gradients = {"kernel": jnp.array([bad, 1.0])}
    clipped = clip(clip_by_global_norm(1.0), gradients)
    np.testing.assert_array_equal(clipped["kernel"], gradients["kernel"])


def test_bfloat16_is_measured_in_float32():
    # The right factor, rounded once to eight bits, gives the right bits; a norm in bfloat16 would
    # shift the factor by up to 1/512, which moves a good part of the results to a neighbour.
    gradients = random_gradients(dtype=jnp.bfloat16)
    clipped = clip(clip_by_global_norm(1.37), gradients)
    factor = 1.37 / norm(gradients)
    expected = jax.tree.map(
        lambda g: jnp.array(np.asarray(g, np.float64) * factor, jnp.bfloat16), gradients
    )
    wrong = jax.tree.map(lambda a, b: int(jnp.sum(a != b)), clipped, expected)
    assert sum(jax.tree.leaves(wrong)) == 0


@pytest.mark.parametrize("make", [clip_by_value, clip_by_global_norm])
@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_out_of_range_is_named(make, limit):
    with pytest.raises(ValueError, match=r"`limit` must be in \(0, inf\), got"):
        make(limit)


@pytest.mark.parametrize("make", [clip_by_value, clip_by_global_norm])
def test_a_mask_that_fits_nothing_is_an_error_before_the_first_step(make):
    with pytest.raises(ValueError, match="`mask` chooses no parameter; there are scale"):
        make(1.0, kernels).init({"scale": jnp.ones(2)})
