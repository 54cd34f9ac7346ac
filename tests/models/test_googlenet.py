"""Both GoogLeNets: counts, multiply-accumulates, shapes, windows, and logits from PyTorch."""

import functools
import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxvision.models.googlenet import GoogLeNet, GoogLeNet2014, Inception
from jaxvision.models.layers import ConvUnit, Dropout
from jaxvision.ops.platform import PLAIN, form


@functools.cache
def traced(model, h, w, channels=3):
    """(shapes of the features in their order, shapes of the variables, multiply-accumulates)."""
    names = []

    def init(key, images):
        (_, features), variables = model.init_with_output(key, images, train=False)
        names.extend(features)  # jax sorts the names of what it returns
        return features, variables

    images = jax.ShapeDtypeStruct((1, h, w, channels), jnp.float32)
    trace = jax.make_jaxpr(init, return_shape=True)
    with form(PLAIN):  # the one in which every convolution is a convolution
        program, (features, variables) = trace(jax.random.key(0), images)
    shapes = {name: features[name].shape[1:] for name in names}
    return shapes, variables, multiply_accumulates(program.jaxpr)


def multiply_accumulates(program):
    """Of the convolutions and matrix products in a jaxpr and those inside it."""
    total = 0
    for equation in program.eqns:
        *_, y = equation.outvars
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
            total += y.aval.size * math.prod(kernel) // outputs
        elif equation.primitive.name == "dot_general":
            (axes, _), _ = equation.params["dimension_numbers"]
            total += y.aval.size * math.prod(equation.invars[0].aval.shape[i] for i in axes)
        is_program = partial(lambda types, leaf: isinstance(leaf, types), (Jaxpr, ClosedJaxpr))
        for leaf in filter(is_program, jax.tree.leaves(equation.params, is_leaf=is_program)):
            total += multiply_accumulates(getattr(leaf, "jaxpr", leaf))
    return total


def count(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def drawn(shapes):
    """Variables far from where they begin, from the generator whose stream NumPy has frozen."""
    random = np.random.RandomState(0)

    def draw(path, leaf):
        values = random.uniform(-1, 1, leaf.shape)
        if path[-1].key == "kernel":
            values = values * (6 / np.prod(leaf.shape[:-1])) ** 0.5
        elif path[-1].key in ("scale", "var"):
            values = 1 + values / 2
        else:
            values = values / 4
        return np.float32(values)

    return jax.tree.map_with_path(draw, shapes)


def outputs(model, h, w):
    """(logits, features) of one image, with the variables of `drawn`."""
    images = np.float32(np.random.RandomState(0).uniform(-1, 1, (1, h, w, 3)))
    _, shapes, _ = traced(model, h, w)
    return jax.jit(partial(model.apply, train=False))(drawn(shapes), images)


def dropouts(model, h, w):
    """The rate of each dropout in training, by its path."""
    rates = {}

    def record(call, args, kwargs, context):
        if isinstance(context.module, Dropout) and context.method_name == "__call__":
            assert context.module.train
            rates["/".join(context.module.path)] = context.module.rate
        return call(*args, **kwargs)

    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    images = jnp.zeros((1, h, w, 3))
    with nn.intercept_methods(record):
        jax.eval_shape(lambda: model.init(keys, images, train=True))
    return rates


def made_again(model, h, w):
    """How many parts of the network the backward pass would compute again."""
    images, key = jnp.zeros((1, h, w, 3)), jax.random.key(0)
    program = jax.make_jaxpr(lambda: model.init_with_output(key, images, train=False)[0])()
    (remat,) = jax.make_jaxpr(jax.checkpoint(jnp.sin))(1.0).eqns
    return sum(equation.primitive is remat.primitive for equation in program.eqns)


# --- counts and shapes


@pytest.mark.parametrize(
    ("make", "parameters", "with_auxiliary", "gmacs"),
    [(GoogLeNet2014, 6_998_552, 13_378_280, 1.583), (GoogLeNet, 6_624_904, 13_004_888, 1.498)],
)
def test_parameters_macs_and_shapes(make, parameters, with_auxiliary, gmacs):
    features, variables, macs = traced(make(1000), 224, 224)
    assert count(variables) == parameters
    assert round(macs / 1e9, 3) == gmacs
    assert list(features.items()) == [
        *(("conv1", (112, 112, 64)), ("pool1", (56, 56, 64))),
        *(("conv2_reduce", (56, 56, 64)), ("conv2", (56, 56, 192)), ("pool2", (28, 28, 192))),
        *(("inception_3a", (28, 28, 256)), ("inception_3b", (28, 28, 480))),
        *(("pool3", (14, 14, 480)), ("inception_4a", (14, 14, 512))),
        *(("inception_4b", (14, 14, 512)), ("inception_4c", (14, 14, 512))),
        *(("inception_4d", (14, 14, 528)), ("inception_4e", (14, 14, 832))),
        *(("pool4", (7, 7, 832)), ("inception_5a", (7, 7, 832)), ("inception_5b", (7, 7, 1024))),
        ("pooled", (1024,)),
    ]
    with_heads, variables, _ = traced(make(1000, auxiliary=True), 224, 224)
    assert count(variables) == with_auxiliary
    names = list(features)
    names.insert(names.index("inception_4a") + 1, "aux1")
    names.insert(names.index("inception_4d") + 1, "aux2")
    assert list(with_heads) == names
    assert with_heads["aux1"] == with_heads["aux2"] == (1000,)


@pytest.mark.parametrize(
    ("make", "h", "w", "grids"),
    [
        (GoogLeNet2014, 31, 60, [(8, 15), (4, 7), (2, 3), (1, 1)]),
        (GoogLeNet, 15, 60, [(4, 15), (2, 7), (1, 3), (1, 2)]),
        (GoogLeNet, 257, 224, [(64, 56), (32, 28), (16, 14), (8, 7)]),
    ],
)
def test_every_pool_rounds_up(make, h, w, grids):
    # The last window hangs over the edge, as long as it begins inside.
    features, variables, _ = traced(make(7, auxiliary=True), h, w, channels=2)
    assert [features[f"pool{i}"][:2] for i in (1, 2, 3, 4)] == grids
    assert variables["params"]["aux1"]["dense"]["kernel"].shape == (2048, 1024)


def test_without_classes_there_are_no_auxiliary_heads():
    features, variables, _ = traced(GoogLeNet2014(None, auxiliary=True), 31, 31)
    assert not {"aux1", "aux2", "head"} & {*features, *variables["params"]}


@pytest.mark.parametrize(("make", "rate"), [(GoogLeNet2014, 0.4), (GoogLeNet, 0.2)])
def test_dropout_rates(make, rate):
    expected = {"aux1/dropout": 0.7, "aux2/dropout": 0.7, "dropout": rate}
    assert dropouts(make(7, auxiliary=True), 31, 31) == expected


@pytest.mark.parametrize(("remat", "blocks"), [(False, 0), (True, 9)])
def test_remat_is_block_by_block(remat, blocks):
    assert made_again(GoogLeNet(7, remat=remat), 31, 31) == blocks


# --- the block


@pytest.mark.parametrize("largest", [3, 5])
def test_each_branch_sees_its_window(largest):
    unit = partial(ConvUnit, train=False, dtype=None, batch_norm=False)
    block = Inception((1, 1, 1, 1, 1, 1), largest, unit)
    # All positive, so that no ReLU is closed; a maximum sees one pixel of each of many images.
    images = jnp.asarray(np.random.RandomState(0).uniform(size=(128, 7, 7, 2)), jnp.float32)
    variables = jax.eval_shape(block.init, jax.random.key(0), images)
    variables = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.1), variables)

    def center(images):
        return block.apply(variables, images)[:, 3, 3].sum(axis=0)  # of each branch

    seen = np.abs(jax.jit(jax.jacrev(center))(images)).sum(axis=(1, 4)) > 0  # [branches, 7, 7]
    for branch, side in enumerate((1, 3, largest, 3)):
        expected = np.zeros((7, 7), bool)
        expected[3 - side // 2 : 4 + side // 2, 3 - side // 2 : 4 + side // 2] = True
        np.testing.assert_array_equal(seen[branch], expected)


def test_auxiliary_heads_of_the_paper_pool_5x5_with_stride_3_at_its_size():
    x = jnp.asarray(np.random.RandomState(0).normal(size=(1, 14, 14, 2)), jnp.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))[:, ::3, ::3]
    expected = windows.mean(axis=(4, 5))
    np.testing.assert_allclose(GoogLeNet2014.auxiliary_grid(x), expected, rtol=1e-5, atol=1e-6)
    # Elsewhere, and always in torchvision's, 4 x 4 means of the whole.
    quarters = x[:, :12, :8].reshape(1, 4, 3, 4, 2, 2).mean(axis=(2, 4))
    for make in (GoogLeNet, GoogLeNet2014):
        grid = make.auxiliary_grid(x[:, :12, :8])
        np.testing.assert_allclose(grid, quarters, rtol=1e-5, atol=1e-6)
    assert np.abs(GoogLeNet.auxiliary_grid(x) - expected).max() > 0.1


# --- reference


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            GoogLeNet2014,
            {
                "logits": [-0.5108112, -0.3516288, 0.8376636],
                "aux1": [-1.1895982, -0.4275017, -0.5214145],
                "aux2": [-0.5529751, -0.7625856, 1.3311600],
            },
        ),
        (
            GoogLeNet,
            {
                "logits": [-2.2293482, -0.8804581, 8.4122660],
                "aux1": [3.4320480, -3.5003152, -2.6884694],
                "aux2": [-3.8124685, 6.1451583, -3.3866570],
            },
        ),
    ],
)
def test_golden_logits_from_pytorch(make, expected):
    # Computed once with torchvision's class: as it is, and with the paper's blocks, normalisation
    # and pools put into it. In float32, some 20 layers of sums of up to 2048 terms.
    logits, features = outputs(make(3, auxiliary=True), 31, 50)
    for name, values in expected.items():
        actual = logits if name == "logits" else features[name]
        np.testing.assert_allclose(actual[0], values, rtol=1e-4, atol=1e-4)
