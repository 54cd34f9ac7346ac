"""Alrao's head: one gradient for body and copies, and weights that are exact posteriors."""

import textwrap

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

from jaxvision import optim
from jaxvision.models import MLP
from jaxvision.optim import alrao_head
from jaxvision.optim.alrao_head import (
    alrao_losses,
    head_rates,
    init_heads,
    mixture_log_probabilities,
    scale_by_head_rates,
)
from jaxvision.optim.model_averaging import bayes_init, bayes_update, switch_init, switch_update

WEIGHTS = np.float32([0.5, 0.3, 0.2])
ROWS = np.arange(6)
mixture = jax.jit(mixture_log_probabilities)


def problem(copies=3):
    """Heads of 4 features and 5 classes, features and labels."""
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(shape) for shape in [(copies, 4, 5), (copies, 5), (6, 4)]]
    kernel, bias, features = [np.float32(array) for array in arrays]
    return {"kernel": kernel, "bias": bias}, features, random.integers(0, 5, 6, np.int32)


@jax.jit
def probabilities(heads, features):
    """p_k [copies, b, c], as written."""
    logits = jnp.einsum("bd,kdc->kbc", features, heads["kernel"]) + heads["bias"][:, None, :]
    return jnp.exp(logits) / jnp.exp(logits).sum(axis=2, keepdims=True)


@jax.jit
def gradient(heads, features, labels, mask=None, weights=WEIGHTS):
    """(losses, log-likelihoods), and the mean loss's gradients to heads, features and weights."""

    def mean_loss(heads, features, log_weights):
        losses, log_likelihoods = alrao_losses(heads, log_weights, features, labels, mask)
        return losses.mean(), (losses, log_likelihoods)

    differentiate = jax.grad(mean_loss, argnums=(0, 1, 2), has_aux=True)
    gradients, results = differentiate(heads, features, jnp.log(weights))
    return results, gradients


def test_the_prediction_is_the_mixture():
    heads, features, _ = problem()
    expected = np.einsum("k,kbc->bc", WEIGHTS, probabilities(heads, features))
    for factor in (1.0, 100.0):  # the weights' sum does not matter
        log_p = mixture(heads, np.log(factor * WEIGHTS), features)
        np.testing.assert_allclose(np.exp(log_p), expected, rtol=1e-5)
    log_p = mixture(heads, np.float32([0.0, -np.inf, -np.inf]), features)
    np.testing.assert_allclose(np.exp(log_p), probabilities(heads, features)[0], rtol=1e-5)


def test_one_gradient_is_the_mixtures_to_the_body_and_each_copys_own_to_it():
    heads, features, labels = problem()

    @jax.jit
    def witness(heads, features):
        def mixture_loss(features):
            p = probabilities(heads, features)[:, ROWS, labels]
            return -jnp.log(WEIGHTS @ p).mean()

        def own_losses(heads):
            return -jnp.log(probabilities(heads, features)[:, ROWS, labels]).mean(axis=1)

        own = jax.tree.map(lambda x: x[np.arange(3), np.arange(3)], jax.jacobian(own_losses)(heads))
        return -own_losses(heads), own, jax.grad(mixture_loss)(features)

    (losses, log_likelihoods), (to_heads, to_body, to_weights) = gradient(heads, features, labels)
    own_likelihoods, own, body = witness(heads, features)
    p = probabilities(heads, features)[:, ROWS, labels]
    np.testing.assert_allclose(losses, -np.log(WEIGHTS @ p), rtol=1e-5)
    np.testing.assert_allclose(log_likelihoods, own_likelihoods, rtol=1e-5)
    # Gradients are sums of terms of either sign, of which the largest decides the rounding.
    chex.assert_trees_all_close(to_heads, own, rtol=1e-4)
    np.testing.assert_allclose(to_body, body, rtol=1e-4)
    assert not np.any(to_weights)


def test_one_copy_is_plain_training():
    heads, features, labels = problem(copies=1)

    def plain(heads, features):
        logits = features @ heads["kernel"][0] + heads["bias"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    (losses, _), gradients = gradient(heads, features, labels, None, np.float32([1]))
    loss, expected = jax.jit(jax.value_and_grad(plain, argnums=(0, 1)))(heads, features)
    np.testing.assert_allclose(losses.mean(), loss, rtol=1e-6)
    chex.assert_trees_all_close(gradients[:2], expected, rtol=1e-5)
    assert bayes_update(bayes_init(1), jnp.array([-5.0])) == 0
    weights = np.exp(switch_update(switch_init(1), jnp.array([-5.0])).log_weights)
    np.testing.assert_allclose(weights, [1], rtol=1e-6)


def test_masked_rows_count_for_nothing_whatever_they_hold():
    heads, features, labels = problem()
    (losses, log_likelihoods), gradients = gradient(heads, features, labels)
    padded = np.concatenate([features, np.full((2, 4), np.float32("nan"))])
    padded_labels, mask = np.append(labels, np.int32([-1, 99])), np.arange(8) < 6
    padded_results, padded_gradients = gradient(heads, padded, padded_labels, mask)
    np.testing.assert_allclose(padded_results[0], np.append(losses, [0, 0]), rtol=1e-6)
    np.testing.assert_allclose(padded_results[1], log_likelihoods, rtol=1e-6)
    expected = (gradients[0], np.append(gradients[1], np.zeros((2, 4)), axis=0))
    rescaled = optax.tree.scale(8 / 6, padded_gradients[:2])  # the mean is over rows here
    chex.assert_trees_all_close(rescaled, expected, rtol=1e-5)
    nothing, _ = gradient(heads, padded, padded_labels, np.zeros(8, bool))
    assert not np.any(nothing[0]) and not np.any(nothing[1])


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_that_is_no_class_shows(label):
    heads, features, labels = problem()
    labels[2] = label
    (losses, log_likelihoods), _ = gradient(heads, features, labels)
    np.testing.assert_array_equal(np.isnan(losses), ROWS == 2)
    assert np.all(np.isnan(log_likelihoods))


def test_large_logits_are_exact():
    # Of the true class copy 0 says 1 and copy 1 says e^-20000: there remains copy 0's weight.
    kernel = np.float32([[[1e4, -1e4]], [[-1e4, 1e4]]])
    heads, one = {"kernel": kernel, "bias": np.zeros((2, 2), np.float32)}, np.float32([[1]])
    label = np.int32([0])
    results, gradients = gradient(heads, one, label, None, np.float32([0.125, 0.875]))
    np.testing.assert_allclose(results[0], [np.log(8)], rtol=1e-6)
    np.testing.assert_allclose(results[1], [0, -2e4], rtol=1e-6)
    np.testing.assert_allclose(gradients[0]["bias"], [[0, 0], [-1, 1]], rtol=1e-6)
    (losses, _), gradients = gradient(heads, one, label, None, np.float32([0.0, 1.0]))
    np.testing.assert_allclose(losses, [2e4], rtol=1e-6)
    np.testing.assert_allclose(gradients[1], [[2e4]], rtol=1e-6)


BROKEN = {
    "nan kernel": ("kernel", (1, 0, 0), np.nan),
    "infinite bias": ("bias", (1, 0), np.inf),
    "infinite logits": ("kernel", 1, 3e38),
    "too wide logits": ("bias", 1, [3e38, -3e38, 0, 0, 0]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_copy_poisons_neither_the_mixture_nor_a_gradient(name):
    (broken, features, labels), (part, index, value) = problem(), BROKEN[name]
    broken[part][index] = value
    sound, alone = [jax.tree.map(lambda x, i=i: x[i::2], broken) for i in (0, 1)]
    (losses, log_likelihoods), (to_heads, to_body, _) = gradient(broken, features, labels)
    expected_results, expected = gradient(sound, features, labels, None, WEIGHTS[::2])
    chex.assert_trees_all_close((losses, log_likelihoods[::2]), expected_results, rtol=1e-5)
    sound_gradients = {name: x[::2] for name, x in to_heads.items()}
    chex.assert_trees_all_close((sound_gradients, to_body), expected[:2], rtol=1e-4)
    assert not any(np.any(x[1]) for x in to_heads.values())
    assert log_likelihoods[1] == -np.inf
    assert np.all(np.isnan(mixture(alone, np.float32([0]), features)))  # no copy is left

    bayes = bayes_update(jnp.log(WEIGHTS), log_likelihoods)
    assert np.exp(bayes)[1] == 0 and np.exp(bayes).sum() > 0.999
    for log_weights in (bayes, switch_update(switch_init(3), log_likelihoods).log_weights):
        expected = mixture(sound, log_weights[::2], features)
        np.testing.assert_allclose(mixture(broken, log_weights, features), expected, rtol=1e-5)


def test_rates_are_in_equal_ratios_and_each_copy_steps_at_its_own():
    np.testing.assert_allclose(head_rates(1e-5, 10.0, 7), 10.0 ** np.arange(-5, 2), rtol=1e-5)
    np.testing.assert_allclose(head_rates(1e-4, 1.0, 1), [1e-2], rtol=1e-5)
    np.testing.assert_array_equal(head_rates(0.3, 0.3, 5), np.full(5, np.float32(0.3)))
    updates = {"kernel": jnp.ones((3, 2, 2), jnp.bfloat16), "bias": 2 * jnp.ones((3, 1))}
    scaled, _ = scale_by_head_rates(0.25, 4.0).update(updates, optax.EmptyState())
    np.testing.assert_allclose(scaled["bias"], [[0.5], [2.0], [8.0]], rtol=1e-6)
    assert scaled["kernel"].dtype == jnp.bfloat16
    np.testing.assert_array_equal(scaled["kernel"][:, 1, 1], [0.25, 1.0, 4.0])


def test_copies_are_drawn_apart_with_the_variance_of_one_dense_layer():
    heads = init_heads(jax.random.key(0), features=400, classes=50, copies=3)
    np.testing.assert_array_equal(heads["bias"], np.zeros((3, 50)))
    np.testing.assert_allclose(np.var(heads["kernel"], axis=(1, 2)), 1 / 400, rtol=0.05)
    assert np.abs(np.corrcoef(heads["kernel"].reshape(3, -1)) - np.eye(3)).max() < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: head_rates(1.0, 0.5, 3), "`eta_min` must be at most `eta_max`"),
        (lambda: head_rates(0.1, 0.5, 0), "`copies` must be a whole number from 1 on, got 0"),
        (lambda: scale_by_head_rates(0.0, 0.5), "`eta_min` must be in \\(0, inf\\), got 0.0"),
        (
            lambda: init_heads(jax.random.key(0), 0, 2, 2),
            "`features` must be a whole number from 1 on, got 0",
        ),
        (
            lambda: init_heads(jax.random.key(0), 2, 0, 2),
            "`classes` must be a whole number from 1 on, got 0",
        ),
        (
            lambda: init_heads(jax.random.key(0), 2, 2, 0),
            "`copies` must be a whole number from 1 on, got 0",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_docstrings_step_learns_the_digits_without_tuning():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.float32(x[order].reshape(-1, 8, 8, 1) / 16), jnp.int32(y[order])
    body = MLP(num_classes=None, widths=(64, 64))
    names = {**vars(alrao_head), **vars(optim), "body": body, "images": x[:1]}
    for seed, name in enumerate(["rates_key", "heads_key", "body_key"]):
        names[name] = jax.random.key(seed)
    exec(textwrap.dedent(alrao_head.__doc__.split("`num_classes=None`:\n")[1]), names)

    state = names["params"], names["opt_state"], names["switch"]
    for _ in range(10):
        for rows in np.random.default_rng(0).permutation(1408).reshape(-1, 32):
            batch = {"image": x[rows], "label": y[rows], "mask": jnp.ones(32, bool)}
            state = names["train_step"](*state, batch)
    chex.assert_tree_all_finite(state)
    params, _, switch = state
    features, _ = body.apply({"params": params["body"]}, x[1408:], train=False)
    log_p = mixture(params["heads"], switch.log_weights, features)
    assert np.mean(np.argmax(log_p, axis=1) == y[1408:]) > 0.93
