"""Every optimizer keeps the same contract, and each has its own paper's arithmetic."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim


def decaying(count):
    return 0.1 / (1 + count)


# ours, Optax's call that means the same, and how far float32 may carry them apart in 20 steps:
# Optax's 1 - b2**t is off by up to 2e-5 at b2 = .999, ours is exact.
OPTIMIZERS = [
    pytest.param(optim.sgd(0.1), optax.sgd(0.1), 1e-6, id="sgd"),
    pytest.param(optim.sgd(decaying), optax.sgd(decaying), 1e-6, id="sgd-scheduled"),
    pytest.param(optim.adam(1e-2), optax.adam(1e-2), 5e-5, id="adam"),
    pytest.param(
        optim.adam(decaying, b1=0.5, b2=0.8, eps=1e-2),
        optax.adam(decaying, b1=0.5, b2=0.8, eps=1e-2),
        5e-6,
        id="adam-scheduled",
    ),
    pytest.param(optim.adam(0.1, b1=0.0, b2=0.0), optax.adam(0.1, 0.0, 0.0), 1e-6, id="adam-b-0"),
]
each_optimizer = pytest.mark.parametrize(("ours", "theirs", "rtol"), OPTIMIZERS)


def random_tree(seed):
    random = np.random.default_rng(seed)
    tree = {"dense": {"w": random.standard_normal((3, 2)), "b": random.standard_normal(2)}}
    return jax.tree.map(lambda x: jnp.array(x, jnp.float32), tree)


@each_optimizer
def test_follows_optax_for_20_steps(ours, theirs, rtol):
    params = random_tree(0)
    state, their_state = ours.init(params), theirs.init(params)
    for step in range(20):
        gradients = random_tree(step + 1)
        updates, state = ours.update(gradients, state, params)
        expected, their_state = theirs.update(gradients, their_state, params)
        chex.assert_trees_all_close(updates, expected, rtol=rtol)
        params = optax.apply_updates(params, updates)


@each_optimizer
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_traces_once_and_keeps_structure_shapes_and_dtypes(ours, theirs, rtol, dtype):
    del theirs, rtol
    chex.clear_trace_counter()
    params = jax.tree.map(lambda x: x.astype(dtype), random_tree(0))
    state = first_state = ours.init(params)
    update = jax.jit(chex.assert_max_traces(ours.update, n=1))
    for _ in range(3):
        updates, state = update(params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, first_state)


@each_optimizer
def test_a_donated_state_does_not_alias_itself(ours, theirs, rtol):
    del theirs, rtol
    params = random_tree(0)
    update = jax.jit(ours.update, donate_argnums=1)
    _, state = update(params, ours.init(params), params)
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)
    update(params, state, params)


@each_optimizer
def test_an_empty_tree_is_a_tree(ours, theirs, rtol):
    del theirs, rtol
    updates, _ = ours.update({}, ours.init({}), {})
    assert updates == {}


def test_chains_with_optax():
    params = random_tree(0)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optim.scale_by_adam(), optim.descend(0.1))
    updates, _ = tx.update(params, tx.init(params), params)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)


def test_sgd_by_hand():
    tx, w = optim.sgd(0.5), jnp.array([1.0, -2.0])
    updates, state = tx.update(jnp.array([4.0, 2.0]), tx.init(w))
    np.testing.assert_array_equal(updates, [-2.0, -1.0])
    assert state.count == 1


def test_a_schedule_is_given_the_number_of_updates_made_before():
    tx = optim.sgd(lambda count: jnp.array([8.0, 4.0, 2.0])[count])
    state, seen = tx.init(jnp.zeros(())), []
    for _ in range(3):
        update, state = tx.update(jnp.ones(()), state)
        seen.append(float(update))
    assert seen == [-8.0, -4.0, -2.0]


def test_adam_by_hand():
    # At t = 1 both corrections cancel b1 and b2: u = g / (|g| + eps).
    tx = optim.scale_by_adam(b1=0.9, b2=0.999, eps=0.5)
    g = np.array([2.0, -0.5])
    updates, state = tx.update(jnp.array(g, jnp.float32), tx.init(jnp.zeros(2)))
    np.testing.assert_allclose(updates, g / (np.abs(g) + 0.5), rtol=1e-6)
    # At t = 2 with g = 0, the moments have only decayed.
    updates, _ = tx.update(jnp.zeros(2), state)
    mu, nu = 0.9 * 0.1 * g, 0.999 * 0.001 * g**2
    expected = mu / (1 - 0.9**2) / (np.sqrt(nu / (1 - 0.999**2)) + 0.5)
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


def test_adams_steps_do_not_depend_on_the_gradients_scale():
    # Kingma & Ba, section 2.1: scaling g by c scales mu and sqrt(nu) by c, which cancels.
    tx, g = optim.scale_by_adam(eps=0.0), random_tree(3)
    small, _ = tx.update(g, tx.init(g))
    large, _ = tx.update(jax.tree.map(lambda x: 1024 * x, g), tx.init(g))
    chex.assert_trees_all_close(small, large, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda value: optim.sgd(0.1 * value),
        lambda value: optim.adam(0.1 * value),
        lambda value: optim.adam(0.1, b1=0.9 * value),
        lambda value: optim.adam(0.1, b2=0.9 * value),
        lambda value: optim.adam(0.1, eps=value),
    ],
)
def test_a_vmapped_hyperparameter_equals_one_run_each(make):
    def minimise(value):
        tx, x = make(value), jnp.array([3.0, -2.0])
        state = tx.init(x)
        for _ in range(5):
            updates, state = tx.update(2 * x, state)
            x = optax.apply_updates(x, updates)
        return x

    values = jnp.array([1.0, 0.5, 0.1])
    one_by_one = jnp.stack([minimise(float(value)) for value in values])
    np.testing.assert_allclose(jax.vmap(minimise)(values), one_by_one, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.adam(1e-3, b1=1.0), r"`b1` must be in \[0, 1\), got 1.0"),
        (lambda: optim.adam(1e-3, b2=-0.1), r"`b2` must be in \[0, 1\), got -0.1"),
        (lambda: optim.adam(1e-3, eps=-1.0), r"`eps` must be in \[0, inf\), got -1.0"),
        (lambda: optim.sgd(-0.1), r"`learning_rate` must be in \[0, inf\), got -0.1"),
        (lambda: optim.sgd(float("nan")), r"`learning_rate` must be in \[0, inf\), got nan"),
    ],
)
def test_a_hyperparameter_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
