"""PyTorch's layouts become ours: by hand, by what flattening means, and as PyTorch computes."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models.layers import BatchNorm, Conv
from jaxvision.pretrained.merge import merge
from jaxvision.pretrained.torch_layout import adapt_first_convolution, from_torch_layout

RNG = np.random.default_rng(0)
NAMES = {"features.0": "conv1", "features.1": "block1/bn", "classifier": "head"}


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


STATE = {
    "features.0.weight": normal(6, 5, 2, 3),
    "features.0.bias": normal(6),
    "features.1.weight": normal(6),
    "features.1.bias": normal(6),
    "features.1.running_mean": normal(6),
    "features.1.running_var": normal(6),
    "features.1.num_batches_tracked": np.array(7),
    "classifier.weight": normal(4, 24),
    "classifier.bias": normal(4),
}


def test_every_leaf_has_its_place_and_its_axes():
    variables = from_torch_layout(STATE, NAMES.get)
    assert set(variables) == {"params", "batch_stats"}
    params, statistics = variables["params"], variables["batch_stats"]
    theirs, ours = STATE["features.0.weight"], params["conv1"]["kernel"]
    assert ours.shape == (2, 3, 5, 6)
    for o, i, y, x in np.ndindex(theirs.shape):
        assert ours[y, x, i, o] == theirs[o, i, y, x]
    np.testing.assert_array_equal(params["head"]["kernel"], STATE["classifier.weight"].T)
    same = {
        "features.0.bias": params["conv1"]["bias"],
        "features.1.weight": params["block1"]["bn"]["scale"],
        "features.1.bias": params["block1"]["bn"]["bias"],
        "features.1.running_mean": statistics["block1"]["bn"]["mean"],
        "features.1.running_var": statistics["block1"]["bn"]["var"],
        "classifier.bias": params["head"]["bias"],
    }
    for name, value in same.items():
        np.testing.assert_array_equal(value, STATE[name])
    assert {name: set(leaves) for name, leaves in params.items()} == {
        "conv1": {"kernel", "bias"},
        "block1": {"bn"},
        "head": {"kernel", "bias"},
    }
    assert set(statistics) == {"block1"}


def test_without_batch_norm_there_are_empty_statistics():
    conv = {name: x for name, x in STATE.items() if name.startswith("features.0")}
    assert from_torch_layout(conv, NAMES.get)["batch_stats"] == {}


def test_a_module_without_a_new_name_is_left_out():
    variables = from_torch_layout(STATE, {"classifier": "head"}.get)
    assert list(variables["params"]) == ["head"]
    assert variables["batch_stats"] == {}


def test_a_dense_layer_after_a_flattening_sees_the_same_image():
    c, h, w = 2, 3, 4
    image = normal(c, h, w)
    variables = from_torch_layout(STATE, NAMES.get, flattened={"head": (c, h, w)})
    ours = image.transpose(1, 2, 0).reshape(-1) @ variables["params"]["head"]["kernel"]
    np.testing.assert_allclose(ours, STATE["classifier.weight"] @ image.reshape(-1), rtol=1e-5)


def test_two_modules_of_one_name_are_refused():
    with pytest.raises(
        ValueError,
        match=r"`rename` .*features\.0\.bias and features\.1\.bias would both be params/c",
    ):
        from_torch_layout(STATE, {"features.0": "c", "features.1": "c"}.get)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("x.weight", (3, 2, 2)),
        ("x.weight", ()),
        ("x.weight", (1,) * 5),
        ("x.alpha", (3,)),
        ("w", (3,)),
    ],
)
def test_what_is_not_in_the_table_is_refused(name, shape):
    with pytest.raises(ValueError, match=rf"`tensors` must hold weights, .*got {name} of shape \["):
        from_torch_layout({name: np.zeros(shape)}, lambda module: "x")


@pytest.mark.parametrize(
    ("flattened", "message"),
    [
        (
            {"heads": (2, 3, 4)},
            r"params/heads/kernel after \[2, 3, 4\] must have 24 rows, .*missing",
        ),
        ({"head": (2, 3, 5)}, r"must have 30 rows, and is of shape \[24, 4\]\. Correct"),
        ({"conv1": (1, 1, 2)}, r"must have 2 rows, and is of shape \[2, 3, 5, 6\]"),
    ],
)
def test_a_flattening_that_does_not_fit_is_refused(flattened, message):
    with pytest.raises(ValueError, match=rf"`flattened` must name dense kernels: .*{message}"):
        from_torch_layout(STATE, NAMES.get, flattened=flattened)


# --- other numbers of input channels


def respond(kernel, patch):
    return np.einsum("hwio,hwi->o", kernel, patch)


@pytest.mark.parametrize("n", [1, 3, 6, 9])
def test_a_grey_image_repeated_gives_what_it_gave(n):
    kernel, grey = normal(3, 3, 3, 4), normal(3, 3, 1)
    adapted = adapt_first_convolution(kernel, n)
    assert (adapted.shape, adapted.dtype) == ((3, 3, n, 4), np.float32)
    repeated = [np.repeat(grey, channels, axis=-1) for channels in (n, 3)]
    expected = respond(kernel, repeated[1])
    np.testing.assert_allclose(respond(adapted, repeated[0]), expected, rtol=1e-5, atol=1e-5)


def test_a_colour_image_twice_gives_what_it_gave():
    kernel, image = normal(3, 3, 3, 4), normal(3, 3, 3)
    twice = np.concatenate([image, image], axis=-1)
    actual = respond(adapt_first_convolution(kernel, 6), twice)
    np.testing.assert_allclose(actual, respond(kernel, image), rtol=1e-5, atol=1e-5)


def test_channels_take_turns_by_hand():
    kernel = np.array([3.0, 6.0, 12.0], np.float32).reshape(1, 1, 3, 1)
    expected = {1: [21], 2: [4.5, 9], 3: [3, 6, 12], 4: [2.25, 4.5, 9, 2.25]}
    for n, values in expected.items():
        np.testing.assert_array_equal(adapt_first_convolution(kernel, n).ravel(), values)
    grey = adapt_first_convolution(np.ones((1, 1, 1, 1), np.float32), 4)
    np.testing.assert_array_equal(grey.ravel(), [0.25] * 4)


def test_no_channels_are_refused():
    with pytest.raises(ValueError, match="`in_channels` must be at least 1, got 0: give"):
        adapt_first_convolution(normal(1, 1, 3, 1), 0)


# --- reference


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = Conv(6, (2, 3), groups=2, name="conv1")(x)
        x = BatchNorm(train=False, relu=True, name="bn1")(x)
        return nn.Dense(5, name="head")(x.reshape(len(x), -1))


@pytest.mark.parity
def test_a_grouped_network_computes_what_pytorch_computes():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        *(torch.nn.Conv2d(4, 6, (2, 3), groups=2), torch.nn.BatchNorm2d(6), torch.nn.ReLU()),
        *(torch.nn.Flatten(), torch.nn.Linear(6 * 4 * 3, 5)),
    )
    images = normal(3, 5, 5, 4)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    theirs.train()(x)  # gives the batch norm statistics other than 0 and 1
    with torch.no_grad():
        expected = theirs.eval()(x)
    loaded = from_torch_layout(
        {name: value.numpy() for name, value in theirs.state_dict().items()},
        {"0": "conv1", "1": "bn1", "4": "head"}.get,
        flattened={"head": (6, 4, 3)},
    )
    variables = merge(Net().init(jnp.array([0, 0], jnp.uint32), jnp.asarray(images)), loaded)
    actual = Net().apply(variables, jnp.asarray(images))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
