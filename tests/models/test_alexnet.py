"""Both AlexNets: counts, NumPy's loops over windows, receptive field, initialisation, dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from jaxvision.models.alexnet import AlexNet, AlexNet2012
from tests.models.tracing import traced

BOTH = pytest.mark.parametrize("make", [AlexNet2012, AlexNet])


def drawn(model, shape):
    """Images of 0 to 100 and parameters, drawn with NumPy in a fraction of the time of `init`."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        # He's deviation, and biases that could not be left out unseen.
        deviation = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if len(leaf.shape) > 1 else 0.3
        return rng.normal(size=leaf.shape) * deviation

    _, variables = traced(model, shape)
    return rng.uniform(0, 100, shape), jax.tree.map(draw, variables)


def single(tree):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)


def evaluated_and_trained(model, variables, images):
    """What the model returns in either mode, in one program."""

    @jax.jit
    def both(variables, images):
        rngs = {"dropout": jax.random.key(0)}
        return tuple(
            model.apply(variables, images, train=train, rngs=rngs) for train in (False, True)
        )

    return both(variables, images)


# --- counts and shapes


@pytest.mark.parametrize(
    ("model", "parameters", "gmacs"),
    [
        (AlexNet(1000), 61_100_840, 0.714),
        (AlexNet2012(1000), 60_965_224, 0.724),
        (AlexNet2012(1000, groups=1), 62_378_344, 1.135),
    ],
    ids=["one tower", "2012", "2012 without groups"],
)
def test_parameters_and_multiply_accumulates(model, parameters, gmacs):
    (_, features), variables = traced(model, (1, model.image_size, model.image_size, 3))
    params = variables["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == parameters
    # Each weight of a convolution is used once at each pixel of its output, of a dense layer once.
    pixels = {
        name: features[name.replace("conv", "relu")].shape[1:3] for name in params if "conv" in name
    }
    macs = sum(
        layer["kernel"].size * np.prod(pixels.get(name, ())) for name, layer in params.items()
    )
    assert round(macs / 1e9, 3) == gmacs


@pytest.mark.parametrize(
    ("model", "channels"),
    [(AlexNet2012(10), (96, 256, 384, 384, 256)), (AlexNet(10), (64, 192, 384, 256, 256))],
    ids=["2012", "one tower"],
)
def test_features_have_the_papers_shapes(model, channels):
    (logits, features), _ = traced(model, (2, model.image_size, model.image_size, 3))
    sides = {"relu1": 55, "norm1": 55, "pool1": 27, "relu2": 27, "norm2": 27, "pool2": 13}
    sides |= {"relu3": 13, "relu4": 13, "relu5": 13, "pool5": 6}
    expected = {name: (2, side, side, channels[int(name[4]) - 1]) for name, side in sides.items()}
    if isinstance(model, AlexNet):
        del expected["norm1"], expected["norm2"]
    expected |= {"flat": (2, 9216), "fc6": (2, 4096), "fc7": (2, 4096)}
    assert {name: feature.shape for name, feature in features.items()} == expected
    assert list(features) == list(expected)
    assert logits.shape == (2, 10)


@BOTH
def test_without_hidden_layers_and_head_there_are_the_convolutions_only(make):
    (logits, features), variables = traced(make(None, hidden=()), (1, 80, 300, 4))
    assert set(variables["params"]) == {f"conv{i}" for i in range(1, 6)}
    assert list(features)[-1] == "flat"
    assert logits.shape == features["flat"].shape == (1, 9216)
    assert variables["params"]["conv1"]["kernel"].shape[2] == 4


@BOTH
def test_smallest_images(make):
    side = make.minimum_size
    (_, features), _ = traced(make(10), (1, side, side + 1, 1))
    assert features["pool5"].shape == (1, 1, 1, 256)
    with pytest.raises(ValueError, match=rf"`images` must be at least {side} x {side} for alexnet"):
        traced(make(10), (1, 300, side - 1, 1))


@BOTH
def test_names_a_head_without_outputs(make):
    with pytest.raises(ValueError, match="`num_classes` must be at least 1, got 0"):
        make(0)


@BOTH
def test_half_precision_up_to_the_head(make):
    (logits, features), variables = traced(make(10, dtype=jnp.bfloat16), (1, 70, 70, 3))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert {leaf.dtype for leaf in features.values()} == {jnp.dtype("bfloat16")}
    assert logits.dtype == jnp.float32


# --- reference: windows in NumPy


def conv(x, layer, stride=1, padding=0, groups=1):
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    windows = sliding_window_view(x, layer["kernel"].shape[:2], axis=(0, 1))[::stride, ::stride]
    towers = zip(
        np.split(windows, groups, axis=2), np.split(layer["kernel"], groups, axis=3), strict=True
    )
    y = [np.einsum("hwnkl,klnm->hwm", *tower, optimize=True) for tower in towers]
    return np.maximum(np.concatenate(y, axis=-1) + layer["bias"], 0)


def pool(x):
    return sliding_window_view(x, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(-1, -2))


def norm(x):
    energy = sum(np.pad(x**2, ((0, 0), (0, 0), (2, 2)))[..., i : i + x.shape[-1]] for i in range(5))
    return x / (2 + 1e-4 * energy) ** 0.75


def reference(params, x, *, groups, padding, norm):
    f = {}
    f["relu1"] = conv(x, params["conv1"], stride=4, padding=padding)
    f["norm1"] = norm(f["relu1"])
    f["pool1"] = pool(f["norm1"])
    f["relu2"] = conv(f["pool1"], params["conv2"], padding=2, groups=groups)
    f["norm2"] = norm(f["relu2"])
    f["pool2"] = pool(f["norm2"])
    f["relu3"] = conv(f["pool2"], params["conv3"], padding=1)
    f["relu4"] = conv(f["relu3"], params["conv4"], padding=1, groups=groups)
    f["relu5"] = conv(f["relu4"], params["conv5"], padding=1, groups=groups)
    f["pool5"] = pool(f["relu5"])
    f["flat"] = f["pool5"].repeat(6, axis=0).repeat(3, axis=1).ravel()  # from 1 x 2 to 6 x 6
    for name, below in (("fc6", "flat"), ("fc7", "fc6")):
        f[name] = np.maximum(f[below] @ params[name]["kernel"] + params[name]["bias"], 0)
    return f["fc7"] @ params["head"]["kernel"] + params["head"]["bias"], f


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (AlexNet2012(3, hidden=(7, 5)), {"groups": 2, "padding": 0, "norm": norm}),
        (AlexNet(3, hidden=(7, 5)), {"groups": 1, "padding": 2, "norm": lambda x: x}),
    ],
    ids=["2012", "one tower"],
)
def test_follows_numpy_layer_by_layer(model, options):
    images, variables = drawn(model, (1, 67, 99, 3))
    with jax.enable_x64(True):
        apply = jax.jit(lambda variables, images: model.apply(variables, images, train=False))
        logits, features = apply(variables, images)
    expected_logits, expected = reference(variables["params"], images[0], **options)
    for name, feature in features.items():
        scale = np.abs(expected[name]).max()
        assert scale > 1
        np.testing.assert_allclose(feature[0], expected[name], rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(logits[0], expected_logits, rtol=1e-9)


# --- theorem: a spike reaches a unit of pool5 if and only if it lies in its receptive field


@pytest.mark.parametrize(("make", "padding"), [(AlexNet2012, 64), (AlexNet, 66)])
def test_a_unit_of_pool5_sees_195_pixels_at_stride_32(make, padding):
    # What pads the layers moves the field of unit 3 up: by 2 * 8 in conv2, 3 * 16 in the others.
    first = 3 * 32 - padding
    last = first + 194
    rows = np.array([first - 1, first, last, last + 1])
    model = make(None, hidden=())
    images = jnp.zeros((4, 259, 67, 1)).at[np.arange(4), rows].set(1.0)
    _, variables = traced(model, images.shape)
    ones = jax.tree.map(
        lambda leaf: jnp.full(leaf.shape, float(len(leaf.shape) > 1)), variables["params"]
    )
    apply = jax.jit(lambda images: model.apply({"params": ones}, images, train=False)[1]["pool5"])
    seen = np.asarray(apply(images)[:, 3, 0]).max(axis=-1) > 0
    np.testing.assert_array_equal(seen, [False, True, True, False])


# --- the papers' details


def test_2012_is_drawn_with_deviation_001_and_opens_the_relus():
    model, images = AlexNet2012(50, hidden=(60, 70)), jnp.zeros((1, 67, 67, 3))
    init = jax.jit(lambda key: model.init(key, images, train=False))
    params = init(jax.random.key(0, impl="unsafe_rbg"))["params"]
    assert len(params) == 8
    for name, layer in params.items():
        kernel = np.asarray(layer["kernel"])
        # The deviation of n draws deviates by 1 / sqrt(2 n): within five of these.
        assert kernel.std() == pytest.approx(0.01, rel=5 / np.sqrt(2 * kernel.size))
        opened = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
        np.testing.assert_array_equal(layer["bias"], np.full(layer["bias"].shape, float(opened)))


def test_2012_drops_half_of_each_hidden_layer_after_it():
    model = AlexNet2012(None, hidden=(400, 300))
    images, variables = single(drawn(model, (1, 67, 67, 3)))
    # Open ReLUs, so that a unit is 0 only where it is dropped.
    variables["params"]["fc6"]["bias"] += 1e4
    variables["params"]["fc7"]["bias"] += 1e6
    (_, kept), (logits, dropped) = evaluated_and_trained(model, variables, images)
    np.testing.assert_array_equal(dropped["flat"], kept["flat"])
    np.testing.assert_array_equal(logits, dropped["fc7"])
    ratio = np.asarray(dropped["fc6"] / kept["fc6"])
    assert set(np.unique(ratio)) == {0.0, 2.0}
    # Five deviations: 0.5 / sqrt(400) = 0.025, 0.5 / sqrt(300) = 0.029.
    assert np.mean(ratio > 0) == pytest.approx(0.5, abs=0.125)
    assert np.mean(dropped["fc7"] > 0) == pytest.approx(0.5, abs=0.145)


def test_one_tower_drops_half_of_what_each_hidden_layer_sees():
    model = AlexNet(None, hidden=(40,))
    images, variables = single(drawn(model, (1, 63, 63, 3)))
    variables["params"]["fc6"] = {"kernel": jnp.ones((9216, 40)), "bias": jnp.zeros(40)}
    _, (_, features) = evaluated_and_trained(model, variables, images)
    fc6, whole = np.asarray(features["fc6"][0]), float(features["flat"].sum())
    # Every unit has the same sum, over the same half, doubled.
    np.testing.assert_allclose(fc6, fc6[0], rtol=1e-5)
    assert fc6[0] == pytest.approx(whole, rel=0.2)
    assert fc6[0] != pytest.approx(whole, rel=1e-4)


@BOTH
def test_remat_wraps_each_convolution_and_renames_nothing(make):
    shape = (1, 67, 67, 3)
    plain, remat = (make(2, hidden=(3,), remat=remat) for remat in (False, True))
    assert traced(remat, shape) == traced(plain, shape)
    variables = traced(remat, shape)[1]
    jaxpr = jax.make_jaxpr(lambda v: remat.apply(v, jnp.zeros(shape), train=False))(variables)
    assert str(jaxpr).count("remat2[") == 5
