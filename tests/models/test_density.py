"""Density networks against NumPy in float64, on any body, and by what they learn."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import optim
from jaxvision.models import MLP, LeNet5
from jaxvision.models.density import DensityNetwork, MixtureDensityNetwork
from jaxvision.ops.densities import Gaussian, GaussianMixture, gaussian_nll, mixture_nll
from jaxvision.train import init_state, make_train_step

B, K, D = 4, 3, 2
IMAGES = jax.random.normal(jax.random.key(0), (B, 3, 2, 1))
BODY = MLP(None, widths=(7, 5), activation=nn.tanh)
MODELS = [DensityNetwork(D, BODY, smallest=0.25), MixtureDensityNetwork(K, D, BODY, smallest=0.25)]


def init(model, images=IMAGES):
    return jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(1))


@pytest.mark.parametrize("model", MODELS, ids=["gaussian", "mixture"])
def test_follows_numpy(model):
    # Biases of zero would hide a bias that is missing.
    params = jax.tree.map(lambda leaf: leaf + 0.1, init(model)["params"])
    said, features = model.apply({"params": params}, IMAGES, train=False)

    def dense(x, layer):
        layer = {name: np.asarray(a, np.float64) for name, a in layer.items()}
        return x @ layer["kernel"] + layer["bias"]

    x = np.asarray(IMAGES, np.float64).reshape(B, 6)
    for name in ("hidden1", "hidden2"):
        x = np.tanh(dense(x, params["body"][name]))
        np.testing.assert_allclose(features[name], x, rtol=1e-5, atol=1e-6)
    expected = {name: dense(x, params[name]) for name in params if name != "body"}
    assert list(said._fields) == sorted(expected, key=list(said._fields).index)
    for name, value in said._asdict().items():
        wanted = expected[name]
        if name.startswith("deviation"):
            wanted = 0.25 + np.log1p(np.exp(wanted))
        if isinstance(said, GaussianMixture) and name != "logits":
            # Component k has the numbers D k to D k + D - 1.
            wanted = np.stack([wanted[:, D * k : D * (k + 1)] for k in range(K)], axis=1)
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "heads"),
    [
        (DensityNetwork(), 2 * (128 + 1)),
        (DensityNetwork(D), 2 * D * (128 + 1)),
        (MixtureDensityNetwork(K), 3 * K * (128 + 1)),
        (MixtureDensityNetwork(K, D), (K + 2 * K * D) * (128 + 1)),  # Bishop's (c + 2) m, c of s
    ],
    ids=["number", "vector", "mixture", "mixture of vectors"],
)
def test_parameter_counts(model, heads):
    variables = jax.eval_shape(lambda key: model.init(key, IMAGES, train=False), jax.random.key(0))
    body = 6 * 256 + 256 + 256 * 128 + 128
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == body + heads


def test_any_network_without_a_head_may_be_the_body():
    model, images = DensityNetwork(2, LeNet5(None)), jnp.zeros((B, 32, 32, 1))
    (said, features), variables = jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=True), images
    )
    assert said.mean.shape == said.deviation.shape == (B, 2)
    assert "c3" in features and set(variables["params"]) == {"body", "mean", "deviation"}


def test_dropout_of_the_body_acts_in_training_only():
    model = DensityNetwork(1, MLP(None, widths=(64,), dropout=0.5))
    variables = init(model)
    still, _ = model.apply(variables, IMAGES, train=False)
    moved, _ = model.apply(variables, IMAGES, train=True, rngs={"dropout": jax.random.key(0)})
    again, _ = model.apply(variables, IMAGES, train=False)
    np.testing.assert_array_equal(still.mean, again.mean)
    assert np.abs(still.mean - moved.mean).max() > 1e-3


def test_in_bfloat16_what_is_said_stays_float32():
    body = MLP(None, widths=(8,), dtype=jnp.bfloat16)
    for model in (DensityNetwork(1, body), MixtureDensityNetwork(2, 1, body)):
        (said, features), variables = jax.eval_shape(
            lambda key, model=model: model.init_with_output(key, IMAGES, train=False),
            jax.random.key(0),
        )
        assert {str(leaf.dtype) for leaf in jax.tree.leaves((said, variables))} == {"float32"}
        assert features["hidden1"].dtype == jnp.bfloat16


def learn(model, loss, x, t, steps=300):
    optimizer = optim.adam(3e-2)
    step = make_train_step(model, optimizer, loss, lambda outputs, batch: {})
    batch = {"image": x, "target": t, "mask": jnp.ones(len(x), bool)}

    @jax.jit
    def run(state, batch):
        state, _ = jax.lax.scan(lambda s, _: (step(s, batch)[0], None), state, length=steps)
        return state.variables

    return run(init_state(model, optimizer, x, jax.random.key(0)), batch)


def test_learns_two_deviations_from_two_places():
    """By the train step: of x = -1 and 1, means 1 and -1 and deviations 0.1 and 1."""
    random = np.random.default_rng(0)
    x = jnp.where(jnp.arange(400) % 2, 1.0, -1.0).reshape(400, 1, 1, 1)
    deviation = np.where(np.arange(400) % 2, 1, 0.1)
    t = jnp.float32(-np.asarray(x).ravel() + deviation * random.normal(size=400))[:, None]
    model = DensityNetwork(1, MLP(None, widths=(8,), activation=nn.tanh))
    variables = learn(model, lambda said, batch: gaussian_nll(said, batch["target"]), x, t)
    said, _ = model.apply(variables, x[:2], train=False)
    assert isinstance(said, Gaussian)
    # What is best is the mean and deviation of the 200 targets at each place.
    for i in range(2):
        there = np.asarray(t)[i::2]
        np.testing.assert_allclose(said.mean[i], there.mean(), atol=0.03)
        np.testing.assert_allclose(said.deviation[i], there.std(), rtol=0.1)


def test_a_mixture_learns_both_answers_where_a_mean_has_none():
    random = np.random.default_rng(0)
    t = jnp.float32(np.where(np.arange(400) % 4, 1, -1) + 0.1 * random.normal(size=400))[:, None]
    model = MixtureDensityNetwork(2, 1, MLP(None, widths=(8,), activation=nn.tanh))
    x = jnp.ones((400, 1, 1, 1))
    variables = learn(model, lambda said, batch: mixture_nll(said, batch["target"]), x, t)
    (logits, means, deviations), _ = model.apply(variables, x[:1], train=False)
    order = np.argsort(means[0, :, 0])
    np.testing.assert_allclose(means[0, order, 0], [-1, 1], atol=0.05)
    np.testing.assert_allclose(jax.nn.softmax(logits)[0, order], [0.25, 0.75], atol=0.02)
    np.testing.assert_allclose(deviations[0, :, 0], [0.1, 0.1], rtol=0.3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: DensityNetwork(0), "`components` must be a whole number from 1 on, got 0"),
        (lambda: MixtureDensityNetwork(0), "`mixture` must be a whole number from 1 on, got 0"),
        (lambda: MixtureDensityNetwork(1, 0), "`components` must be a whole number .* got 0"),
        (lambda: DensityNetwork(smallest=0), r"`smallest` must be in \(0, inf\), got 0"),
        (lambda: MixtureDensityNetwork(2, smallest=-1), r"`smallest` must be .* got -1"),
        (lambda: DensityNetwork(1, MLP(10)), "`body` must have no head, got one of 10 classes"),
        (lambda: MixtureDensityNetwork(2, 1, MLP(3)), "`body` must have no head, got one of 3"),
    ],
)
def test_names_what_makes_no_density(make, match):
    with pytest.raises(ValueError, match=match):
        make()
