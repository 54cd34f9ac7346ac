"""Every optimizer keeps the same contract: one table, a test for each promise."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import serialization

from jaxvision import optim
from tests.optim.table import decaying, dropping, each_of_optax, each_optimizer, each_unrolled

STEPS = 20
SIGNS = np.array([1, -1, 1, -1, -1, 1])


def tree(vector):
    """Six numbers as the parameters of a layer."""
    vector = jnp.asarray(vector, jnp.float32)
    return {"Dense_0": {"kernel": vector[:4].reshape(2, 2), "bias": vector[4:]}}


def vector(tree):
    return jnp.concatenate([tree["Dense_0"][name].ravel() for name in ("kernel", "bias")])


def gradient_sequence(seed=0):
    """Twenty gradients over four orders of magnitude, each coordinate of one sign throughout.

    Sums of them do not cancel, so their relative error stays at that of float32, and no test needs
    an absolute tolerance. The parameters begin far out with the same signs: nor do decays cancel.
    """
    random = np.random.default_rng(seed)
    magnitudes = np.exp(1.5 * random.standard_normal((STEPS, 6)))
    return np.float32(magnitudes * SIGNS)


def run(optimizer, gradients, params=None, update=None):
    """The updates [t, n], the last state and the last parameters."""
    params = tree(30 * SIGNS) if params is None else params
    state, updates = optimizer.init(params), []
    update = update or optimizer.update
    for g in gradients:
        u, state = update(tree(g), state, params)
        params = optax.apply_updates(params, u)
        updates.append(vector(u))
    return jnp.stack(updates), state, params


@each_of_optax
def test_follows_optax(row):
    expected, _, _ = run(row.theirs, gradient_sequence())
    updates, _, _ = run(row.make(), gradient_sequence())
    np.testing.assert_allclose(updates, expected, rtol=row.rtol_theirs)


@each_unrolled
@pytest.mark.parametrize("schedule", [None, decaying, dropping])
def test_follows_its_equations_unrolled(row, schedule):
    settings = dict(row.settings)
    rate = settings.pop("learning_rate")
    rates = np.array([schedule(t) if schedule else rate for t in range(STEPS)], np.float64)
    expected = row.unrolled(gradient_sequence().astype(np.float64), rates, **settings)
    updates, _, _ = run(row.make(learning_rate=schedule or rate), gradient_sequence())
    np.testing.assert_allclose(updates, expected, rtol=row.rtol)


@each_optimizer
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("schedule", [None, decaying])
def test_traces_once_and_keeps_structure_shapes_and_dtypes(row, dtype, schedule):
    chex.clear_trace_counter()
    optimizer = row.make(learning_rate=schedule or row.settings["learning_rate"])
    params = jax.tree.map(lambda x: x.astype(dtype), tree(np.arange(6)))
    state = first_state = optimizer.init(params)
    update = jax.jit(chex.assert_max_traces(optimizer.update, n=1))
    for _ in range(3):
        updates, state = update(params, state, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, first_state)


@each_optimizer
def test_keeps_bfloat16_when_its_hyperparameters_are_traced(row):
    params = jax.tree.map(lambda x: x.astype(jnp.bfloat16), tree(np.arange(6)))
    settings = {k: jnp.float32(v) for k, v in row.settings.items() if not row.is_static(k)}

    def states(settings):
        optimizer = row.make(**settings)
        state = optimizer.init(params)
        return state, *optimizer.update(params, state, params)

    first, updates, state = jax.jit(states)(settings)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, first)


@each_optimizer
def test_compiled_it_is_the_same(row):
    optimizer = row.make()
    eager, _, _ = run(optimizer, gradient_sequence())
    compiled, _, _ = run(optimizer, gradient_sequence(), update=jax.jit(optimizer.update))
    np.testing.assert_allclose(compiled, eager, rtol=max(row.rtol, 5e-6))


@each_optimizer
def test_vmap_over_each_hyperparameter_is_one_run_each(row):
    gradients = gradient_sequence()[:5]

    def updates(name, value):
        return run(row.make(**{name: value}), gradients)[0]

    for name, value in row.settings.items():
        if row.is_static(name):
            continue
        values = np.float32([value, value / 2, value / 5])
        together = jax.vmap(lambda value, name=name: updates(name, value))(jnp.asarray(values))
        one_by_one = np.stack([updates(name, float(value)) for value in values])
        np.testing.assert_allclose(together, one_by_one, rtol=2e-5)
        if value > 0:  # it does something
            assert not np.allclose(one_by_one[0], one_by_one[2], rtol=1e-4)


@each_optimizer
def test_a_gradient_that_is_zero_moves_nothing(row):
    zeros = np.zeros((3, 6), np.float32)
    updates, state, _ = run(row.make(), zeros, params=tree(np.zeros(6)))
    np.testing.assert_array_equal(updates, zeros)
    chex.assert_tree_all_finite(state)


@each_optimizer
def test_an_empty_tree_is_a_tree(row):
    optimizer = row.make()
    updates, _ = optimizer.update({}, optimizer.init({}), {})
    assert updates == {}


@each_optimizer
def test_a_restored_state_goes_on_with_the_same_bits(row):
    optimizer, gradients = row.make(), gradient_sequence()
    _, state, params = run(optimizer, gradients[:5])
    restored = serialization.from_bytes(optimizer.init(params), serialization.to_bytes(state))
    update = jax.jit(optimizer.update)
    updates, _ = update(tree(gradients[5]), state, params)
    again, _ = update(tree(gradients[5]), restored, params)
    chex.assert_trees_all_equal(updates, again)


@each_optimizer
def test_a_donated_state_does_not_alias_itself(row):
    optimizer, params = row.make(), tree(np.arange(6))
    for state in (
        optimizer.init(params),
        jax.jit(optimizer.update, donate_argnums=1)(params, optimizer.init(params), params)[1],
    ):
        buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves((state, params))]
        assert len(set(buffers)) == len(buffers)
        jax.jit(optimizer.update, donate_argnums=1)(params, state, params)


@each_optimizer
def test_in_a_chain_it_sees_what_came_before(row):
    gradients = gradient_sequence()
    doubled, _, _ = run(optax.chain(optax.scale(2.0), row.make()), gradients)
    expected, _, _ = run(row.make(), 2 * gradients)
    np.testing.assert_allclose(doubled, expected, rtol=1e-6)


@each_optimizer
def test_in_a_partition_it_moves_its_own_part(row):
    labels = {"Dense_0": {"kernel": "ours", "bias": "frozen"}}
    both = optax.partition({"ours": row.make(), "frozen": optax.set_to_zero()}, labels)
    updates, _, _ = run(both, gradient_sequence())
    alone, _, _ = run(row.make(), gradient_sequence())
    np.testing.assert_array_equal(updates[:, :4], alone[:, :4])
    np.testing.assert_array_equal(updates[:, 4:], 0)


@each_optimizer
def test_in_multi_steps_it_sees_the_mean_gradient(row):
    gradients = gradient_sequence()
    every_second = optax.MultiSteps(row.make(), every_k_schedule=2)
    updates, _, _ = run(every_second, gradients[:8], update=jax.jit(every_second.update))
    pairs = gradients[:8].reshape(4, 2, 6)
    expected, _, _ = run(row.make(), pairs.mean(axis=1, dtype=np.float32))
    np.testing.assert_array_equal(updates[::2], 0)
    np.testing.assert_allclose(updates[1::2], expected, rtol=max(row.rtol, 1e-5))


@each_optimizer
def test_its_hyperparameters_can_be_injected(row):
    static = [name for name in row.settings if row.is_static(name)]
    injected = optax.inject_hyperparams(row.ours, static_args=static)(**row.settings)
    updates, state, params = run(injected, gradient_sequence())
    expected, _, _ = run(row.make(), gradient_sequence())
    np.testing.assert_allclose(updates, expected, rtol=max(row.rtol, 1e-5))
    state.hyperparams["learning_rate"] = jnp.zeros(())
    updates, _ = injected.update(tree(np.zeros(6)), state, params)
    if row.name not in ("momentum", "nesterov") and "momentum" not in row.settings:
        np.testing.assert_array_equal(vector(updates), 0)  # those still coast


@each_optimizer
def test_integer_parameters_are_refused(row):
    with pytest.raises(ValueError, match=r"`params` must be floating.*\['steps'\] is int32"):
        row.make().init({"steps": jnp.zeros(3, jnp.int32), "w": jnp.zeros(2)})


@each_optimizer
def test_the_state_of_another_optimizer_is_refused(row):
    params = tree(np.arange(6))
    for other in (optax.lion(0.1), optax.sgd(0.1), optim.sgd(0.1), optim.adam(0.1)):
        state = other.init(params)
        if jax.tree.structure(state) != jax.tree.structure(row.make().init(params)):
            with pytest.raises(ValueError, match=r"`state` must be .*its own state only"):
                row.make().update(params, state, params)


@each_optimizer
def test_apply_if_finite_composes(row):
    guarded = optax.apply_if_finite(row.make(), max_consecutive_errors=3)
    gradients = gradient_sequence()[:4]
    gradients[1, 2] = np.nan
    updates, _, _ = run(guarded, gradients, update=jax.jit(guarded.update))
    without = np.delete(gradients, 1, axis=0)
    expected, _, _ = run(row.make(), without)
    np.testing.assert_array_equal(updates[1], 0)
    np.testing.assert_allclose(np.delete(np.asarray(updates), 1, axis=0), expected, rtol=1e-6)
