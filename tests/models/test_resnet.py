"""ResNets: counts, multiply-accumulates, receptive fields, and both blocks against NumPy."""

import math
from functools import partial

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxvision.models import resnet
from jaxvision.models.layers import Conv
from jaxvision.models.resnet import BasicBlock, Bottleneck, ResNet

TINY = {"depths": (1, 2), "width": 4}
BLOCKS = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
    "original": partial(Bottleneck, stride_first=True),
    "grouped": partial(Bottleneck, widen=2, groups=4),
}
both_blocks = pytest.mark.parametrize("block", [BasicBlock, Bottleneck])


def images_of(*shape):
    return jax.random.normal(jax.random.key(0), shape)


def trace(model, shape):
    """(features, variables, convolutions and dense layers in order), all without arithmetic.

    Of each layer: its path, kernel size, stride, and multiply-accumulates.
    """
    names, layers = [], []

    def record(call, args, kwargs, context):
        y = call(*args, **kwargs)
        module = context.module
        if context.method_name == "__call__" and isinstance(module, Conv | nn.Dense):
            kernel = module.get_variable("params", "kernel")
            macs = y.size * math.prod(kernel.shape[:-1])
            layers.append((module.path, kernel.shape[0], getattr(module, "stride", 1), macs))
        return y

    def run(key):
        (_, features), variables = model.init_with_output(key, jnp.zeros(shape), train=False)
        names.extend(features)  # in their order, which JAX forgets
        return features, variables

    with nn.intercept_methods(record):
        features, variables = jax.eval_shape(run, jax.random.key(0))
    return {name: features[name] for name in names}, variables, layers


def drawn(model, shape):
    """Variables far from where they begin: ones and zeros would hide what is left out."""
    rng, (_, shapes, _) = np.random.default_rng(0), trace(model, shape)
    variables = jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape), shapes)
    variables["batch_stats"] = jax.tree.map(lambda leaf: leaf + 1, variables["batch_stats"])
    return variables


# --- counts


# One of each kind, by this file's own arithmetic; all are in tests/inspect/test_zoo_facts.py.
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "parameters", "gmacs", "receptive_field"),
    [
        ("resnet18", 11_689_512, 1.814, 435),
        ("resnet50", 25_557_032, 4.089, 427),
        ("resnet50_v1", 25_557_032, 3.858, 483),
        ("resnext50_32x4d", 25_028_904, 4.230, 427),
    ],
)
def test_parameters_macs_and_receptive_field(name, parameters, gmacs, receptive_field):
    _, variables, layers = trace(getattr(resnet, name)(1000), (1, 224, 224, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == parameters
    assert sum(macs for *_, macs in layers) / 1e9 == pytest.approx(gmacs, abs=5e-4)

    field, step = 1, 1  # pixels that one value has seen, and between two neighbours
    windows = [(k, s) for path, k, s, _ in layers[:-1] if path[-1] != "conv_shortcut"]
    for k, s in [windows[0], (3, 2), *windows[1:]]:  # the pool is second
        field, step = field + (k - 1) * step, step * s
    assert field == receptive_field
    assert step == 32


# --- features


def test_features_in_order_with_the_papers_shapes():
    features, _, _ = trace(resnet.resnet50(1000), (2, 224, 224, 3))
    shapes = {"stem": (112, 112, 64), "pool1": (56, 56, 64)}
    for i, depth in enumerate((3, 4, 6, 3)):
        shape = (56 // 2**i, 56 // 2**i, 256 * 2**i)
        shapes |= {f"stage{i + 1}_block{j + 1}": shape for j in range(depth)}
        shapes |= {f"stage{i + 1}": shape}
    shapes |= {"pooled": (2048,)}
    assert {name: feature.shape[1:] for name, feature in features.items()} == shapes
    assert list(features) == list(shapes)


@pytest.mark.parametrize(("h", "w", "stage4"), [(1, 1, (1, 1)), (33, 64, (2, 2)), (65, 8, (3, 1))])
@pytest.mark.parametrize("channels", [1, 4])
def test_takes_any_size_and_any_number_of_channels(h, w, stage4, channels):
    features, variables, _ = trace(resnet.resnet18(10), (1, h, w, channels))
    assert features["stage4"].shape == (1, *stage4, 512)
    assert variables["params"]["conv1"]["kernel"].shape == (7, 7, channels, 64)
    assert len(variables["params"]["stage4_block1"]) == 6  # the shortcut's, at one pixel, too


def test_names_images_without_pixels():
    with pytest.raises(ValueError, match=r"`images` must be at least 1 x 1 for ResNet, got 0 x 5"):
        trace(resnet.resnet18(10), (1, 0, 5, 3))


# --- reference


def convolve(x, kernel, stride, groups):
    """[b, h, w, n] and [k, k, n / groups, m], with k // 2 zeros on every side."""
    k = kernel.shape[0]
    x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]  # [b, hs, ws, n, k, k]
    parts = zip(np.split(windows, groups, 3), np.split(kernel, groups, 3), strict=True)
    return np.concatenate([np.einsum("bijnkl,klnm->bijm", *part) for part in parts], axis=3)


def max_pool(x):
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2].max(axis=(4, 5))


def relu(x):
    return np.maximum(x, 0)


def reference(variables, images, convolutions, strided, groups, train):
    """(logits, features, new statistics) of `TINY` in NumPy, with an epsilon of 0.01."""
    v, statistics, features = flatten_dict(variables, sep="/"), {}, {}

    def layer(x, place, which, stride=1, groups=1):
        x = convolve(x, v[f"params/{place}conv{which}/kernel"], stride, groups)
        scale, bias = (v[f"params/{place}bn{which}/{name}"] for name in ("scale", "bias"))
        paths = [f"batch_stats/{place}bn{which}/{name}" for name in ("mean", "var")]
        mean, var = (v[path] for path in paths)
        if train:
            m, (old_mean, old_var) = x[..., 0].size, (mean, var)
            mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            statistics[paths[0]] = 0.9 * old_mean + 0.1 * mean
            statistics[paths[1]] = 0.9 * old_var + 0.1 * var * m / (m - 1)
        return (x - mean) / np.sqrt(var + 0.01) * scale + bias

    features["stem"] = relu(layer(images, "", 1, stride=2))
    x = features["pool1"] = max_pool(features["stem"])
    for block, stage, stride in (("1_block1", 1, 1), ("2_block1", 2, 2), ("2_block2", 2, 1)):
        y, place = x, f"stage{block}/"
        for n in range(1, convolutions + 1):
            stride_n, groups_n = (stride if n == strided else 1), (groups if n == 2 else 1)
            y = layer(y, place, n, stride_n, groups_n)
            y = relu(y) if n < convolutions else y
        if stride == 2 or x.shape != y.shape:
            x = layer(x, place, "_shortcut", stride)
        x = features[f"stage{block}"] = features[f"stage{stage}"] = relu(x + y)
    x = features["pooled"] = x.mean(axis=(1, 2))
    return x @ v["params/head/kernel"] + v["params/head/bias"], features, statistics


@pytest.mark.parametrize(
    ("block", "convolutions", "strided", "groups", "train"),
    [
        ("basic", 2, 1, 1, True),
        ("bottleneck", 3, 2, 1, False),
        ("original", 3, 1, 1, True),
        ("grouped", 3, 2, 4, False),
    ],
)
def test_follows_numpy(block, convolutions, strided, groups, train):
    images = np.asarray(images_of(2, 34, 43, 3), np.float64)
    model = ResNet(5, block=BLOCKS[block], epsilon=0.01, **TINY)
    variables = drawn(model, images.shape)

    with jax.enable_x64(True):
        (logits, features), new = jax.jit(
            lambda v, x: model.apply(v, x, train=train, mutable=["batch_stats"])
        )(variables, images)
    expected = reference(variables, images, convolutions, strided, groups, train)
    # In float64: sums of at most 147 terms, seven layers deep.
    close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    close(logits, expected[0])
    assert set(features) == set(expected[1])
    for name, feature in expected[1].items():
        close(features[name], feature, err_msg=name)
    if train:
        new = flatten_dict(new, sep="/")
        assert set(new) == set(expected[2])
        for name, statistic in expected[2].items():
            close(new[name], statistic, err_msg=name)


# --- options


@both_blocks
def test_remat_makes_each_block_again_and_renames_nothing(block):
    plain, remat = (ResNet(5, block=block, remat=remat, **TINY) for remat in (False, True))
    images = images_of(2, 16, 16, 3)
    variables = drawn(plain, images.shape)
    chex.assert_trees_all_equal_shapes(drawn(remat, images.shape), variables)

    def loss(variables, model):
        return model.apply(variables, images, train=False)[0].sum()

    for model, blocks in ((plain, 0), (remat, 3)):
        jaxpr = jax.make_jaxpr(jax.grad(partial(loss, model=model)))(variables)
        names = [eqn.primitive.name for eqn in jaxpr.eqns]
        assert names.count("remat2") + names.count("checkpoint") == blocks  # JAX has named it both


def test_remat_changes_no_value():
    plain, remat = (ResNet(5, (1,), width=2, remat=remat) for remat in (False, True))
    images = images_of(2, 8, 8, 3)
    variables = drawn(plain, images.shape)

    @partial(jax.jit, static_argnames="model")
    def run(variables, model):
        fresh = model.init(jax.random.key(0), images, train=False)["params"]
        kernel = fresh["stage1_block1"]["conv2"]["kernel"]
        return kernel, model.apply(variables, images, train=True, mutable=["batch_stats"])

    # XLA may fuse another way.
    chex.assert_trees_all_close(run(variables, plain), run(variables, remat), rtol=1e-5, atol=1e-5)


@both_blocks
def test_computes_in_bfloat16_and_stores_float32(block):
    model = ResNet(5, block=block, dtype=jnp.bfloat16, **TINY)

    def run(key):
        variables = model.init(key, images_of(2, 16, 16, 3), train=False)
        outputs, new = model.apply(
            variables, images_of(2, 16, 16, 3), train=True, mutable=["batch_stats"]
        )
        return variables, outputs, new

    variables, (logits, features), new = jax.eval_shape(run, jax.random.key(0))
    chex.assert_type(jax.tree.leaves((variables, logits, new)), jnp.float32)
    chex.assert_type(list(features.values()), jnp.bfloat16)


@pytest.mark.parametrize(("block", "last"), [(BasicBlock, "bn2"), (Bottleneck, "bn3")])
@pytest.mark.parametrize("value", [0, 1])
def test_scales_begin_at_one_and_the_last_of_a_block_where_one_says(block, last, value):
    if value == 0:
        block = partial(block, last_scale_init=nn.initializers.zeros)
    model = ResNet(5, block=block, **TINY)

    @jax.jit
    def scales(key):
        params = model.init(key, jnp.zeros((1, 16, 16, 3)), train=False)["params"]
        return {k: v for k, v in flatten_dict(params, sep="/").items() if k.endswith("scale")}

    for path, scale in scales(jax.random.key(0)).items():
        is_last = path.startswith("stage") and path.endswith(f"{last}/scale")
        np.testing.assert_array_equal(scale, value if is_last else 1, err_msg=path)


@pytest.mark.parametrize("num_classes", [0, -1])
def test_names_a_head_without_outputs(num_classes):
    with pytest.raises(ValueError, match=rf"`num_classes` must be .* got {num_classes}"):
        resnet.resnet18(num_classes)
