"""Why minibatches train the same network: their gradients average to that of the whole set."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from jaxvision.models import SoftmaxRegression
from jaxvision.ops.losses import categorical_cross_entropy


def gradients(*batches):
    """The gradient of the mean loss over each batch (rows of the real digits), in float64."""
    digits, model = load_digits(), SoftmaxRegression(num_classes=10)
    random = np.random.default_rng(0)
    weights = {"kernel": random.standard_normal((64, 10)), "bias": random.standard_normal(10)}
    with jax.enable_x64(True):
        images = jnp.array(digits.images / 16).reshape(-1, 8, 8, 1)
        labels = jnp.array(digits.target)

        @jax.jit
        @jax.grad
        def gradient(params, rows):
            logits, _ = model.apply({"params": params}, images[rows], train=True)
            return categorical_cross_entropy(logits, labels[rows]).mean()

        params = {"head": jax.tree.map(jnp.array, weights)}
        return [jax.tree.map(np.asarray, gradient(params, rows)) for rows in batches]


def test_the_mean_of_minibatch_gradients_is_the_full_gradient():
    # 1797 = 599 x 3, in a random order. Sums of 1797 terms, in another order: 1797 roundings.
    batches = np.random.default_rng(1).permutation(1797).reshape(599, 3)
    full, *parts = gradients(np.arange(1797), *batches)
    mean = jax.tree.map(lambda *g: np.mean(g, axis=0), *parts)
    chex.assert_trees_all_close(mean, full, rtol=1e-10)


def test_of_unequal_minibatches_each_counts_by_its_size():
    full, large, small = gradients(np.arange(1797), np.arange(1000), np.arange(1000, 1797))
    weighted = jax.tree.map(lambda a, b: (1000 * a + 797 * b) / 1797, large, small)
    chex.assert_trees_all_close(weighted, full, rtol=1e-10)
    unweighted = (large["head"]["bias"] + small["head"]["bias"]) / 2
    assert np.max(np.abs(unweighted / full["head"]["bias"] - 1)) > 1e-3
