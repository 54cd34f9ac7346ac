"""CIFAR ResNets: counts, and both shortcuts by hand."""

import math
from functools import partial

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxvision.models import cifar_resnet
from jaxvision.models.cifar_resnet import CifarResNet, cifar_resnet20, cifar_resnet20_b, pad
from jaxvision.models.layers import Conv
from jaxvision.models.resnet import BasicBlock


def shapes(model, shape):
    """(features, variables), without arithmetic."""
    (_, features), variables = jax.eval_shape(
        lambda key: model.init_with_output(key, jnp.zeros(shape), train=False), jax.random.key(0)
    )
    return features, variables


# --- counts


# By this file's own arithmetic; all are in tests/inspect/test_zoo_facts.py.
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "parameters", "gmacs", "receptive_field"),
    [
        ("cifar_resnet20", 269_722, 0.041, 81),
        ("cifar_resnet56", 853_018, 0.125, 249),
    ],
)
def test_parameters_macs_and_receptive_field(name, parameters, gmacs, receptive_field):
    layers = []

    def record(call, args, kwargs, context):
        y = call(*args, **kwargs)
        module = context.module
        if context.method_name == "__call__" and isinstance(module, Conv | nn.Dense):
            kernel = module.get_variable("params", "kernel")
            layers.append((kernel, getattr(module, "stride", 1), y.size))
        return y

    model = getattr(cifar_resnet, name)(10)
    with nn.intercept_methods(record):
        _, variables = shapes(model, (1, 32, 32, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters
    macs = sum(size * math.prod(kernel.shape[:-1]) for kernel, _, size in layers)
    assert macs / 1e9 == pytest.approx(gmacs, abs=5e-4)
    assert 6 * model.depths[0] + 2 == len(layers) == int(name.removeprefix("cifar_resnet"))

    field, step = 1, 1  # pixels that one value has seen, and between two neighbours
    for kernel, stride, _ in layers[:-1]:
        field, step = field + (kernel.shape[0] - 1) * step, step * stride
    assert (field, step) == (receptive_field, 4)


def test_projections_add_2752_parameters():
    a, b = (
        flatten_dict(shapes(make(10), (1, 32, 32, 3))[1]["params"], sep="/")
        for make in (cifar_resnet20, cifar_resnet20_b)
    )
    added = {path: leaf.size for path, leaf in b.items() if path not in a}
    assert sum(added.values()) == 2_752
    assert {path.split("/")[1] for path in added} == {"conv_shortcut", "bn_shortcut"}
    assert set(a) < set(b)


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_each_depth_comes_with_projections_too(depth):
    a, b = (getattr(cifar_resnet, f"cifar_resnet{depth}{option}")(10) for option in ("", "_b"))
    assert b == a.clone(block=BasicBlock)
    assert b != a


# --- features


@pytest.mark.parametrize(("h", "w"), [(32, 32), (1, 1), (5, 30)])
def test_features_and_shapes(h, w):
    features, variables = shapes(cifar_resnet20(10), (2, h, w, 1))
    expected = {"stem": (h, w, 16)}
    for i in range(3):
        shape = (-(-h // 2**i), -(-w // 2**i), 16 * 2**i)
        expected |= {f"stage{i + 1}_block{j + 1}": shape for j in range(3)}
        expected |= {f"stage{i + 1}": shape}
    expected |= {"pooled": (64,)}
    assert {name: feature.shape[1:] for name, feature in features.items()} == expected
    assert variables["params"]["conv1"]["kernel"].shape == (3, 3, 1, 16)


def test_computes_in_bfloat16():
    features, variables = shapes(cifar_resnet20(10, dtype=jnp.bfloat16), (2, 32, 32, 3))
    chex.assert_type(jax.tree.leaves(variables), jnp.float32)
    chex.assert_type(list(features.values()), jnp.bfloat16)


# --- option A


def test_pad_by_hand():
    x = jnp.arange(1.0, 16.0).reshape(1, 3, 5, 1)
    y = pad(x, 4, 2)
    zero = [[0, 0, 0], [0, 0, 0]]
    expected = [zero, [[1, 3, 5], [11, 13, 15]], zero, zero]  # 1 channel before, 2 after
    np.testing.assert_array_equal(y, np.array(expected, float).transpose(1, 2, 0)[None])


def test_blocks_that_add_nothing_pass_every_fourth_pixel_on():
    # With all scales of the blocks zero each is its shortcut: what it gets is positive already.
    model = CifarResNet(None, depths=(1, 2, 1), width=2)
    images = jax.random.normal(jax.random.key(0), (1, 8, 12, 3))
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes(model, images.shape)[1])
    variables["params"]["conv1"]["kernel"] = jax.random.normal(jax.random.key(1), (3, 3, 3, 2))
    variables["params"]["bn1"]["scale"] = jnp.ones(2)

    _, features = jax.jit(partial(model.apply, train=False))(variables, images)
    np.testing.assert_array_equal(features["stage1"], features["stem"])
    np.testing.assert_array_equal(features["stage3"][..., 3:5], features["stem"][:, ::4, ::4])
    others = np.delete(features["stage3"], [3, 4], axis=-1)
    np.testing.assert_array_equal(others, np.zeros((1, 2, 3, 6)))
    assert float(jnp.max(features["stage3"])) > 0
