"""What stands around an optimizer -- penalties, projections, averages -- keeps one contract."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.optim.base import chain
from jaxvision.optim.clipping import clip_by_global_norm, clip_by_value
from jaxvision.optim.delayed import delayed
from jaxvision.optim.ema import averaged_params, ema_corrected, ema_from_initial
from jaxvision.optim.proximal import l1_proximal, max_norm
from jaxvision.optim.regularize import decay, elastic_net, l1, l2

SGD = optim.sgd(0.1)

# What of a strength makes a whole optimizer; each part stands where its docstring puts it.
PARTS = {
    "l2": lambda s: chain(l2(s), SGD),
    "l1": lambda s: chain(l1(s), SGD),
    "elastic_net-l1": lambda s: chain(elastic_net(s, 0.1), SGD),
    "elastic_net-l2": lambda s: chain(elastic_net(0.1, s), SGD),
    "decay": lambda s: chain(SGD, decay(s)),
    "l1_proximal-penalty": lambda s: chain(SGD, l1_proximal(s, 0.1)),
    "l1_proximal-rate": lambda s: chain(SGD, l1_proximal(0.1, s)),
    "max_norm": lambda s: chain(SGD, max_norm(s)),
    "clip_by_value": lambda s: chain(clip_by_value(s), SGD),
    "clip_by_global_norm": lambda s: chain(clip_by_global_norm(s), SGD),
    "delayed-start": lambda s: chain(delayed(l2(0.5), 4 * s), SGD),
    "delayed-inner": lambda s: chain(delayed(l2(s), 2), SGD),
    "ema_from_initial": lambda s: chain(SGD, ema_from_initial(s)),
    "ema_corrected": lambda s: chain(SGD, ema_corrected(s)),
}
each_part = pytest.mark.parametrize("make", PARTS.values(), ids=PARTS)


def params(dtype=jnp.float32):
    random = np.random.default_rng(0)
    tree = {"head": {"kernel": random.standard_normal((3, 2)), "bias": random.standard_normal(2)}}
    return jax.tree.map(lambda x: jnp.array(x, dtype), tree)


@each_part
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_traces_once_and_keeps_structure_shapes_and_dtypes(make, dtype):
    chex.clear_trace_counter()
    tx, w = make(jnp.float32(0.5)), params(dtype)
    state = first_state = tx.init(w)
    update = jax.jit(chex.assert_max_traces(tx.update, n=1))
    for _ in range(3):
        updates, state = update(w, state, w)
    chex.assert_trees_all_equal_shapes_and_dtypes(updates, w)
    chex.assert_trees_all_equal_shapes_and_dtypes(state, first_state)


@each_part
def test_a_vmapped_strength_equals_one_run_each(make):
    def minimise(strength):
        tx, w = make(strength), params(jnp.float64)
        state = tx.init(w)
        for _ in range(4):
            updates, state = tx.update(jax.tree.map(lambda x: 3 * x, w), state, w)
            w = optax.apply_updates(w, updates)
        return w, state

    # In double precision, for an L1 penalty drives weights to where a rounding is not small.
    with jax.enable_x64(True):
        strengths = jnp.array([0.75, 0.5, 0.25])
        one_by_one = [jax.jit(lambda s=float(s): minimise(s))() for s in strengths]
        stacked = jax.tree.map(lambda *runs: jnp.stack(runs), *one_by_one)
        chex.assert_trees_all_close(jax.jit(jax.vmap(minimise))(strengths), stacked, rtol=1e-10)
        assert any(bool(jnp.any(x[0] != x[-1])) for x in jax.tree.leaves(stacked))


@each_part
def test_a_donated_state_does_not_alias_itself(make):
    tx, w = make(0.5), params()
    update = jax.jit(tx.update, donate_argnums=1)
    _, state = update(w, tx.init(w), w)
    buffers = [x.unsafe_buffer_pointer() for x in jax.tree.leaves(state)]
    assert len(set(buffers)) == len(buffers)
    update(w, state, w)


@each_part
def test_an_empty_tree_is_a_tree(make):
    tx = make(0.5)
    updates, _ = tx.update({}, tx.init({}), {})
    assert updates == {}


@each_part
def test_in_a_partition_it_does_to_its_part_what_it_does_alone(make):
    whole = {"mine": params(), "frozen": params()}
    labels = {"mine": "mine", "frozen": "frozen"}
    tx = optax.partition({"mine": make(0.5), "frozen": optax.set_to_zero()}, labels)
    alone = make(0.5)
    updates, _ = tx.update(whole, tx.init(whole), whole)
    expected, _ = alone.update(whole["mine"], alone.init(whole["mine"]), whole["mine"])
    chex.assert_trees_all_equal(updates["mine"], expected)
    assert not any(bool(jnp.any(u)) for u in jax.tree.leaves(updates["frozen"]))


READERS = [
    l2(0.1), l1(0.1), decay(0.1), l1_proximal(0.1, 0.1), max_norm(1.0),
    ema_from_initial(0.9), ema_corrected(0.9),
]  # fmt: skip


@pytest.mark.parametrize("tx", READERS)
def test_missing_parameters_are_asked_for(tx):
    with pytest.raises(ValueError, match=r"`params` must be given to `update`.*`optimizer.update"):
        tx.update(params(), tx.init(params()))


@pytest.mark.parametrize("tx", [clip_by_value(0.1), clip_by_global_norm(0.1)])
def test_clipping_reads_the_gradient_only(tx):
    updates, _ = tx.update(params(), tx.init(params()))
    assert all(bool(jnp.any(u != 0)) for u in jax.tree.leaves(updates))


@pytest.mark.parametrize("tx", [*READERS, clip_by_value(0.1), delayed(l2(0.1), 1)])
def test_another_optimizers_state_is_refused(tx):
    state = optim.scale_by_adam().init(params())
    with pytest.raises(ValueError, match=r"`state` must be the .* got ScaleByAdamState"):
        tx.update(params(), state, params())


@pytest.mark.parametrize("tx", [*READERS, clip_by_value(0.1), delayed(l2(0.1), 1)])
def test_integer_parameters_are_refused(tx):
    with pytest.raises(ValueError, match=r"`params` must be floating-point, .* is int32"):
        tx.init({"kernel": jnp.arange(3)})


def test_a_whole_recipe_in_one_chain():
    steps = 3
    tx = chain(
        clip_by_global_norm(1.0),
        delayed(l2(0.1), 2 * steps),
        optim.scale_by_adam(),
        optim.descend(0.1),
        decay(0.01),
        max_norm(1.5),
        ema_corrected(0.9),
    )
    w = params()
    state, update = tx.init(w), jax.jit(tx.update)
    for _ in range(10):
        updates, state = update(w, state, w)
        w = optax.apply_updates(w, updates)
    norms = np.linalg.norm(averaged_params(state)["head"]["kernel"], axis=0)
    assert np.all(norms <= 1.5 * (1 + 1e-6))
