"""Both LeNets: counts, Table I, NumPy loops written from the paper, PyTorch, receptive field."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision.models import LeNet5, LeNet5Original
from jaxvision.models.lenet import C3_TABLE, TableConv, class_codes
from tests.models.lenet_by_loops import modern_reference, original_reference

BOTH = pytest.mark.parametrize("make", [LeNet5, LeNet5Original], ids=["modern", "original"])


@functools.cache
def initialised(model, shape):
    images = jax.random.normal(jax.random.key(0), shape)
    init = jax.jit(lambda key: model.init(key, images, train=False))
    # Moved off the initial values, where the modern biases are 0 and could be left out unseen.
    return images, jax.tree.map(lambda leaf: leaf + 0.02, init(jax.random.key(1)))


def abstract_params(model, shape):
    def init(key):
        return model.init(key, jnp.zeros(shape), train=False)

    return jax.eval_shape(init, jax.random.key(0))["params"]


# --- counts and shapes


@pytest.mark.parametrize(
    ("model", "expected", "total"),
    [
        (
            LeNet5(10),
            {"c1": 156, "c3": 2_416, "c5": 48_120, "f6": 10_164, "output": 850},
            61_706,
        ),
        (
            LeNet5Original(10),
            {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164},
            60_000,
        ),
    ],
    ids=["modern", "original"],
)
def test_parameter_counts_are_the_papers(model, expected, total):
    params = abstract_params(model, (1, 32, 32, 1))
    counts = {name: sum(leaf.size for leaf in params[name].values()) for name in params}
    assert counts == expected
    assert sum(counts.values()) == total


def test_the_rbf_output_has_no_parameters():
    with_output, without = (abstract_params(LeNet5Original(n), (1, 32, 32, 1)) for n in (10, None))
    chex.assert_trees_all_equal_shapes(with_output, without)


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_features_have_the_papers_shapes(make, channels):
    images = jnp.zeros((2, 32, 32, channels))
    (logits, features), _ = jax.eval_shape(
        lambda key: make(10).init_with_output(key, images, train=False), jax.random.key(0)
    )
    assert {name: feature.shape[1:] for name, feature in features.items()} == {
        "c1": (28, 28, 6),
        "s2": (14, 14, 6),
        "c3": (10, 10, 16),
        "s4": (5, 5, 16),
        "c5": (120,),
        "f6": (84,),
    }
    assert logits.shape == (2, 10)


@pytest.mark.parametrize(("h", "w", "s4"), [(16, 16, (1, 1)), (17, 28, (1, 4)), (64, 19, (13, 1))])
def test_modern_takes_any_size_from_16_on(h, w, s4):
    (_, features), _ = jax.eval_shape(
        lambda key: LeNet5(10).init_with_output(key, jnp.zeros((1, h, w, 1)), train=False),
        jax.random.key(0),
    )
    assert features["s4"].shape == (1, *s4, 16)


@pytest.mark.parametrize(
    ("model", "h", "w", "message"),
    [
        (LeNet5(10), 15, 32, "`images` must be at least 16 x 16 .* got 15 x 32.*: enlarge"),
        (LeNet5(10), 32, 8, "`images` must be at least 16 x 16 .* got 32 x 8.*: enlarge"),
        (LeNet5Original(10), 28, 28, "`images` must be 32 x 32 .* got 28 x 28: pad"),
        (LeNet5Original(10), 32, 36, "`images` must be 32 x 32 .* got 32 x 36: pad"),
    ],
)
def test_names_a_size_that_does_not_fit(model, h, w, message):
    with pytest.raises(ValueError, match=message):
        abstract_params(model, (1, h, w, 1))


# --- the paper's details


def test_table_i():
    contiguous = [[(i + k) % 6 for k in range(n)] for n in (3, 4) for i in range(6)]
    apart = [[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]]  # a pair, a gap, a pair: shifted by 0, 1, 2
    assert [set(row) for row in C3_TABLE] == [set(m) for m in [*contiguous, *apart, range(6)]]
    assert sum(len(row) for row in C3_TABLE) == 60
    assert len({frozenset(row) for row in C3_TABLE}) == 16


def test_each_map_of_c3_sees_its_row_of_table_i_and_nothing_else():
    layer, x = TableConv(C3_TABLE), jax.random.normal(jax.random.key(0), (1, 5, 5, 6))
    variables = layer.init(jax.random.key(1), x)
    assert variables["params"]["kernel"].shape == (5, 5, 60)
    gradient = jax.jacobian(lambda x: layer.apply(variables, x)[0, 0, 0])(x)  # [16, 1, 5, 5, 6]
    seen = np.abs(gradient).sum(axis=(1, 2, 3)) > 0  # [16, 6]
    assert [tuple(np.flatnonzero(row)) for row in seen] == list(C3_TABLE)


def test_weights_are_drawn_in_2_4_over_the_fan_in():
    images = jnp.zeros((1, 32, 32, 3))
    init = jax.jit(jax.vmap(lambda key: LeNet5Original(10).init(key, images, train=False)))
    params = init(jax.random.split(jax.random.key(0), 64))["params"]
    c3 = 25 * np.array([3] * 6 + [4] * 9 + [6])
    fan_in = {"c1": 25 * 3, "s2": 4, "c3": c3, "s4": 4, "c5": 400, "f6": 120}
    for layer, leaves in params.items():
        for name, leaf in leaves.items():
            f = fan_in[layer]
            if layer == "c3":  # one bound for each of the 60 kernels, or each of the 16 biases
                f = np.repeat(f, f // 25) if name == "kernel" else f
                f = np.broadcast_to(f, leaf.shape)
            unit = np.asarray(leaf) * f / 2.4  # uniform in [-1, 1)
            assert np.abs(unit).max() <= 1 + 1e-6
            # 384 draws or more: that none exceeds .95 in size has a chance of 3e-9.
            assert unit.max() > 0.95
            assert unit.min() < -0.95
            if layer == "c3":  # ... and in every map, not only in those of the widest bound
                assert np.abs(unit).reshape(-1, leaf.shape[-1]).max(axis=0).min() > 0.85


def test_class_codes_are_fixed_distinct_signs():
    codes = class_codes(1000, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    assert len(np.unique(codes, axis=0)) == 1000
    np.testing.assert_array_equal(class_codes(10, 84), codes[:10])
    # As drawn on the day they were chosen: other codes would make a trained network nonsense.
    assert "".join("-+"[int(c > 0)] for c in codes[0, :12]) == "-++-+---+++-"


def test_rbf_by_hand():
    # f6 = f(bias) is made the code of class 3: at distance 0 of it, and at 4 a differing sign.
    model, codes = LeNet5Original(10), class_codes(10, 84)
    images, variables = initialised(model, (2, 32, 32, 1))
    f6 = {"kernel": jnp.zeros((120, 84)), "bias": jnp.arctanh(codes[3] / 1.7159) * 1.5}
    params = {**variables["params"], "f6": f6}
    logits, features = model.apply({"params": params}, images, train=False)
    np.testing.assert_allclose(features["f6"], np.tile(codes[3], (2, 1)), rtol=1e-6)
    hamming = np.sum(codes != codes[3], axis=-1)
    assert np.count_nonzero(hamming) == 9
    np.testing.assert_allclose(logits, np.tile(-4.0 * hamming, (2, 1)), rtol=1e-6, atol=1e-9)


def test_softmax_cross_entropy_is_equation_9_without_the_rubbish_class():
    images, variables = initialised(LeNet5Original(10), (2, 32, 32, 1))
    logits, features = LeNet5Original(10).apply(variables, images, train=False)
    x = np.asarray(features["f6"], np.float64)
    y = np.sum((x[:, None] - class_codes(10, 84)) ** 2, axis=-1)
    expected = [y[0, 4] + np.log(np.exp(-y[0]).sum()), y[1, 0] + np.log(np.exp(-y[1]).sum())]
    actual = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.array([4, 0]))
    # The distances are near 84, and the loss is a difference of two of them.
    np.testing.assert_allclose(actual, expected, atol=84 * 1e-6)


# --- reference


# In float64 the two differ only in the order of at most 400 additions, so that any other difference
# between the networks shows; in float32 that order costs up to 400 * 6e-8.
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize(
    ("model", "reference", "shape"),
    [
        (LeNet5(10), modern_reference, (1, 20, 32, 3)),
        (LeNet5Original(12), original_reference, (1, 32, 32, 3)),
    ],
    ids=["modern", "original"],
)
def test_follows_loops_in_numpy(model, reference, shape, dtype, rtol):
    x, v = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), initialised(model, shape))
    with jax.enable_x64(dtype is np.float64):
        logits, features = jax.jit(lambda v, x: model.apply(v, x, train=False))(v, x)
    chex.assert_type(jax.tree.leaves((logits, features)), dtype)
    params, image = jax.tree.map(np.float64, (v["params"], x[0]))
    expected_logits, expected = reference(params, image, model.num_classes)
    np.testing.assert_allclose(logits[0], expected_logits, rtol=rtol, atol=rtol)
    assert set(features) == set(expected)
    for name, feature in expected.items():
        np.testing.assert_allclose(features[name][0], feature, rtol=rtol, atol=rtol, err_msg=name)


@pytest.mark.parity
def test_modern_follows_pytorch_in_logits_and_gradients():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    shape, labels = (4, 36, 32, 3), np.array([0, 3, 9, 3])  # s4 is 6 x 5: not square
    images, variables = initialised(LeNet5(10), shape)

    def loss(params):
        logits, _ = LeNet5(10).apply({"params": params}, images, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), logits

    (_, logits), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])

    theirs = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 6, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(6, 16, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        torch.nn.Flatten(),
        *(torch.nn.Linear(480, 120), torch.nn.ReLU()),
        *(torch.nn.Linear(120, 84), torch.nn.ReLU()),
        torch.nn.Linear(84, 10),
    )
    layers = {"c1": theirs[0], "c3": theirs[3], "c5": theirs[7], "f6": theirs[9]}
    layers["output"] = theirs[11]

    def to_torch(name, kernel):
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)  # HWIO -> OIHW
        elif name == "c5":  # they flatten [c, h, w], we [h, w, c]
            kernel = kernel.reshape(6, 5, 16, 120).transpose(3, 2, 0, 1).reshape(120, 480)
        else:
            kernel = kernel.T
        return np.array(kernel)

    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_(
                torch.from_numpy(to_torch(name, variables["params"][name]["kernel"]))
            )
            layer.bias.copy_(torch.from_numpy(np.array(variables["params"][name]["bias"])))
    their_logits = theirs(torch.from_numpy(np.array(images.transpose(0, 3, 1, 2))))
    torch.nn.functional.cross_entropy(their_logits, torch.from_numpy(labels)).backward()

    # Two float32 networks: sums of up to 480 terms in another order, so 480 * 6e-8 at the worst.
    np.testing.assert_allclose(logits, their_logits.detach(), rtol=3e-5, atol=3e-5)
    for name, layer in layers.items():
        ours = {
            "kernel": to_torch(name, gradients[name]["kernel"]),
            "bias": gradients[name]["bias"],
        }
        expected = {"kernel": layer.weight.grad.numpy(), "bias": layer.bias.grad.numpy()}
        scale = np.abs(expected["kernel"]).max()
        assert scale > 1e-3
        chex.assert_trees_all_close(ours, expected, rtol=1e-4, atol=3e-5 * scale)


# --- theorem


@BOTH
def test_a_unit_of_s4_sees_16_pixels(make):
    model = make(None)
    # The maximum passes one of four gradients on: among 64 images each pixel has its turn.
    images, variables = initialised(model, (64, 32, 32, 1))

    def unit(images):
        _, features = model.apply(variables, images, train=False)
        return features["s4"][:, 2, 1].sum()

    seen = np.abs(jax.jit(jax.grad(unit))(images)).sum(axis=(0, 3)) > 0
    expected = np.zeros((32, 32), bool)
    expected[8:24, 4:20] = True  # from 4 i and 4 j on: s4 has stride 4
    np.testing.assert_array_equal(seen, expected)
