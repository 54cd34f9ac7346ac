"""Frozen variables do not move, cost nothing, and make the same function as the whole."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from jaxvision import optim
from jaxvision.models import make_model
from jaxvision.train import init_state, make_eval_step, make_train_step, means
from jaxvision.transfer import combine, parameters_below, partition

IMAGES = jax.random.normal(jax.random.key(1), (8, 16, 16, 3))
BATCH = {"image": IMAGES, "label": jnp.arange(8) % 4, "mask": jnp.arange(8) < 7}
ONE = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)


@pytest.fixture(scope="module")
def resnet():
    model = make_model("cifar_resnet20", 4)
    variables = jax.jit(lambda: model.init(jax.random.key(0), IMAGES[:1], train=False))()
    # Biases and statistics as after some training, and not all alike.
    return model, jax.tree.map(
        lambda x: x + 0.1 * jnp.cos(jnp.arange(x.size)) if x.ndim == 1 else x, variables
    )


def begin(model, parts, optimizer, **options):
    learning, frozen = parts
    given = {"variables": learning, "frozen": frozen} | options
    return init_state(model, optimizer, ONE_IMAGE, jax.random.key(0), **given)


ONE_IMAGE = jnp.zeros(ONE.shape)


def names(tree):
    return set(flatten_dict(tree, sep="/"))


def test_the_parts_are_the_whole(resnet):
    _, variables = resnet
    for chosen in (["head"], ["stage3_*", "head"], lambda name: "stage1" not in name):
        learning, frozen = partition(variables, chosen)
        assert not names(learning) & names(frozen)
        chex.assert_trees_all_equal(combine(learning, frozen), variables)


def test_a_layer_that_learns_takes_its_statistics_along(resnet):
    _, variables = resnet
    learning, frozen = partition(variables, ["head"])
    assert names(learning["params"]) == {"head/kernel", "head/bias"}
    assert learning["batch_stats"] == {} and frozen["batch_stats"] == variables["batch_stats"]
    scales = [name for name in names(variables["params"]) if name.endswith("scale")]
    one = sorted(scales)[3]
    learning, _ = partition(variables, [one])
    layer = one.removesuffix("/scale")
    assert names(learning["params"]) == {one}
    assert names(learning["batch_stats"]) == {f"{layer}/mean", f"{layer}/var"}


def test_what_a_feature_is_made_of(resnet):
    model, variables = resnet
    every = names(variables["params"])
    stages = {
        f"stage{i}": set(parameters_below(model, variables, ONE, f"stage{i}")) for i in (1, 2, 3)
    }
    first = ("conv1/", "bn1/", "stage1_")
    assert stages["stage1"] == {name for name in every if name.startswith(first)}
    assert stages["stage2"] == {name for name in every if name.startswith((*first, "stage2_"))}
    assert stages["stage3"] == every - {"head/kernel", "head/bias"}
    # By its definition: their gradient, and no others', is not zero.
    gradient = jax.grad(
        lambda p: jnp.sum(
            model.apply({**variables, "params": p}, IMAGES, train=False)[1]["stage2"] ** 2
        )
    )(variables["params"])
    moved = {name for name, g in flatten_dict(gradient, sep="/").items() if np.any(g)}
    assert moved == stages["stage2"]
    with pytest.raises(ValueError, match=r"`feature` is unknown: 'stage4'\. Did you mean `stage"):
        parameters_below(model, variables, ONE, "stage4")


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("chosen", [["head"], ["stage3_*", "head"]], ids="-".join)
def test_frozen_variables_do_not_move_by_a_bit_and_the_others_do(resnet, chosen, accumulate):
    model, variables = resnet
    optimizer = optim.adam(1e-2)
    state = begin(model, partition(variables, chosen), optimizer, average=True)
    before = jax.device_get(state)
    step = make_train_step(model, optimizer, accumulate=accumulate)
    for _ in range(3):
        state, totals = step(state, BATCH)
    chex.assert_trees_all_equal(state.frozen, before.frozen)
    for name in ("params", "batch_stats"):
        old, new = flatten_dict(getattr(before, name)), flatten_dict(getattr(state, name))
        assert all(np.any(old[path] != new[path]) for path in new)
    assert names(state.params) == {
        n for n in names(variables["params"]) if n.startswith(tuple(c.rstrip("*") for c in chosen))
    }
    chex.assert_trees_all_equal_structs(state.variables, variables)
    chex.assert_trees_all_equal_structs(state.eval_variables, variables)
    moments = [x for x in jax.tree.leaves(state.opt_state) if x.ndim]
    assert sum(x.size for x in moments) == 2 * sum(x.size for x in jax.tree.leaves(state.params))
    totals, _ = make_eval_step(model)(state.eval_variables, BATCH)
    assert means(totals)["loss"] > 0


def test_the_step_by_hand(resnet):
    """Frozen batch norms normalise by their statistics: in evaluation mode, that is."""
    model, variables = resnet
    parts = partition(variables, ["head"])
    optimizer = optim.sgd(0.1)
    state, totals = make_train_step(model, optimizer)(begin(model, parts, optimizer), BATCH)

    def loss(head):
        params = {**variables["params"], "head": head}
        logits, _ = model.apply({**variables, "params": params}, IMAGES[:7], train=False)
        return optax.softmax_cross_entropy_with_integer_labels(logits, BATCH["label"][:7]).mean()

    head = variables["params"]["head"]
    value, gradient = jax.value_and_grad(loss)(head)
    np.testing.assert_allclose(means(totals)["loss"], value, rtol=1e-5)
    expected = jax.tree.map(lambda w, g: w - 0.1 * g, head, gradient)
    chex.assert_trees_all_close(state.params["head"], expected, rtol=1e-4, atol=5e-6)


def test_the_norm_that_clips_is_that_of_what_learns(resnet):
    model, variables = resnet
    parts = partition(variables, ["head"])
    steps = {}
    for bound in (1e9, 0.1):
        optimizer = optax.chain(optax.clip_by_global_norm(bound), optim.sgd(1.0))
        state = begin(model, parts, optimizer)
        before = jax.device_get(state.params)
        state, _ = make_train_step(model, optimizer)(state, BATCH)
        steps[bound] = optax.tree.norm(jax.tree.map(jnp.subtract, state.params, before))
    assert steps[1e9] > 0.2
    np.testing.assert_allclose(steps[0.1], 0.1, rtol=1e-5)


def flops(model, state, optimizer):
    program = make_train_step(model, optimizer).lower(state, BATCH).compile()
    return program.cost_analysis()["flops"]


def test_the_frozen_part_has_no_backward_pass(resnet):
    model, variables = resnet
    optimizer = optim.sgd(0.1)
    whole = flops(model, init_state(model, optimizer, ONE_IMAGE, jax.random.key(0)), optimizer)
    last = flops(model, begin(model, partition(variables, ["head"]), optimizer), optimizer)
    half = flops(
        model, begin(model, partition(variables, ["stage3_*", "head"]), optimizer), optimizer
    )
    forward = (
        jax.jit(lambda v: model.apply(v, IMAGES, train=False)[0])
        .lower(variables)
        .compile()
        .cost_analysis()["flops"]
    )
    print(whole, half, last, forward)
    assert last < 1.1 * forward
    assert last < half < 0.75 * whole


class OfFlax(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = nn.BatchNorm(use_running_average=not train, name="norm")(
            nn.Conv(4, (3, 3), name="conv")(x)
        )
        return nn.Dense(4, name="head")(x.mean((1, 2))), {}


def test_a_batch_norm_that_does_not_know_of_frozen_statistics_is_refused():
    model, optimizer = OfFlax(), optim.sgd(0.1)
    variables = model.init(jax.random.key(0), ONE_IMAGE, train=False)
    state = begin(model, partition(variables, ["head"]), optimizer)
    with pytest.raises(ValueError, match="the statistics of norm are frozen, but"):
        make_train_step(model, optimizer)(state, BATCH)
    state = begin(model, partition(variables, ["head", "norm"]), optimizer)
    make_train_step(model, optimizer)(state, BATCH)


def test_bad_partitions_are_named_with_the_remedy(resnet):
    model, variables = resnet
    with pytest.raises(ValueError, match="got all of them: leave the partition out"):
        partition(variables, lambda name: True)
    with pytest.raises(
        ValueError, match="got none of them: there are bn1, conv1, head, stage1_block1"
    ):
        partition(variables, lambda name: "fc" in name)
    with pytest.raises(ValueError, match="got none of them"):
        partition(variables, [])
    with pytest.raises(ValueError, match=r"`learning` is unknown: 'haed'\. Did you mean `head`"):
        partition(variables, ["haed"])
    with pytest.raises(
        ValueError, match="must not have leaves in common, got two of params/head/bias"
    ):
        combine(variables, partition(variables, ["head"]).learning)
    with pytest.raises(ValueError, match="`variables` must be given with `frozen`"):
        init_state(model, optim.sgd(0.1), ONE_IMAGE, jax.random.key(0), frozen=variables)
