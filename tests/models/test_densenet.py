"""DenseNets: counts, multiply-accumulates, shapes, NumPy in float64, and what remat keeps."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxvision.models import densenet
from jaxvision.models.densenet import CifarDenseNet, DenseNet
from tests.models.test_googlenet import drawn, dropouts, traced

TINY = {"depths": (2, 1), "growth": 3, "stem_features": 5}


# --- counts and shapes


def test_features_in_order_with_the_papers_shapes():
    features, _, _ = traced(densenet.densenet121(1000), 224, 224)
    assert list(features.items()) == [
        *(("stem", (112, 112, 64)), ("pool1", (56, 56, 64))),
        *(("block1", (56, 56, 256)), ("transition1", (28, 28, 128))),
        *(("block2", (28, 28, 512)), ("transition2", (14, 14, 256))),
        *(("block3", (14, 14, 1024)), ("transition3", (7, 7, 512))),
        *(("block4", (7, 7, 1024)), ("bn_final", (7, 7, 1024)), ("pooled", (1024,))),
    ]
    features, _, _ = traced(densenet.cifar_densenet_40_12(10), 32, 32)
    assert list(features.items()) == [
        *(("stem", (32, 32, 16)), ("block1", (32, 32, 160)), ("transition1", (16, 16, 160))),
        *(("block2", (16, 16, 304)), ("transition2", (8, 8, 304))),
        *(("block3", (8, 8, 448)), ("bn_final", (8, 8, 448)), ("pooled", (448,))),
    ]


@pytest.mark.parametrize(
    ("make", "h", "w", "last"),
    [
        (densenet.densenet121, 29, 66, (1, 2)),
        (densenet.cifar_densenet_40_12, 4, 11, (1, 2)),
    ],
)
def test_takes_any_size_from_the_smallest_on(make, h, w, last):
    features, _, _ = traced(make(7), h, w, channels=2)
    assert features["bn_final"][:2] == last


# --- reference


def convolve(x, kernel, stride):
    """[b, h, w, n] and [k, k, n, m], with k // 2 zeros on every side."""
    k = kernel.shape[0]
    x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return np.einsum("bijnkl,klnm->bijm", windows[:, ::stride, ::stride], kernel)


def max_pool(x):
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2].max(axis=(4, 5))


def average_pool(x):
    b, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def reference(variables, images, layer):
    """(logits, features) of `TINY`; `layer` is the norms and convolutions of a dense layer."""
    v, features = flatten_dict(variables, sep="/"), {}

    def conv(x, name, stride=1):
        return convolve(x, v[f"params/{name}/kernel"], stride)

    def norm(x, name):
        mean, var = (v[f"batch_stats/{name}/{which}"] for which in ("mean", "var"))
        scale, bias = (v[f"params/{name}/{which}"] for which in ("scale", "bias"))
        return np.maximum((x - mean) / np.sqrt(var + 1e-5) * scale + bias, 0)

    if "params/bn1/scale" in v:
        features["stem"] = norm(conv(images, "conv1", 2), "bn1")
        x = features["pool1"] = max_pool(features["stem"])
    else:
        x = features["stem"] = conv(images, "conv1")
    for block, layers in (("block1", 2), ("block2", 1)):
        for j in range(layers):
            y = x
            for i in layer:
                place = f"{block}_layer{j + 1}"
                y = conv(norm(y, f"{place}/bn{i}"), f"{place}/conv{i}")
            x = np.concatenate([x, y], axis=-1)
        features[block] = x
        if block == "block1":
            x = conv(norm(x, "transition1/bn"), "transition1/conv")
            x = features["transition1"] = average_pool(x)
    x = features["bn_final"] = norm(x, "bn_final")
    x = features["pooled"] = x.mean(axis=(1, 2))
    return x @ v["params/head/kernel"] + v["params/head/bias"], features


@pytest.mark.parametrize(
    ("model", "layer", "transition"),
    [
        (DenseNet(4, **TINY), (1, 2), 5),  # floor(0.5 (5 + 2 3))
        (CifarDenseNet(4, **TINY, bottleneck=False, compression=1.0), (1,), 11),
    ],
    ids=["bottleneck and compression", "basic"],
)
def test_follows_numpy(model, layer, transition):
    images = np.random.RandomState(1).uniform(-1, 1, (2, 29, 37, 3))
    _, shapes, _ = traced(model, 29, 37)
    variables = jax.tree.map(np.float64, drawn(shapes))
    with jax.enable_x64(True):
        logits, features = jax.jit(partial(model.apply, train=False))(variables, images)
    expected_logits, expected = reference(variables, images, layer)
    assert expected["transition1"].shape[-1] == transition
    # In float64: sums of at most 147 terms, eight layers deep.
    close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    close(logits, expected_logits)
    assert set(features) == set(expected)
    for name, feature in expected.items():
        close(features[name], feature, err_msg=name)


# --- options


def test_dropout_after_every_convolution_but_the_first():
    model = DenseNet(4, **TINY, dropout=0.2)
    rates = dropouts(model, 29, 29)
    _, variables, _ = traced(model, 29, 29)
    paths = {"/".join(path[:-1]) for path in flatten_dict(variables["params"])}
    convolutions = {path for path in paths if "conv" in path} - {"conv1"}
    assert len(convolutions) == 3 * 2 + 1
    assert rates == {path.replace("conv", "dropout"): 0.2 for path in convolutions}


def test_remat_changes_no_value():
    # Dropout's neither: its mask is drawn again, and is the same.
    images = jnp.asarray(np.random.RandomState(1).normal(size=(2, 6, 6, 3)), jnp.float32)
    options = {"depths": (2,), "growth": 3, "stem_features": 5, "bottleneck": False, "dropout": 0.3}
    plain, remat = (CifarDenseNet(4, **options, remat=remat) for remat in (False, True))
    variables = drawn(traced(plain, 6, 6)[1])

    def loss(params, model):
        trained, keys = {**variables, "params": params}, {"dropout": jax.random.key(2)}
        (logits, _), state = model.apply(
            trained, images, train=True, mutable=["batch_stats"], rngs=keys
        )
        return jnp.sum(logits**2), state

    results = [
        jax.jit(jax.grad(partial(loss, model=model), has_aux=True))(variables["params"])
        for model in (plain, remat)
    ]
    # The same sums, which XLA may fuse in another way.
    chex.assert_trees_all_close(*results, rtol=1e-4, atol=1e-5)


def test_remat_keeps_memory_linear_in_the_layers():
    def kept(layers, remat):
        """Activations that wait for the backward pass, in numbers a pixel."""
        model = CifarDenseNet(4, (layers,), growth=3, stem_features=5, remat=remat)
        images = jnp.zeros((7, 4, 4, 3))

        def residuals(variables):
            def logits(params):
                variables["params"] = params
                return model.apply(variables, images, train=True, mutable=["batch_stats"])[0][0]

            return jax.vjp(logits, variables["params"])[1]

        _, variables, _ = traced(model, 4, 4)
        leaves = jax.tree.leaves(jax.eval_shape(residuals, variables))
        return sum(leaf.size for leaf in leaves if leaf.shape[:3] == (7, 4, 4)) / (7 * 4 * 4)

    one, two, three = (kept(layers, remat=True) for layers in (1, 2, 3))
    assert three - two == two - one
    one, two, three = (kept(layers, remat=False) for layers in (1, 2, 3))
    assert three - two > two - one
