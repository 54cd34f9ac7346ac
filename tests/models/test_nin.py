"""Network in Network: counts, NumPy's windows layer by layer, dropout, memory for time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from jaxvision.models.nin import NiN
from tests.models.tracing import traced


def drawn(model, shape):
    """Images and variables of the right shapes, drawn with NumPy."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        deviation = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if len(leaf.shape) > 1 else 0.3
        return rng.normal(size=leaf.shape) * deviation

    return rng.normal(size=shape), jax.tree.map(draw, traced(model, shape)[1])


# --- counts and shapes


def test_parameters_and_multiply_accumulates():
    (logits, features), variables = traced(NiN(10), (1, 32, 32, 3))
    params = variables["params"]
    assert logits.shape == (1, 10)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 966_986
    # Each weight is used once at each pixel of its convolution's output.
    pixels = {name: np.prod(feature.shape[1:3]) for name, feature in features.items()}
    pixels["head"] = pixels["class_maps"]
    macs = sum(layer["kernel"].size * pixels[name] for name, layer in params.items())
    assert round(macs / 1e9, 3) == 0.222


@pytest.mark.parametrize("num_classes", [None, 7])
def test_features_have_the_papers_shapes(num_classes):
    (logits, features), variables = traced(NiN(num_classes), (2, 32, 32, 1))
    expected = {
        "conv1": (2, 32, 32, 192),
        "cccp1": (2, 32, 32, 160),
        "cccp2": (2, 32, 32, 96),
        "pool1": (2, 16, 16, 96),
        "conv2": (2, 16, 16, 192),
        "cccp3": (2, 16, 16, 192),
        "cccp4": (2, 16, 16, 192),
        "pool2": (2, 8, 8, 192),
        "conv3": (2, 8, 8, 192),
        "cccp5": (2, 8, 8, 192),
        "pooled": (2, 192),
    }
    if num_classes is not None:
        expected["class_maps"] = (2, 8, 8, 7)
    assert [(name, f.shape) for name, f in features.items()] == list(expected.items())
    assert logits.shape == (2, num_classes or 192)
    assert ("head" in variables["params"]) is (num_classes is not None)


@pytest.mark.parametrize(("h", "w", "maps"), [(4, 4, (1, 1)), (5, 33, (1, 8)), (64, 38, (16, 9))])
def test_any_size_from_4_on(h, w, maps):
    (_, features), _ = traced(NiN(10), (1, h, w, 3))
    assert features["class_maps"].shape == (1, *maps, 10)


def test_names_what_does_not_fit():
    with pytest.raises(ValueError, match="`images` must be at least 4 x 4 for nin_cifar10, got 3"):
        traced(NiN(10), (1, 3, 32, 3))
    with pytest.raises(ValueError, match="`num_classes` must be at least 1, got 0"):
        NiN(0)


def test_half_precision_up_to_the_head():
    (logits, features), variables = traced(NiN(10, dtype=jnp.bfloat16), (1, 8, 8, 3))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert features.pop("class_maps").dtype == logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in features.values()} == {jnp.dtype("bfloat16")}


# --- reference: windows in NumPy


def reference(params, x):
    def conv(x, name):
        kernel = params[name]["kernel"]
        p = kernel.shape[0] // 2
        x = np.pad(x, ((p, p), (p, p), (0, 0)))
        windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
        y = np.einsum("hwnkl,klnm->hwm", windows, kernel, optimize=True)
        return np.maximum(y + params[name]["bias"], 0)

    f = {}
    for layers in (("conv1", "cccp1", "cccp2"), ("conv2", "cccp3", "cccp4"), ("conv3", "cccp5")):
        for name in layers:
            x = f[name] = conv(x, name)
        if layers[0] != "conv3":
            # Even sides: the last window hangs over by a row and a column.
            x = np.pad(x, ((0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
            x = sliding_window_view(x, (3, 3), axis=(0, 1))[::2, ::2].max(axis=(-1, -2))
            f[f"pool{layers[0][-1]}"] = x
    f["pooled"] = x.mean(axis=(0, 1))
    f["class_maps"] = conv(x, "head")
    return f["class_maps"].mean(axis=(0, 1)), f


def test_follows_numpy_layer_by_layer():
    images, variables = drawn(NiN(5), (1, 8, 12, 3))
    with jax.enable_x64(True):
        apply = jax.jit(lambda variables, images: NiN(5).apply(variables, images, train=False))
        logits, features = apply(variables, images)
    expected_logits, expected = reference(variables["params"], images[0])
    assert set(features) == set(expected)
    for name, feature in features.items():
        scale = np.abs(expected[name]).max()
        assert scale > 0.1
        np.testing.assert_allclose(feature[0], expected[name], rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(logits[0], expected_logits, rtol=1e-10)


# --- training


def test_drops_half_of_what_each_pool_passes_on():
    # Ones behind ones: conv2 at the middle of pool1 counts the units that were kept, of 25 * 96.
    images, variables = jax.tree.map(jnp.float32, drawn(NiN(None), (1, 32, 32, 1)))
    for name in ("cccp2", "cccp4"):
        layer = variables["params"][name]
        variables["params"][name] = {"kernel": 0 * layer["kernel"], "bias": 0 * layer["bias"] + 1}
    for name in ("conv2", "conv3"):
        layer = variables["params"][name]
        variables["params"][name] = {"kernel": 0 * layer["kernel"] + 1, "bias": 0 * layer["bias"]}

    @jax.jit
    def middles(variables):
        """[evaluation and training, a unit of conv2 and one of conv3]."""
        both = []
        for train in (False, True):
            rngs = {"dropout": jax.random.key(0)}
            _, features = NiN(None).apply(variables, images, train=train, rngs=rngs)
            both.append([features["conv2"][0, 8, 8, 0], features["conv3"][0, 4, 4, 0]])
        return jnp.array(both)

    evaluated, trained = np.asarray(middles(variables))
    np.testing.assert_array_equal(evaluated, [25 * 96, 9 * 192])
    # Each kept unit counts twice: a deviation of sqrt(n) around n, and an even number.
    assert np.all(trained != evaluated)
    assert np.all(trained % 2 == 0)
    assert np.all(np.abs(trained - evaluated) < 5 * evaluated**0.5)


def test_remat_wraps_each_mlpconv_layer_and_renames_nothing():
    shape, remat = (1, 8, 8, 3), NiN(10, remat=True)
    assert traced(remat, shape) == traced(NiN(10), shape)
    variables = traced(remat, shape)[1]
    jaxpr = jax.make_jaxpr(lambda v: remat.apply(v, jnp.zeros(shape), train=False))(variables)
    assert str(jaxpr).count("remat2[") == 3
