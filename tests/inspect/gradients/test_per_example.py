"""Each example's gradient, against a loop over the examples; and the batches that have none."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.gradients import per_example_gradients
from jaxvision.ops.batch_norm import batch_norm
from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.losses import categorical_cross_entropy, squared_error
from jaxvision.ops.pooling import max_pool

random = np.random.default_rng(0)
BATCH = {
    "image": jnp.asarray(random.normal(size=(5, 6, 6, 2)), jnp.float32),
    "label": jnp.asarray([0, 1, 2, 2, 0]),
    "mask": jnp.asarray([True, True, True, False, True]),
}
PARAMS = {
    "conv": jnp.asarray(random.normal(size=(3, 3, 2, 3)), jnp.float32),
    "dense": jnp.asarray(random.normal(size=(12, 3)), jnp.float32),
}


def network_loss(params, batch):
    x = max_pool(jnp.tanh(conv2d(batch["image"], params["conv"])), 2, 2)
    logits = x.reshape(len(x), -1) @ params["dense"]
    return categorical_cross_entropy(logits, batch["label"], batch["mask"])


def linear_loss(params, batch):
    return squared_error(batch["x"] @ params["w"], batch["y"])


LINEAR = {"w": jnp.asarray([[1.0, -1.0], [0.5, 2.0]])}
POINTS = {
    "x": jnp.asarray(random.normal(size=(7, 2)), jnp.float32),
    "y": jnp.asarray(random.normal(size=(7, 2)), jnp.float32),
}


@pytest.fixture(scope="module")
def found():
    return per_example_gradients(network_loss, PARAMS, BATCH, at_once=2)


def test_of_a_linear_model_by_hand():
    found = per_example_gradients(linear_loss, LINEAR, POINTS)["w"]
    x, y, w = (np.float64(a) for a in (POINTS["x"], POINTS["y"], LINEAR["w"]))
    np.testing.assert_allclose(found, 2 * x[:, :, None] * (x @ w - y)[:, None], rtol=1e-5)


def test_of_a_network_they_are_those_of_a_loop(found):
    gradient = jax.jit(jax.grad(lambda params, batch: network_loss(params, batch)[0]))
    for i in (0, 3, 4):
        alone = gradient(PARAMS, jax.tree.map(lambda a, i=i: a[i : i + 1], BATCH))
        jax.tree.map(
            lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-6),
            found, alone,
        )  # fmt: skip


def test_their_mean_is_the_gradient_of_the_mean_and_a_masked_row_has_none(found):
    gradient = jax.jit(jax.grad(lambda params: jnp.mean(network_loss(params, BATCH))))(PARAMS)
    jax.tree.map(
        lambda each, g: np.testing.assert_allclose(each.mean(0), g, rtol=1e-4, atol=1e-6),
        found, gradient,
    )  # fmt: skip
    assert all((leaf[3] == 0).all() for leaf in jax.tree.leaves(found))
    assert all((leaf[2] != 0).any() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_how_many_at_once_changes_nothing(at_once):
    expected = per_example_gradients(linear_loss, LINEAR, POINTS)["w"]
    found = per_example_gradients(linear_loss, LINEAR, POINTS, at_once=at_once)["w"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def normalized_loss(params, batch):
    """Batch normalization in training, whose examples share a mean and a variance."""
    x = (batch["x"] @ params["w"])[:, None, None]
    y, _, _ = batch_norm(x, jnp.ones(2), jnp.zeros(2), 1e-5)
    return squared_error(y[:, 0, 0], batch["y"])


def test_batch_normalization_in_training_is_refused():
    with pytest.raises(ValueError, match="must not depend on the others"):
        per_example_gradients(normalized_loss, LINEAR, POINTS)
    found = jax.jit(lambda p, b: per_example_gradients(normalized_loss, p, b))(LINEAR, POINTS)
    assert np.isnan(found["w"]).all()


def test_batch_normalization_of_flax_is_refused_in_training_and_not_in_evaluation():
    layer = nn.BatchNorm(use_running_average=None, momentum=0.9)
    variables = {
        "params": {"scale": jnp.ones(2), "bias": jnp.zeros(2)},
        "batch_stats": {"mean": jnp.zeros(2), "var": jnp.ones(2)},
    }

    def loss(train):
        def of_batch(params, batch):
            y = layer.apply(
                {**variables, "params": params}, batch["x"], use_running_average=not train,
                mutable=["batch_stats"],
            )[0]  # fmt: skip
            return squared_error(y, batch["y"])

        return of_batch

    with pytest.raises(ValueError, match="running averages"):
        per_example_gradients(loss(train=True), variables["params"], POINTS)
    found = per_example_gradients(loss(train=False), variables["params"], POINTS)
    y = 2 * (np.float64(POINTS["x"]) / np.sqrt(1 + 1e-5) - POINTS["y"])
    np.testing.assert_allclose(found["bias"], y, rtol=1e-4)


def test_dropout_by_the_place_in_the_batch_is_refused():
    def loss(params, batch):
        kept = jax.random.bernoulli(jax.random.key(0), 0.5, batch["x"].shape)
        return squared_error(jnp.where(kept, batch["x"], 0) @ params["w"], batch["y"])

    with pytest.raises(ValueError, match="no random numbers"):
        per_example_gradients(loss, LINEAR, POINTS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"loss": lambda p, b: jnp.mean(linear_loss(p, b))}, "leave out the mean"),
        ({"batch": {"x": POINTS["x"], "y": POINTS["y"][:3]}}, "same number of examples"),
        ({"batch": {"x": POINTS["x"][:0], "y": POINTS["y"][:0]}}, "at least one"),
        ({"batch": {}}, "at least one"),
        ({"batch": {**POINTS, "step": 3}}, "same number of examples"),
        ({"at_once": 0}, "`at_once`"),
    ],
)
def test_bad_arguments_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        per_example_gradients(**{"loss": linear_loss, "params": LINEAR, "batch": POINTS} | change)
