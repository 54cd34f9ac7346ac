"""Pre-activation ResNets: counts, the paper's three exceptions, and NumPy in float64."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxvision.models import preact_resnet
from jaxvision.models.preact_resnet import (
    CifarPreActResNet,
    PreActBasicBlock,
    PreActBottleneck,
    PreActResNet,
    cifar_preact_resnet110,
    cifar_preact_resnet1001,
    preact_resnet50,
)

TINY = {"depths": (2, 2), "width": 4}
BLOCKS = {
    "basic": PreActBasicBlock,
    "padded": preact_resnet.padded_block,
    "bottleneck": PreActBottleneck,
    "original": preact_resnet.original_bottleneck,
}
both_blocks = pytest.mark.parametrize("block", [PreActBasicBlock, PreActBottleneck])


def trace(model, shape):
    """(features in order, variables), without arithmetic."""
    names = []

    def run(key):
        (_, features), variables = model.init_with_output(key, jnp.zeros(shape), train=False)
        names.extend(features)  # in their order, which JAX forgets
        return features, variables

    features, variables = jax.eval_shape(run, jax.random.key(0))
    return {name: features[name] for name in names}, variables


def count(model, side):
    _, variables = trace(model, (1, side, side, 3))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def drawn(model, shape):
    """Variables far from where they begin: ones and zeros would hide what is left out."""
    rng, (_, shapes) = np.random.default_rng(0), trace(model, shape)
    variables = jax.tree.map(lambda leaf: rng.uniform(-0.5, 0.5, leaf.shape), shapes)
    variables["batch_stats"] = jax.tree.map(lambda leaf: leaf + 1, variables["batch_stats"])
    return variables


# --- counts


# Those of timm (resnetv2_18 to 152) and, for CIFAR, of the authors' code; 110 has the parameters of
# the network that it comes from: each batch norm has moved, from after to before.
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("preact_resnet18", 11_687_720),
        ("preact_resnet34", 21_795_880),
        ("preact_resnet50", 25_549_352),
        ("preact_resnet101", 44_541_480),
        ("preact_resnet152", 60_185_128),
        ("preact_resnet200", 64_666_152),
        ("cifar_preact_resnet110", 1_727_962),
        ("cifar_preact_resnet164", 1_703_258),
    ],
)
def test_parameters(name, parameters):
    model = getattr(preact_resnet, name)(10 if "cifar" in name else 1000)
    assert count(model, model.image_size) == parameters


@pytest.mark.usefixtures("unchecked")
def test_parameters_of_1001_layers():
    model = cifar_preact_resnet1001(10)
    assert model.depths == (111, 111, 111)  # 9 * 111 + 2 layers
    one, two = (count(model.clone(depths=(n, n, n)), 32) for n in (1, 2))
    assert one + 110 * (two - one) == 10_327_706  # every block after the first has as many


# --- features


def test_features_in_order_with_the_papers_shapes():
    features, _ = trace(preact_resnet50(1000), (2, 224, 224, 3))
    shapes = {"stem": (112, 112, 64), "pool1": (56, 56, 64)}
    for i, depth in enumerate((3, 4, 6, 3)):
        shape = (56 // 2**i, 56 // 2**i, 256 * 2**i)
        shapes |= {f"stage{i + 1}_block{j + 1}": shape for j in range(depth)}
        shapes |= {f"stage{i + 1}": shape}
    shapes |= {"last": (7, 7, 2048), "pooled": (2048,)}
    assert {name: feature.shape[1:] for name, feature in features.items()} == shapes
    assert list(features) == list(shapes)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (5, 30)])
def test_takes_any_size_and_any_number_of_channels(h, w):
    features, _ = trace(cifar_preact_resnet110(10), (1, h, w, 4))
    assert features["stage3"].shape == (1, -(-h // 4), -(-w // 4), 64)


# --- the paper's exceptions


@both_blocks
def test_the_first_block_has_no_activation_of_its_own(block):
    _, variables = trace(PreActResNet(5, block=block, **TINY), (1, 32, 32, 3))
    params = variables["params"]
    without = [
        name for name, layers in params.items() if name[:5] == "stage" if "bn1" not in layers
    ]
    assert without == ["stage1_block1"]
    assert not any("bn_shortcut" in layers for layers in params.values())


# --- reference


def convolve(x, kernel, stride):
    """[b, h, w, n] and [k, k, n, m], with k // 2 zeros on every side."""
    k = kernel.shape[0]
    x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return np.einsum("bijnkl,klnm->bijm", windows[:, ::stride, ::stride], kernel)


def reference(variables, images, convolutions, strided, train):
    """(logits, features, new statistics) of `TINY` behind the stem for CIFAR, in NumPy."""
    v, statistics, features = flatten_dict(variables, sep="/"), {}, {}

    def activate(x, path):
        names = [f"batch_stats/{path}/{name}" for name in ("mean", "var")]
        mean, var = (v[name] for name in names)
        if train:
            m, (old_mean, old_var) = x[..., 0].size, (mean, var)
            mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            statistics[names[0]] = 0.9 * old_mean + 0.1 * mean
            statistics[names[1]] = 0.9 * old_var + 0.1 * var * m / (m - 1)
        y = (x - mean) / np.sqrt(var + 1e-5) * v[f"params/{path}/scale"]
        return np.maximum(y + v[f"params/{path}/bias"], 0)

    x = features["stem"] = activate(convolve(images, v["params/conv1/kernel"], 1), "bn1")
    for stage in (1, 2):
        for block in (1, 2):
            place = f"stage{stage}_block{block}"
            stride = 2 if (stage, block) == (2, 1) else 1
            a = x if (stage, block) == (1, 1) else activate(x, f"{place}/bn1")
            y = a
            for n in range(1, convolutions + 1):
                y = activate(y, f"{place}/bn{n}") if n > 1 else y
                y = convolve(y, v[f"params/{place}/conv{n}/kernel"], stride if n == strided else 1)
            if f"params/{place}/conv_shortcut/kernel" in v:
                x = convolve(a, v[f"params/{place}/conv_shortcut/kernel"], stride)
            elif stride == 2:
                x = np.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (2, 2)))  # 4 to 8 channels
            x = features[place] = features[f"stage{stage}"] = x + y
    features["last"] = activate(x, "bn_last")
    x = features["pooled"] = features["last"].mean(axis=(1, 2))
    return x @ v["params/head/kernel"] + v["params/head/bias"], features, statistics


@pytest.mark.parametrize(
    ("block", "convolutions", "strided", "train"),
    [
        ("basic", 2, 1, False),
        ("padded", 2, 1, True),
        ("bottleneck", 3, 2, True),
        ("original", 3, 1, False),
    ],
)
def test_follows_numpy(block, convolutions, strided, train):
    model = CifarPreActResNet(5, block=BLOCKS[block], **TINY)
    images = np.random.default_rng(1).normal(size=(2, 9, 12, 3))
    variables = drawn(model, images.shape)
    with jax.enable_x64(True):
        (logits, features), new = jax.jit(
            lambda v, x: model.apply(v, x, train=train, mutable=["batch_stats"])
        )(variables, images)
    expected = reference(variables, images, convolutions, strided, train)
    # In float64: sums of at most 72 terms, a dozen layers deep.
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
    plain, remat = (PreActResNet(5, block=block, remat=remat, **TINY) for remat in (False, True))
    images = jnp.ones((2, 16, 16, 3))
    variables = drawn(plain, images.shape)
    chex.assert_trees_all_equal_shapes(drawn(remat, images.shape), variables)

    def loss(variables, model):
        return model.apply(variables, images, train=False)[0].sum()

    for model, blocks in ((plain, 0), (remat, 4)):
        jaxpr = jax.make_jaxpr(jax.grad(partial(loss, model=model)))(variables)
        names = [eqn.primitive.name for eqn in jaxpr.eqns]
        assert names.count("remat2") + names.count("checkpoint") == blocks  # JAX has named it both


@both_blocks
def test_computes_in_bfloat16_and_stores_float32(block):
    model = PreActResNet(5, block=block, dtype=jnp.bfloat16, **TINY)
    images = jnp.ones((2, 16, 16, 3))

    def run(key):
        variables = model.init(key, images, train=False)
        outputs, new = model.apply(variables, images, train=True, mutable=["batch_stats"])
        return variables, outputs, new

    variables, (logits, features), new = jax.eval_shape(run, jax.random.key(0))
    chex.assert_type(jax.tree.leaves((variables, logits, new)), jnp.float32)
    chex.assert_type(list(features.values()), jnp.bfloat16)


@pytest.mark.parametrize("num_classes", [0, -1])
def test_names_a_head_without_outputs(num_classes):
    with pytest.raises(ValueError, match=rf"`num_classes` must be .* got {num_classes}"):
        cifar_preact_resnet110(num_classes)


def test_names_images_without_pixels():
    with pytest.raises(ValueError, match=r"must be at least 1 x 1 for PreActResNet, got 0 x 5"):
        trace(preact_resnet50(10), (1, 0, 5, 3))
