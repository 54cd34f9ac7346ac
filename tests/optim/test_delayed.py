"""A delayed transformation does nothing at all, state included, and then everything."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.optim.base import chain
from jaxvision.optim.delayed import delayed
from jaxvision.optim.proximal import max_norm
from jaxvision.optim.regularize import l2


def run(tx, steps=6):
    """The updates of a constant gradient, and the states between them."""
    params, gradients = {"kernel": jnp.array([2.0, -3.0])}, {"kernel": jnp.array([0.5, 1.0])}
    state, update = tx.init(params), jax.jit(tx.update)
    states, updates = [state], []
    for _ in range(steps):
        new, state = update(gradients, state, params)
        states.append(state)
        updates.append(new["kernel"])
    return np.stack(updates), states


@pytest.mark.parametrize("start", [0, 1, 4])
@pytest.mark.parametrize("inner", [l2(0.5), max_norm(0.1), optim.scale_by_adam(), optax.trace(0.9)])
def test_from_start_on_it_is_the_transformation_from_its_beginning(inner, start):
    updates, states = run(delayed(inner, start))
    expected, inner_states = run(inner)
    np.testing.assert_array_equal(updates[:start], np.tile([[0.5, 1.0]], (start, 1)))
    np.testing.assert_array_equal(updates[start:], expected[: 6 - start])
    for state in states[: start + 1]:
        chex.assert_trees_all_equal(state.inner_state, inner_states[0])
    chex.assert_trees_all_equal(states[-1].inner_state, inner_states[6 - start])


def test_a_schedule_inside_counts_from_the_start():
    tx = delayed(optim.descend(lambda count: jnp.array([8.0, 4.0])[count]), start=2)
    updates, _ = run(tx, steps=4)
    np.testing.assert_array_equal(updates[:, 1], [1.0, 1.0, -8.0, -4.0])


def test_in_a_chain_only_its_own_part_waits():
    updates, _ = run(chain(delayed(l2(0.5), 2), optim.sgd(2.0)), steps=3)
    np.testing.assert_array_equal(updates, [[-1.0, -2.0], [-1.0, -2.0], [-3.0, 1.0]])


def test_missing_parameters_are_reported_at_once_and_not_at_the_start():
    tx, gradients = delayed(l2(0.5), 1000), {"kernel": jnp.ones(1)}
    with pytest.raises(ValueError, match="`params` must be given to `update`"):
        tx.update(gradients, tx.init(gradients))


@pytest.mark.parametrize("start", [-1, float("inf"), float("nan")])
def test_a_start_out_of_range_is_named(start):
    with pytest.raises(ValueError, match=r"`start` must be in \[0, inf\), got"):
        delayed(l2(0.5), start)
