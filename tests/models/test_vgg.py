"""Every VGG: counts, NumPy's windows layer by layer, receptive fields, memory for time."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from jaxvision.models import vgg
from jaxvision.ops.pooling import average_pool
from tests.models.tracing import traced


def drawn(model, shape):
    """Images and variables of the right shapes, drawn with NumPy."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        if path[-1].key == "kernel":
            return rng.normal(size=leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5
        return rng.uniform(0.5, 1.5, leaf.shape)  # a variance among them

    return rng.normal(size=shape), jax.tree.map_with_path(draw, traced(model, shape)[1])


# --- counts and shapes


@pytest.mark.parametrize(
    ("name", "parameters", "convolutions", "gmacs"),
    [
        ("vgg11", 132_863_336, 9_220_480, 7.609),
        ("vgg_a_lrn", 132_863_336, 9_220_480, 7.609),
        ("vgg13", 133_047_848, 9_404_992, 11.308),
        ("vgg_c", 133_638_952, 9_996_096, 11.771),
        ("vgg16", 138_357_544, 14_714_688, 15.470),
        ("vgg19", 143_667_240, 20_024_384, 19.632),
        ("vgg11_bn", 132_868_840, 9_220_480 + 2 * 2_752, 7.609),
        ("vgg13_bn", 133_053_736, 9_404_992 + 2 * 2_944, 11.308),
        ("vgg16_bn", 138_365_992, 14_714_688 + 2 * 4_224, 15.470),
        ("vgg19_bn", 143_678_248, 20_024_384 + 2 * 5_504, 19.632),
    ],
)
def test_parameters_and_multiply_accumulates(name, parameters, convolutions, gmacs):
    make = getattr(vgg, name)
    (logits, features), variables = traced(make(1000), (1, 224, 224, 3))
    params = variables["params"]
    assert logits.shape == (1, 1000)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters
    # Each weight of a convolution is used once at each pixel of its output, of a dense layer once.
    pixels = {
        name: np.prod(features[name.replace("conv", "relu")].shape[1:3])
        for name in params
        if name.startswith("conv")
    }
    kernels = {name: layer["kernel"].size for name, layer in params.items() if "kernel" in layer}
    macs = sum(size * pixels.get(name, 1) for name, size in kernels.items())
    assert round(macs / 1e9, 3) == gmacs

    (logits, features), only = traced(make(None, hidden=()), (2, 32, 97, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(only["params"])) == convolutions
    assert only["params"] == {name: params[name] for name in only["params"]}
    assert features["pool5"].shape == (2, 1, 3, 512)
    assert list(features)[-1] == "flat"
    assert logits.shape == features["flat"].shape == (2, 7 * 7 * 512)


def test_features_in_their_order():
    (_, features), _ = traced(vgg.vgg_c(10, local_response=True), (1, 224, 224, 3))
    shapes = {}
    stages = ((2, 224, 64), (2, 112, 128), (3, 56, 256), (3, 28, 512), (3, 14, 512))
    for stage, (convolutions, side, channels) in enumerate(stages, 1):
        for i in range(1, convolutions + 1):
            shapes[f"relu{stage}_{i}"] = (1, side, side, channels)
            if (stage, i) == (1, 1):
                shapes["norm1_1"] = (1, side, side, channels)
        shapes[f"pool{stage}"] = (1, side // 2, side // 2, channels)
    shapes |= {"flat": (1, 25088), "fc6": (1, 4096), "fc7": (1, 4096)}
    assert [(name, feature.shape) for name, feature in features.items()] == list(shapes.items())


def test_any_number_of_channels_and_any_size_from_32_on():
    model = vgg.vgg11(10, width=2, hidden=(5,))
    (_, features), variables = traced(model, (1, 32, 300, 5))
    assert variables["params"]["conv1_1"]["kernel"].shape == (3, 3, 5, 2)
    assert features["pool5"].shape == (1, 1, 9, 16)
    with pytest.raises(ValueError, match="`images` must be at least 32 x 32 for VGG, got 31 x 32"):
        traced(model, (1, 31, 32, 3))


def test_names_a_head_without_outputs():
    with pytest.raises(ValueError, match="`num_classes` must be at least 1, got 0"):
        vgg.vgg16(0)


def test_half_precision_up_to_the_head():
    model = vgg.vgg11_bn(10, width=2, hidden=(5,), local_response=True, dtype=jnp.bfloat16)
    (logits, features), variables = traced(model, (1, 32, 32, 3))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert {leaf.dtype for leaf in features.values()} == {jnp.dtype("bfloat16")}
    assert logits.dtype == jnp.float32


# --- reference: windows in NumPy


def reference(variables, x, kernels, *, pool, local_response=False):
    params, stats, f = variables["params"], variables.get("batch_stats", {}), {}
    for stage, sides in enumerate(kernels, 1):
        for i, side in enumerate(sides, 1):
            layer, p = params[f"conv{stage}_{i}"], side // 2
            windows = sliding_window_view(
                np.pad(x, ((p, p), (p, p), (0, 0))), (side, side), axis=(0, 1)
            )
            x = np.einsum("hwnkl,klnm->hwm", windows, layer["kernel"]) + layer["bias"]
            if norm := params.get(f"bn{stage}_{i}"):
                mean, var = stats[f"bn{stage}_{i}"]["mean"], stats[f"bn{stage}_{i}"]["var"]
                x = norm["scale"] * (x - mean) / np.sqrt(var + 1e-5) + norm["bias"]
            x = f[f"relu{stage}_{i}"] = np.maximum(x, 0)
            if local_response and stage == i == 1:  # 2 channels: each sees both
                x = f["norm1_1"] = x / (2 + 1e-4 * (x**2).sum(axis=-1, keepdims=True)) ** 0.75
        x = f[f"pool{stage}"] = pool(sliding_window_view(x, (2, 2), axis=(0, 1))[::2, ::2])
    x = f["flat"] = x.repeat(7, axis=0).repeat(7, axis=1).ravel()  # 1 x 1 to 7 x 7
    for name in ("fc6", "fc7"):
        x = f[name] = np.maximum(x @ params[name]["kernel"] + params[name]["bias"], 0)
    return x @ params["head"]["kernel"] + params["head"]["bias"], f


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (vgg.vgg_c, {"kernels": ((3, 3),) * 2 + ((3, 3, 1),) * 3}),
        (vgg.vgg11_bn, {"kernels": ((3,),) * 2 + ((3, 3),) * 3, "average": True}),
        (vgg.vgg_a_lrn, {"kernels": ((3,),) * 2 + ((3, 3),) * 3, "local_response": True}),
    ],
    ids=["c", "a with batch norm and average pools", "a with local response"],
)
def test_follows_numpy_layer_by_layer(make, options):
    options = dict(options)
    average = options.pop("average", False)
    model = make(3, width=2, hidden=(5, 4), **({"pool": average_pool} if average else {}))
    images, variables = drawn(model, (1, 32, 40, 3))
    images *= 30  # large enough for neighbours to matter
    with jax.enable_x64(True):
        apply = jax.jit(lambda variables, images: model.apply(variables, images, train=False))
        logits, features = apply(variables, images)
    pool = (lambda w: w.mean(axis=(-1, -2))) if average else (lambda w: w.max(axis=(-1, -2)))
    expected_logits, expected = reference(variables, images[0], pool=pool, **options)
    assert set(features) == set(expected)
    for name, feature in features.items():
        scale = np.abs(expected[name]).max()
        assert scale > 0.1
        np.testing.assert_allclose(feature[0], expected[name], rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(logits[0], expected_logits, rtol=1e-9)


# --- theorem: a spike reaches a unit if and only if it lies in its receptive field


@pytest.mark.parametrize(
    ("make", "feature", "size", "stride"),
    [
        (vgg.vgg11, "pool5", 150, 32),
        (vgg.vgg13, "pool5", 156, 32),
        (vgg.vgg16, "pool5", 212, 32),
        (vgg.vgg19, "pool5", 268, 32),
        (vgg.vgg19, "relu5_1", 156, 16),
    ],
    ids=["A", "B", "D", "E", "E, relu5_1"],
)
def test_receptive_fields(make, feature, size, stride):
    unit = 128 // stride
    # Symmetric about the middle of the rows that the strides alone give to the unit.
    first = 128 - (size - stride) // 2
    rows = np.array([first - 1, first, first + size - 1, first + size])
    model = make(None, width=1, hidden=())
    images = jnp.zeros((4, 288, 32, 1)).at[np.arange(4), rows].set(1.0)
    _, variables = traced(model, images.shape)
    ones = jax.tree.map(lambda leaf: jnp.full(leaf.shape, float(len(leaf.shape) > 1)), variables)
    apply = jax.jit(lambda images: model.apply(ones, images, train=False)[1][feature])
    seen = np.asarray(apply(images)[:, unit, 0]).max(axis=-1) > 0
    np.testing.assert_array_equal(seen, [False, True, True, False])


# --- training


def test_drops_half_of_each_hidden_layer():
    model = vgg.VGG(None, kernels=((3,),), width=1, hidden=(400, 300))
    images, variables = jax.tree.map(jnp.float32, drawn(model, (1, 32, 32, 1)))
    # Open ReLUs, so that a unit is 0 only where it is dropped.
    variables["params"]["fc6"]["bias"] += 1e3
    variables["params"]["fc7"]["bias"] += 1e5

    @jax.jit
    def evaluated_and_trained(variables):
        rngs = {"dropout": jax.random.key(0)}
        return tuple(model.apply(variables, images, train=t, rngs=rngs) for t in (False, True))

    (_, kept), (logits, dropped) = evaluated_and_trained(variables)
    np.testing.assert_array_equal(logits, dropped["fc7"])
    ratio = np.asarray(dropped["fc6"] / kept["fc6"])
    assert set(np.unique(ratio)) == {0.0, 2.0}
    # Five deviations: 0.5 / sqrt(400) = 0.025, 0.5 / sqrt(300) = 0.029.
    assert np.mean(ratio > 0) == pytest.approx(0.5, abs=0.125)
    assert np.mean(dropped["fc7"] > 0) == pytest.approx(0.5, abs=0.145)


def test_remat_wraps_each_stage_and_changes_no_value():
    make = partial(vgg.VGG, 3, kernels=((3,), (1,)), width=2, batch_norm=True, hidden=(4,))
    images, variables = jax.tree.map(jnp.float32, drawn(make(), (2, 32, 32, 3)))
    assert traced(make(remat=True), images.shape) == traced(make(), images.shape)

    def step(remat):
        model = make(remat=remat)

        def loss(params, stats):
            (logits, features), updates = model.apply(
                {"params": params, "batch_stats": stats},
                images,
                train=True,
                rngs={"dropout": jax.random.key(2)},
                mutable=["batch_stats"],
            )
            return logits.sum() + features["relu1_1"].sum(), updates

        arguments = variables["params"], variables["batch_stats"]
        wrapped = str(jax.make_jaxpr(loss)(*arguments)).count("remat2[")
        return wrapped, jax.jit(jax.value_and_grad(loss, has_aux=True))(*arguments)

    (none, expected), (all_stages, actual) = step(False), step(True)
    assert (none, all_stages) == (0, 2)
    chex.assert_trees_all_close(actual, expected, rtol=1e-4, atol=1e-5)
