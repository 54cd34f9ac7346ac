"""The image transformation network by its published count, PyTorch and what it must not change."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models.transform_net import TransformNet, enlarge, reflect
from tests.ops.agreement import QUICK

jit = partial(jax.jit, compiler_options=QUICK)
RNG = np.random.default_rng(0)
SMALL = TransformNet(width=2, blocks=1)


def drawn(model, dtype=np.float32, seed=0):
    """Parameters of `model`, the norms' scales and biases other than 1 and 0."""
    images = jnp.zeros((1, 16, 16, 3))
    shapes = jax.eval_shape(lambda key: model.init(key, images, train=False), jax.random.key(0))
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda x: random.normal(size=x.shape).astype(dtype) / 4, shapes)


def forward(model, variables, images):
    return model.apply(variables, images, train=False)[0]


painted = jit(forward, static_argnames="model")


def test_has_the_parameters_of_the_known_network():
    shapes = jax.eval_shape(
        lambda key: TransformNet().init(key, jnp.zeros((1, 16, 16, 3)), train=True),
        jax.random.key(0),
    )
    # 1,679,235 in PyTorch's example of fast neural style, biases before a norm included; ours has
    # none of those: 32 + 64 + 128, ten times 128, 64 + 32.
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 1_679_235 - 1600


@pytest.mark.parametrize(("h", "w"), [(16, 16), (17, 18), (19, 22), (21, 20), (40, 23)])
def test_any_size_comes_back_as_it_was(h, w):
    shape = jax.ShapeDtypeStruct((2, h, w, 3), jnp.float32)
    model = TransformNet(width=3, blocks=2)
    (outputs, features), _ = jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=False), shape
    )
    assert outputs.shape == shape.shape
    half, quarter = (-(-h // 2), -(-w // 2)), (-(-h // 4), -(-w // 4))
    assert {name: x.shape[1:] for name, x in features.items()} == {
        "conv1": (h, w, 3),
        "conv2": (*half, 6),
        "conv3": (*quarter, 12),
        "block1": (*quarter, 12),
        "block2": (*quarter, 12),
        "up1": (*half, 6),
        "up2": (h, w, 3),
    }


def test_training_is_as_evaluation_and_each_image_for_itself():
    images = np.float32(RNG.uniform(size=(2, 18, 17, 3)))
    variables = drawn(SMALL)
    together = painted(SMALL, variables, images)
    assert 0 <= together.min() < 0.4 < 0.6 < together.max() <= 1
    trained, _ = jit(partial(SMALL.apply, train=True))(variables, images)
    np.testing.assert_allclose(trained, together, atol=1e-6)
    alone = jnp.concatenate([painted(SMALL, variables, image[None]) for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_an_even_surface_is_painted_evenly_to_the_border():
    """Zeros around the image would draw a frame, and strides of 1/2 a checkerboard."""
    variables, images = drawn(SMALL, np.float64), np.full((1, 21, 18, 3), 0.3)
    with jax.enable_x64(True):  # a norm makes 300 times as much of what rounding leaves
        output = np.asarray(painted(SMALL, variables, images))
    np.testing.assert_allclose(output, np.broadcast_to(output[:, :1, :1], output.shape), atol=1e-8)


def test_brightness_and_contrast_of_the_photograph_do_not_matter():
    """The first layer is linear, but for a constant that its normalization takes out."""
    images, variables = RNG.uniform(size=(1, 18, 18, 3)), drawn(SMALL, np.float64)
    with jax.enable_x64(True):
        both = jnp.concatenate([images, 0.5 * images + 0.3])
        _, features = jit(partial(SMALL.apply, train=False))(variables, both)
    for feature in features.values():
        # Up to epsilon, 1e-5, in the variance, which is 0.1 or more.
        np.testing.assert_allclose(feature[0], feature[1], atol=2e-3)


def test_before_training_a_picture_stays_nearly_as_it_is():
    images = RNG.uniform(size=(1, 24, 24, 3)).astype(np.float32)
    model = TransformNet(width=8, blocks=1)
    init = jit(partial(model.init_with_output, train=False))
    (outputs, _), _ = init(jax.random.key(0), images)
    # By a deviation of 0.07 of what the tangent sees, whose derivative is 1/2 at most.
    assert 0.005 < np.std(outputs - images) < 0.05
    assert np.corrcoef(outputs.ravel(), images.ravel())[0, 1] > 0.99


def test_black_and_white_are_finite():
    images = jnp.stack([jnp.zeros((16, 16, 3)), jnp.ones((16, 16, 3))])
    still = jax.tree.map(jnp.zeros_like, drawn(SMALL))
    outputs, gradient = jit(jax.value_and_grad(lambda images: forward(SMALL, still, images).sum()))(
        images
    )
    assert outputs == pytest.approx(0.01 * 768 + 0.99 * 768, rel=1e-4)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(painted(SMALL, still, images)[:, 3, 3, 1], [0.01, 0.99], rtol=1e-3)


def test_rows_and_columns_are_treated_alike():
    images, variables = RNG.uniform(size=(1, 19, 26, 3)), drawn(SMALL, np.float64)
    exchanged = jax.tree.map(lambda x: x.swapaxes(0, 1) if x.ndim == 4 else x, variables)
    with jax.enable_x64(True):
        output = painted(SMALL, variables, images)
        other = painted(SMALL, exchanged, images.swapaxes(1, 2))
    np.testing.assert_allclose(other.swapaxes(1, 2), output, atol=1e-10)


def test_reflects_and_enlarges_by_hand():
    x = jnp.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    expected = [[5, 4, 5, 6, 5], [2, 1, 2, 3, 2], [5, 4, 5, 6, 5], [2, 1, 2, 3, 2]]
    np.testing.assert_array_equal(reflect(x, 1)[0, :, :, 0], expected)
    expected = [[1, 1, 2, 2, 3], [1, 1, 2, 2, 3], [4, 4, 5, 5, 6]]
    np.testing.assert_array_equal(enlarge(x, 3, 5)[0, :, :, 0], expected)


def test_computes_in_the_dtype_that_it_is_given():
    model, images = TransformNet(width=2, blocks=1, dtype=jnp.bfloat16), jnp.ones((1, 16, 16, 3))
    outputs, features = jax.eval_shape(partial(model.apply, train=False), drawn(model), images)
    assert outputs.dtype == jnp.float32
    assert {x.dtype for x in features.values()} == {jnp.bfloat16.dtype}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "`width` must be a whole number from 1 on, got 0"),
        ({"blocks": -1}, "`blocks` must be a whole number from 0 on, got -1"),
    ],
)
def test_names_an_attribute_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        TransformNet(**options)


def test_names_images_that_are_too_small():
    with pytest.raises(ValueError, match="at least 16 x 16 for TransformNet, got 15 x 40"):
        jax.eval_shape(partial(SMALL.apply, train=False), drawn(SMALL), jnp.zeros((1, 15, 40, 3)))


@pytest.mark.parity
@pytest.mark.parametrize(("h", "w"), [(20, 24), (19, 21)])
def test_follows_pytorch_in_value_and_gradient(h, w):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    model = TransformNet(width=3, blocks=2)
    variables = drawn(model, np.float64)
    x, g = RNG.uniform(size=(2, 2, h, w, 3))
    params = jax.tree.map(torch.tensor, variables["params"])

    def conv(x, leaves, stride=1):
        kernel = leaves["kernel"].permute(3, 2, 0, 1)
        x = functional.pad(x, (kernel.shape[-1] // 2,) * 4, mode="reflect")
        return functional.conv2d(x, kernel, leaves.get("bias"), stride)

    def unit(name, x, stride=1):
        leaves = params[name]
        x = conv(x, leaves["conv"], stride)
        return functional.instance_norm(x, weight=leaves["scale"], bias=leaves["bias"], eps=1e-5)

    def network(image):
        x = small = torch.relu(unit("conv1", image))
        x = half = torch.relu(unit("conv2", small, 2))
        x = torch.relu(unit("conv3", half, 2))
        for i in (1, 2):
            x = x + unit(f"block{i}_conv2", torch.relu(unit(f"block{i}_conv1", x)))
        for i, like in ((1, half), (2, small)):
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = torch.relu(unit(f"up{i}", x[:, :, : like.shape[2], : like.shape[3]]))
        x = 0.1 * conv(x, params["out"]) + torch.atanh(0.98 * (2 * image - 1))
        return (torch.tanh(x) + 1) / 2

    def value_and_product(variables, x, g):
        y, pull_back = jax.vjp(lambda x: forward(model, variables, x), x)
        return y, pull_back(g)

    theirs = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    output = network(theirs)
    output.backward(torch.tensor(g.transpose(0, 3, 1, 2)))
    with jax.enable_x64(True):
        y, (gradient,) = jit(value_and_product)(variables, x, g)
    to_ours = (0, 2, 3, 1)
    np.testing.assert_allclose(y, output.detach().numpy().transpose(to_ours), atol=1e-10)
    expected = theirs.grad.numpy().transpose(to_ours)
    np.testing.assert_allclose(gradient, expected, atol=1e-8 * np.abs(expected).max())
