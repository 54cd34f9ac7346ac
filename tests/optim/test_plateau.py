"""The scale by hand, against a loop in plain Python, Optax and PyTorch, and in chains."""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.optim.adam import adam
from jaxvision.optim.base import chain
from jaxvision.optim.plateau import PlateauState, observe, plateau
from jaxvision.optim.sgd import sgd


@jax.jit
def observed(state, values):
    """The states after each of `values`."""

    def step(state, value):
        state = observe(state, value)
        return state, state

    return jax.lax.scan(step, state, values)[1]


def scales(values, *rule, **named):
    """The scale after each of `values`; of as many as in the other calls, to compile once."""
    padded = np.array([*values, *[0.0] * (30 - len(values))], np.float32)
    return observed(plateau(*rule, **named).init({}), padded).scale[: len(values)].tolist()


def reference(values, factor, patience, threshold, cooldown, min_scale):
    """The rule again, as a loop: count what is bad, rest after a reduction."""
    scale, best, bad, resting = 1.0, math.inf, 0, 0
    for value in values:
        if value < best - (threshold * abs(best) if best < math.inf else 0):
            best, bad = value, 0
        else:
            bad += 1
        if resting:
            resting, bad = resting - 1, 0
        if bad > patience:
            scale, resting, bad = max(scale * factor, min_scale), cooldown, 0
        yield scale


def test_by_hand():
    # Two values in a row may be bad; the third halves the scale, and counting begins anew.
    assert scales([5, 5, 5, 5, 5, 5, 5], 0.5, 2) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    # An improvement forgives: 4 and 3 do, 3 again does not.
    assert scales([5, 5, 4, 4, 3, 3, 3], 0.5, 1) == [1, 1, 1, 1, 1, 1, 0.5]
    # Without patience, the two values after a reduction are not held against it.
    assert scales([5, 5, 5, 5, 5], 0.5, 0, 0.0, 2) == [1, 0.5, 0.5, 0.5, 0.25]
    # A best value of the cooldown is the one to beat after it.
    assert scales([5, 5, 3, 4, 2], 0.5, 0, 0.0, 1) == [1, 0.5, 0.5, 0.25, 0.25]
    # The scale stops at the smallest.
    assert scales([5, 5, 5, 5], 0.5, 0, min_scale=0.375) == [1, 0.5, 0.375, 0.375]


def test_an_improvement_is_a_part_of_the_best_on_both_sides_of_zero():
    # A quarter of 8 is 2: 6 is just not enough, and remains to be beaten from 8.
    assert scales([8, 6, 5.75, 5], 0.5, 0, 0.25) == [1, 0.5, 0.5, 0.25]
    assert scales([-8, -10, -10.25, -9], 0.5, 0, 0.25) == [1, 0.5, 0.5, 0.25]
    assert scales([0, 0, -0.5], 0.5, 0, 0.25) == [1, 0.5, 0.5]
    # With a threshold of 0 anything smaller is better, and the same is not.
    assert scales([8, 7.75, 7.75], 0.5, 0, 0.0) == [1, 1, 0.5]


def test_nan_and_infinity_are_no_improvement():
    nan, inf = float("nan"), float("inf")
    assert scales([nan, inf, 5, nan, 4, inf], 0.5, 1) == [1, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert scales([5, nan, nan, 4, nan, nan], 0.5, 1) == [1, 1, 0.5, 0.5, 0.5, 0.25]


# Eighths and powers of 2, so that float32 and Python's floats decide alike.
rules = st.tuples(
    st.sampled_from([0.0, 0.25, 0.5]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.125, 0.5]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.0625, 0.375]),
)
metrics = st.lists(
    st.integers(-16, 16).map(lambda n: n / 8) | st.sampled_from([math.nan, math.inf, -math.inf]),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(values=metrics, rule=rules)
def test_follows_the_loop(values, rule):
    assert scales(values, *rule) == list(reference(values, *rule))


def losses(seed=0, steps=60):
    """Positive, noisy, and falling less and less."""
    noise = np.random.default_rng(seed).uniform(0.9, 1.1, steps)
    return (noise * (0.2 + 0.9 ** np.arange(steps))).astype(np.float32)


@pytest.mark.parametrize("patience", [0, 1, 4])
@pytest.mark.parametrize("cooldown", [0, 3])
def test_in_a_chain_follows_optax(patience, cooldown):
    # Optax reduces at a count of `patience`, we (and PyTorch) above it.
    rule = {"factor": 0.5, "cooldown": cooldown, "min_scale": 0.01}
    ours = optax.chain(adam(0.1), plateau(patience=patience, threshold=0.01, **rule))
    theirs = optax.chain(
        adam(0.1), optax.contrib.reduce_on_plateau(patience=patience + 1, rtol=0.01, **rule)
    )
    params = {"w": jnp.array([1.0, -2.0])}
    state, their_state = ours.init(params), theirs.init(params)
    update, their_update = jax.jit(ours.update), jax.jit(theirs.update)
    for loss in losses():
        updates, state = update(params, state, params, value=loss)
        expected, their_state = their_update(params, their_state, params, value=loss)
        chex.assert_trees_all_close(updates, expected, rtol=3e-7)
    assert state[1].scale < 0.3


@pytest.mark.parity
@pytest.mark.parametrize("mode", ["min", "max"])
def test_follows_pytorch(mode):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    rule = {"factor": 0.5, "patience": 2, "threshold": 0.01, "cooldown": 2}
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, min_lr=0.01, **rule)
    metrics = losses() if mode == "min" else np.float32(2) - losses()
    expected = []
    for metric in metrics:
        theirs.step(metric)
        expected.append(optimizer.param_groups[0]["lr"])
    ours = scales(metrics if mode == "min" else -metrics, min_scale=0.01, **rule)
    np.testing.assert_allclose(ours, expected, rtol=1e-7)
    assert ours[-1] < 0.3


def test_told_once_an_epoch_it_scales_every_update():
    tx = chain(sgd(1.0), plateau(0.5, 0))
    w = jnp.array([1.0, -3.0])
    state = tx.init(w)
    for scale in (1.0, 0.5, 0.25):
        state = observe(state, 7)
        for _ in range(2):
            updates, state = tx.update(w, state, w)
            np.testing.assert_array_equal(updates, -scale * w)
    assert state[0].count == 6


def test_every_plateau_is_told_wherever_it_is_and_nothing_else_changes():
    deep = optax.partition(
        {"a": adam(0.1), "b": chain(adam(0.1), plateau(0.5, 0))}, {"x": "a", "y": "b"}
    )
    params = {"x": jnp.ones(2), "y": jnp.ones(3)}
    before = {
        "step": 3,
        "opt_state": (deep.init(params), plateau(0.25, 0).init(params)),
        "none": None,
    }
    after = observe(observe(before, 1.0), 1.0)
    (_, y), second = after["opt_state"][0].inner_states.values(), after["opt_state"][1]
    assert y.inner_state[1].scale == 0.5 and second.scale == 0.25

    def without(tree):
        def is_plateau(node):
            return isinstance(node, PlateauState)

        return jax.tree.map(lambda n: 0 if is_plateau(n) else n, tree, is_leaf=is_plateau)

    chex.assert_trees_all_equal(without(before), without(after))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_keeps_dtypes_and_with_a_scale_of_1_every_bit(dtype):
    tx = plateau()
    updates = {"w": jnp.array([0.1, -3e-3], dtype), "masked": optax.MaskedNode(), "none": None}
    scaled, state = jax.jit(tx.update)(updates, tx.init(updates), value=3.0)
    chex.assert_trees_all_equal(scaled, updates)
    chex.assert_trees_all_equal_dtypes(scaled, updates)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, tx.init(updates))


def test_the_extra_arguments_of_others_pass_through_a_chain():
    tx = optax.chain(optax.polyak_sgd(), plateau(0.5, 0))
    w = jnp.array([3.0, 4.0])
    updates, _ = tx.update(w, observe(tx.init(w), 1.0), w, value=12.5, other=3)
    np.testing.assert_allclose(updates, -0.5 * 12.5 / 25 * w, rtol=1e-6)


def test_a_donated_state_does_not_alias_itself():
    half = jnp.float32(0.5)
    tx = plateau(half, 0, half, 0, half)
    state = jax.jit(tx.update, donate_argnums=1)({}, tx.init({}), value=1.0)[1]
    for told in (state, observe(state, jnp.float32(1.0)), tx.init({})):
        buffers = [x.unsafe_buffer_pointer() for x in (half, *told)]
        assert len(set(buffers)) == len(buffers)


def test_vmapped_hyperparameters_equal_one_run_each():
    rule = ([0.5, 0.1, 0.9], [0, 1, 2], [0.0, 0.1, 0.2], [2, 0, 1], [0.3, 0.0, 0.1])
    values = losses(steps=30)

    def curve(*rule):
        return observed(plateau(*rule).init({}), values).scale

    swept = jax.vmap(curve)(*map(jnp.array, rule))
    one_by_one = [scales(values, *one) for one in zip(*rule, strict=True)]
    np.testing.assert_allclose(swept, one_by_one, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: plateau(1.0), r"`factor` must be in \[0, 1\), got 1.0"),
        (lambda: plateau(patience=-1), "`patience` must be a whole number from 0 on, got -1"),
        (lambda: plateau(threshold=1.0), r"`threshold` must be in \[0, 1\), got 1.0"),
        (lambda: plateau(cooldown=-1), "`cooldown` must be a whole number from 0 on, got -1"),
        (lambda: plateau(min_scale=-0.1), r"`min_scale` must be in \[0, 1\), got -0.1"),
        (lambda: plateau().init(jnp.arange(3)), "`params` must be floating-point"),
        (lambda: plateau().update({}, optax.EmptyState()), "`state` must be the PlateauState"),
        (lambda: plateau().update({}, (), value=1.0), "`opt_state` must hold the state of a `plat"),
        (
            lambda: observe(adam(0.1).init({}), 1.0),
            "`opt_state` must hold the state of a `plateau`",
        ),
        (
            lambda: observe(plateau().init({}), jnp.ones(3)),
            r"`value` must be one number, got shape \(3,\): take its mean",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
