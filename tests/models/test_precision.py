"""What single precision and bfloat16 cost: logits and gradients against double precision.

Relative to the largest, logits in float32 are within 5e-6 and gradients within 1e-5 of those in
float64; logits of features in bfloat16, which has eight bits, are within 2e-2.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.losses import categorical_cross_entropy
from tests.models.small import size_of, small

NAMES = ("lenet5", "cifar_resnet20")
LABELS = np.array([0, 3, 1, 6, 2, 5])


def drawn(name):
    """The model, images and variables with statistics that are not 0 and 1."""
    model, random = small(name), np.random.default_rng(0)
    size = max(size_of(model), 16)
    images = random.normal(size=(len(LABELS), size, size, 3)).astype(np.float32)
    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda: model.init(key, jnp.asarray(images), train=False))

    def draw(path, x):
        if path[-1].key == "var":
            return random.uniform(0.5, 2, x.shape).astype(np.float32)
        fan_in = np.prod(x.shape[:-1], initial=1.0) if x.ndim > 1 else 10.0
        offset = 1.0 if path[-1].key == "scale" else 0.0
        return (offset + random.normal(size=x.shape) * np.sqrt(2 / fan_in)).astype(np.float32)

    return model, images, jax.tree_util.tree_map_with_path(draw, shapes)


def run(model, images, variables):
    """Logits, and the gradient of a loss of them."""

    @jax.jit
    def compute(images, variables):
        def loss(params):
            logits, _ = model.apply({**variables, "params": params}, images, train=False)
            targets = jax.nn.one_hot(LABELS, logits.shape[1], dtype=logits.dtype)
            return jnp.mean(categorical_cross_entropy(logits, targets)), logits

        gradients, logits = jax.grad(loss, has_aux=True)(variables["params"])
        return logits, gradients

    return compute(images, variables)


def difference(x, y):
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return np.abs(x - y).max() / np.abs(y).max()


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_double_precision(unchecked, name):
    model, images, variables = drawn(name)
    logits, gradients = run(model, images, variables)
    with jax.enable_x64(True):
        wide = jax.tree.map(np.float64, (images, variables))
        expected, slopes = run(model, *wide)
    assert (logits.dtype, expected.dtype) == (jnp.float32, jnp.float64)
    assert difference(logits, expected) < 5e-6
    errors = jax.tree.map(difference, gradients, slopes)
    assert max(jax.tree.leaves(errors)) < 1e-5, errors

    coarse = model.clone(dtype=jnp.bfloat16)
    logits = jax.jit(lambda *given: coarse.apply(*given, train=False)[0])(variables, images)
    assert 1e-4 < difference(logits, expected) < 2e-2  # that they are coarse shows what was run
