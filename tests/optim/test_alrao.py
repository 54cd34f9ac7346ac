"""Alrao: one rate a unit, log-uniform, drawn once, the same for all that leads into the unit."""

import zlib
from collections import OrderedDict

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from jaxvision import optim
from jaxvision.optim.alrao import (
    ScaleByRandomRatesState,
    alrao_adam,
    alrao_sgd,
    scale_by_random_rates,
)

KEY = jax.random.key(0)


def network(seed=0, dtype=jnp.float32):
    random = np.random.default_rng(seed)
    shapes = {
        "conv": {"kernel": (3, 3, 2, 4), "bias": (4,)},
        "norm": {"scale": (4,), "bias": (4,)},
        "block": {"dense": {"kernel": (5, 4), "bias": (4,)}, "temperature": ()},
    }
    draw = lambda shape: jnp.array(random.standard_normal(shape), dtype)  # noqa: E731
    return jax.tree.map(draw, shapes, is_leaf=lambda x: isinstance(x, tuple))


def rates_of(params, key=KEY, eta_min=1e-5, eta_max=10.0):
    return scale_by_random_rates(key, eta_min, eta_max).init(params).rates


def test_all_that_leads_into_a_unit_has_one_rate():
    params = network()
    rates = rates_of(params)
    assert rates["conv"]["kernel"].shape == (1, 1, 1, 4)
    assert rates["block"]["dense"]["kernel"].shape == (1, 4)
    assert rates["block"]["temperature"].shape == ()
    for layer, a, b in [
        (rates["conv"], "kernel", "bias"),
        (rates["norm"], "scale", "bias"),
        (rates["block"]["dense"], "kernel", "bias"),
    ]:
        np.testing.assert_array_equal(layer[a].ravel(), layer[b].ravel())


def test_units_and_layers_differ():
    rates = rates_of(network())
    biases = [rates["conv"]["bias"], rates["norm"]["bias"], rates["block"]["dense"]["bias"]]
    values = [float(x) for x in [*np.ravel(biases), rates["block"]["temperature"]]]
    assert len(set(values)) == 13


def test_the_logarithms_are_uniform():
    rates = np.float64(rates_of(jnp.zeros(20_000), eta_min=1e-5, eta_max=10.0))
    fraction = np.log(rates / 1e-5) / np.log(10.0 / 1e-5)
    assert stats.kstest(fraction, "uniform").pvalue > 0.01
    assert 1e-5 <= rates.min() < 1.1e-5 and 9.9 < rates.max() <= 10.0


def test_rounding_does_not_leave_the_interval():
    # exp(log(x)) in float32 is off by some units in the last place, far more than this interval.
    eta_min, eta_max = np.float32(9.0), np.nextafter(np.float32(9.0), np.float32(10.0))
    rates = rates_of(jnp.zeros(1000), eta_min=eta_min, eta_max=eta_max)
    assert set(np.unique(rates)) <= {eta_min, eta_max}


@pytest.mark.parametrize(
    ("alrao", "plain"),
    [
        (alrao_sgd(KEY, 0.1, 0.1), optim.sgd(0.1)),
        (alrao_adam(KEY, 0.1, 0.1, 0.8, 0.9, 1e-3), optim.adam(0.1, 0.8, 0.9, 1e-3)),
    ],
    ids=["sgd", "adam"],
)
def test_an_interval_of_one_rate_is_the_plain_optimizer(alrao, plain):
    params = network()
    state, plain_state = alrao.init(params), plain.init(params)
    for step in range(3):
        updates, state = alrao.update(network(step), state, params)
        expected, plain_state = plain.update(network(step), plain_state, params)
        chex.assert_trees_all_equal(updates, expected)


def test_sgd_by_hand():
    params = {"kernel": jnp.array([[1.0, 2.0], [3.0, 4.0]]), "bias": jnp.array([5.0, 6.0])}
    rates = {"kernel": jnp.array([[0.5, 0.25]]), "bias": jnp.array([0.5, 0.25])}
    tx = optax.chain(scale_by_random_rates(KEY, 0.25, 0.5), optim.descend(1.0))
    state = (ScaleByRandomRatesState(rates), tx.init(params)[1])
    # The loss (sum of w^2) / 2 has the gradient w: a step takes away half, or a quarter.
    for kernel, bias in [
        ([[0.5, 1.5], [1.5, 3.0]], [2.5, 4.5]),
        ([[0.25, 1.125], [0.75, 2.25]], [1.25, 3.375]),
    ]:
        updates, state = tx.update(params, state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_array_equal(params["kernel"], kernel)
        np.testing.assert_array_equal(params["bias"], bias)


@pytest.mark.parametrize(
    ("tx", "directions"),
    [
        (alrao_sgd(KEY), [lambda g: g, lambda g: 2 * g]),
        # Adam's direction at t = 1 is the sign; with g then 2 g, b1 = .5, b2 = .75 and eps = 0:
        # mu = .5 * .5 g + .5 * 2 g over 1 - .25, nu = .75 * .25 g^2 + .25 * 4 g^2 over 1 - .5625.
        (
            alrao_adam(KEY, 1e-5, 10.0, b1=0.5, b2=0.75, eps=0.0),
            [jnp.sign, lambda g: jnp.sign(g) * (1.25 / 0.75) / np.sqrt(1.1875 / 0.4375)],
        ),
    ],
    ids=["sgd", "adam"],
)
def test_two_steps_are_the_drawn_rates_times_the_direction(tx, directions):
    params, gradients = network(0), network(1)
    rates, state = rates_of(params), tx.init(params)
    for scale, direction in zip([1.0, 2.0], directions, strict=True):
        updates, state = tx.update(optax.tree.scale(scale, gradients), state, params)
        expected = jax.tree.map(jnp.multiply, rates, jax.tree.map(direction, gradients))
        chex.assert_trees_all_close(updates, optax.tree.scale(-1.0, expected), rtol=1e-5)


def test_a_rate_never_changes():
    tx, params = scale_by_random_rates(KEY, 1e-5, 10.0), network()
    first = state = tx.init(params)
    for step in range(3):
        _, state = jax.jit(tx.update)(network(step), state, params)
    chex.assert_trees_all_equal(state, first)


def test_rates_do_not_depend_on_the_order_of_layers_nor_on_other_layers():
    params = network()
    # An ordinary dict is sorted by JAX; this one keeps its order.
    reordered = OrderedDict((name, params[name]) for name in ["norm", "block", "conv"])
    chex.assert_trees_all_equal(dict(rates_of(reordered)), rates_of(params))
    alone = {"norm": params["norm"]}
    chex.assert_trees_all_equal(rates_of(alone)["norm"], rates_of(params)["norm"])


def test_rates_are_the_same_in_every_process():
    # Python's hash of a string would not be.
    key = jax.random.fold_in(KEY, zlib.crc32(b"['block']['dense']"))
    expected = 0.1 * (2.0 / 0.1) ** np.float64(jax.random.uniform(key, (4,)))
    rates = rates_of(network(), eta_min=0.1, eta_max=2.0)["block"]["dense"]["bias"]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_the_key_decides():
    params = network()
    seven, eight = rates_of(params, jax.random.key(7)), rates_of(params, jax.random.key(8))
    assert not np.any(np.equal(seven["conv"]["bias"], eight["conv"]["bias"]))
    chex.assert_trees_all_equal(rates_of(params, jax.random.PRNGKey(7)), seven)


def test_a_sweep_over_seeds_and_intervals_equals_one_run_each():
    def train(key, eta_min, eta_max):
        tx, params = alrao_sgd(key, eta_min, eta_max), network()
        state = tx.init(params)
        for _ in range(2):
            updates, state = tx.update(params, state, params)
            params = optax.apply_updates(params, updates)
        return params

    keys = jax.random.split(KEY, 3)
    low, high = jnp.array([1e-3, 1e-2, 0.1]), jnp.array([0.1, 0.2, 0.1])
    one_by_one = [train(keys[i], float(low[i]), float(high[i])) for i in range(3)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *one_by_one)
    chex.assert_trees_all_close(jax.vmap(train)(keys, low, high), stacked, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_traces_once_and_keeps_structure_shapes_and_dtypes(dtype):
    params, tx = network(dtype=dtype), alrao_adam(KEY, 1e-3, 1e-2)
    state = first = tx.init(params)
    chex.clear_trace_counter()
    update = jax.jit(chex.assert_max_traces(tx.update, n=1))
    for _ in range(3):
        updates, state = update(params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, first)
    assert {rate.dtype for rate in jax.tree.leaves(state[1])} == {jnp.dtype("float32")}


def test_a_donated_state_does_not_alias_itself():
    params, tx = network(), alrao_sgd(KEY)
    state = tx.init(params)
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)
    jax.jit(tx.update, donate_argnums=1)(params, state, params)


@pytest.mark.parametrize("params", [{}, {"a": None}, {"a": optax.MaskedNode()}])
def test_what_is_not_trained_has_no_rate(params):
    tx = alrao_sgd(KEY)
    state = tx.init(params)
    assert jax.tree.leaves(state[0]) == []
    assert tx.update(params, state, params)[0] == params


@pytest.mark.parametrize(
    ("eta_min", "eta_max", "message"),
    [
        (0.0, 1.0, "`eta_min` must be in \\(0, inf\\), got 0.0"),
        (-1.0, 1.0, "`eta_min` must be in \\(0, inf\\), got -1.0"),
        (1.0, float("inf"), "`eta_max` must be in \\(0, inf\\), got inf"),
        (1.0, float("nan"), "`eta_max` must be in \\(0, inf\\), got nan"),
        (2.0, 1.0, "`eta_min` must be at most `eta_max`, got 2.0 and 1.0"),
    ],
)
@pytest.mark.parametrize("make", [scale_by_random_rates, alrao_sgd, alrao_adam])
def test_what_is_no_interval_is_refused(make, eta_min, eta_max, message):
    with pytest.raises(ValueError, match=message):
        make(KEY, eta_min, eta_max)
