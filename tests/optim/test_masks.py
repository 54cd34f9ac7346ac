"""A mask chooses parameters by name, wherever the name comes from, or says why it cannot."""

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.optim.masks import everything, kernels, named, resolve


class Network(nn.Module):
    """One layer of each kind that Flax names differently."""

    @nn.compact
    def __call__(self, images):
        x = nn.Conv(2, (3, 3), name="conv")(images)
        x = nn.BatchNorm(use_running_average=True, name="norm")(x).reshape(1, -1)
        return nn.Dense(3, name="head")(x) + nn.Embed(4, 3, name="words")(jnp.zeros(1, jnp.int32))


def network_params():
    variables = jax.eval_shape(Network().init, jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
    return variables["params"]


def chosen(mask, params):
    leaves = jax.tree.leaves_with_path(resolve(mask, params))
    return {jax.tree_util.keystr(p, simple=True, separator="/") for p, choice in leaves if choice}


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        (kernels, {"conv/kernel", "head/kernel"}),
        (named("*/kernel"), {"conv/kernel", "head/kernel"}),
        (named("head/*"), {"head/kernel", "head/bias"}),
        (named("conv/bias", "norm/?????"), {"conv/bias", "norm/scale"}),
        (
            lambda params: {**everything(params), "conv": False, "norm": False, "head": False},
            {"words/embedding"},
        ),
    ],
    ids=["kernels", "one-pattern", "a-layer", "two-patterns", "a-function"],
)
def test_chooses_by_name_among_flax_layers(mask, names):
    assert chosen(mask, network_params()) == names


def test_everything_is_every_parameter():
    choices = jax.tree.leaves(resolve(everything, network_params()))
    assert choices == [True] * 7


def test_only_the_last_name_makes_a_kernel_and_the_number_of_axes_does_not():
    params = {
        "kernel": {"scale": jnp.ones((2, 2))},
        "my_kernel": jnp.ones((2, 2)),
        "stacked": {"kernel": jnp.ones((5, 2, 3)), "bias": jnp.ones((5, 3))},
    }
    assert chosen(kernels, params) == {"stacked/kernel"}


@flax.struct.dataclass
class Layer:
    kernel: jax.Array
    bias: jax.Array


def test_the_kernels_of_nnx_are_found_in_their_boxes():
    from flax import nnx

    params = nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Param)
    assert jax.tree.leaves(kernels(params)) == [False, True]  # bias, kernel


def test_names_come_from_dataclasses_and_sequences_too():
    layer = Layer(kernel=jnp.ones((2, 2)), bias=jnp.ones(2))
    params = {"layers": [layer, layer]}
    assert chosen(kernels, params) == {"layers/0/kernel", "layers/1/kernel"}
    assert chosen(named("layers/1/*"), params) == {"layers/1/kernel", "layers/1/bias"}


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ({"a": {"w": True, "b": False}, "c": np.bool_(True)}, [False, True, True]),
        ({"a": True, "c": False}, [True, True, False]),
        (True, [True, True, True]),
    ],
    ids=["tree", "branch", "all"],
)
def test_a_tree_is_a_mask_and_a_boolean_stands_for_a_branch(mask, expected):
    params = {"a": {"w": jnp.ones(2), "b": jnp.ones(2)}, "c": jnp.ones(())}
    choices = jax.tree.leaves(resolve(mask, params))
    assert choices == expected and all(type(choice) is bool for choice in choices)


@pytest.mark.parametrize(
    "mask", [kernels, everything, {"a": {"kernel": True, "bias": False}, "b": True}]
)
@pytest.mark.parametrize("absent", [optax.MaskedNode(), None])
def test_what_is_not_there_is_not_asked_for(mask, absent):
    params = {"a": {"kernel": jnp.ones(2), "bias": absent}, "b": absent}
    assert resolve(mask, params) == {"a": {"kernel": True, "bias": absent}, "b": absent}


@pytest.mark.parametrize("mask", [kernels, everything, named("*/kernel"), True])
@pytest.mark.parametrize("params", [{}, {"a": {}}, {"a": optax.MaskedNode()}])
def test_a_tree_without_parameters_lacks_none(mask, params):
    assert resolve(mask, params) == params


def test_a_bare_array_is_everything():
    assert resolve(everything, jnp.ones(2)) is True


def test_is_resolved_while_tracing():
    resolved = []

    def trace(params):
        resolved.append(resolve(kernels, params))
        return params

    jax.jit(trace)({"kernel": jnp.ones(2), "bias": jnp.ones(2)})
    assert resolved == [{"kernel": True, "bias": False}]


MANY = {f"layer_{i}": {"bias": jnp.ones(2)} for i in range(10)}


@pytest.mark.parametrize(
    ("mask", "params", "message"),
    [
        (kernels, {"w": jnp.ones(2), "b": jnp.ones(2)}, "`mask` chooses no .* there are b, w"),
        (kernels, MANY, "layer_6/bias, layer_7/bias and 2 more. Choose"),
        (kernels, jnp.ones(2), "there are .one array without a name.*`mask=everything`"),
        (False, {"w": jnp.ones(2)}, "`mask` chooses no parameter; there are w"),
        (named("w", "Dense_9/*"), {"w": jnp.ones(2)}, "`mask` names 'Dense_9/.', .* there are w"),
        ({"w": jnp.ones(2) > 0}, {"w": jnp.ones(2)}, "`mask` must hold True or False .* got Array"),
        ({"w": 1.0}, {"w": jnp.ones(2)}, "`mask` must hold True or False .* got float"),
        ({"v": True}, {"w": jnp.ones(2)}, "`mask` must have the structure of the parameters, w: "),
        ({"w": {"v": True}}, {"w": jnp.ones(2)}, "`mask` must have the structure"),
    ],
)
def test_a_mask_that_does_not_fit_is_named_beside_what_there_is(mask, params, message):
    with pytest.raises(ValueError, match=message):
        resolve(mask, params)


def test_no_pattern_is_no_mask():
    with pytest.raises(ValueError, match="`patterns` must name a parameter, got none"):
        named()
