"""Networks that make images of images: ESPCN, SRCNN and three plain convolutions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect import summarize_model
from jaxvision.models.convolutional_denoiser import ConvolutionalDenoiser
from jaxvision.models.espcn import ESPCN
from jaxvision.models.srcnn import SRCNN
from tests.models.tracing import traced
from tests.ops.agreement import QUICK

jit = partial(jax.jit, compiler_options=QUICK)


def drawn(model, shape, seed=0):
    """Images and variables of the right shapes, drawn with NumPy in float64."""
    random = np.random.default_rng(seed)

    def draw(leaf):
        return random.normal(size=leaf.shape) / np.prod(leaf.shape[:-1], initial=1) ** 0.5

    return random.normal(size=shape), jax.tree.map(draw, traced(model, shape)[1])


def conv(x, layer):
    """A padded convolution by loops over the taps."""
    kernel = layer["kernel"]
    side, (_, h, w, _) = len(kernel), x.shape
    pixels = side // 2
    padded = np.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    taps = (
        padded[:, k : k + h, l : l + w] @ kernel[k, l]
        for k, l in np.ndindex(side, side)  # noqa: E741
    )
    return sum(taps) + layer["bias"]


def by_layers(model, variables, x):
    layers = [variables["params"][f"conv{i}"] for i in (1, 2, 3)]
    activation = np.tanh if isinstance(model, ESPCN) else lambda x: np.maximum(x, 0)
    for layer in layers[:2]:
        x = activation(conv(x, layer))
    x = conv(x, layers[2])
    if isinstance(model, ESPCN):
        r, (b, h, w, n) = model.factor, x.shape
        y = np.zeros((b, r * h, r * w, n // r**2))
        for k, l, c in np.ndindex(r, r, n // r**2):  # noqa: E741
            y[:, k::r, l::r, c] = x[..., r**2 * c + r * k + l]
        return y
    return x


# --- counts, sizes and what is seen


@pytest.mark.parametrize(
    ("model", "parameters", "field", "stride"),
    [
        # Kernels and biases by hand: k^2 n m + m of each layer.
        (ESPCN(), (1600 + 64) + (18_432 + 32) + (2592 + 9), 9, 1 / 3),
        (SRCNN(), (5184 + 64) + (2048 + 32) + (800 + 1), 13, 1),  # 8,032 weights, as in the paper
        (ConvolutionalDenoiser(), (576 + 64) + (36_864 + 64) + (576 + 1), 7, 1),
        (ConvolutionalDenoiser(width=8, kernel_size=5), (200 + 8) + (1600 + 8) + (200 + 1), 13, 1),
    ],
    ids=["espcn", "srcnn", "denoiser", "wider kernels"],
)
def test_parameters_and_receptive_field(model, parameters, field, stride):
    summary = summarize_model(model, (20, 24, 1))
    (output,) = summary.outputs
    assert summary.parameters == parameters
    assert output.receptive_field == (field, field)
    assert output.stride == (pytest.approx(stride),) * 2
    assert output.shape == (1, round(20 / stride), round(24 / stride), 1)


def test_multiply_accumulates_are_at_the_small_size():
    # ESPCN's argument: r^2 times fewer pixels.
    assert summarize_model(ESPCN(), (20, 24, 1)).macs == 480 * (1600 + 18_432 + 2592)
    assert summarize_model(SRCNN(), (60, 72, 1)).macs == 9 * 480 * 8032


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (ESPCN(2), ["tanh1", "tanh2", "conv3"]),
        (SRCNN(), ["relu1", "relu2"]),
        (ConvolutionalDenoiser(), ["relu1", "relu2"]),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_come_back_as_they_were(model, names, channels):
    (output, features), _ = traced(model, (2, 5, 7, channels))
    factor = getattr(model, "factor", 1)
    assert output.shape == (2, 5 * factor, 7 * factor, channels)
    assert list(features) == names


# --- reference


@pytest.mark.parametrize(
    "model",
    [ESPCN(3, widths=(4, 3)), SRCNN(widths=(4, 3)), ConvolutionalDenoiser(4, 5)],
    ids=["espcn", "srcnn", "denoiser"],
)
def test_equals_loops(model):
    images, variables = drawn(model, (2, 6, 7, 2))
    expected = by_layers(model, variables, images)
    for train in (False, True):
        with jax.enable_x64(True):
            output, _ = jit(partial(model.apply, train=train))(variables, images)
        np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-12)


# --- theorem


def test_srcnns_padding_matters_only_near_the_border():
    """What it says 6 pixels from the border is what it would say without padding."""
    model = SRCNN(widths=(4, 3))
    images, variables = drawn(model, (1, 20, 18, 1))
    with jax.enable_x64(True):
        apply = jit(lambda v, x: model.apply(v, x, train=False)[0])
        larger = np.pad(images, ((0, 0), (6, 6), (6, 6), (0, 0)), "reflect")
        inner = apply(variables, larger)[:, 6:-6, 6:-6]
        output = apply(variables, images)
    np.testing.assert_allclose(output[:, 6:-6, 6:-6], inner[:, 6:-6, 6:-6], rtol=1e-9)
    assert np.abs(output - inner)[:, 5].max() > 1e-6


def test_in_bfloat16_images_keep_their_type():
    for model in (ESPCN(2, dtype=jnp.bfloat16), SRCNN(dtype=jnp.bfloat16)):
        (output, features), _ = traced(model, (1, 8, 8, 1))
        assert output.dtype == jnp.float32
        assert next(iter(features.values())).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ESPCN(0), "`factor` must be a whole number from 1 on, got 0"),
        (lambda: ConvolutionalDenoiser(0), "`width` must be a whole number from 1 on, got 0"),
        (lambda: ConvolutionalDenoiser(4, 2), "`kernel_size` must be odd, got 2"),
    ],
)
def test_refuses_what_makes_no_image(make, match):
    with pytest.raises(ValueError, match=match):
        make()
