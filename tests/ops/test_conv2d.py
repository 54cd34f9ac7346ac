"""The convolution, in all its forms, against loops and against `lax`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.platform import CPU, PLAIN, form
from tests.ops.agreement import (
    assert_close,
    assert_forms_agree,
    first_order,
    random_arrays,
    run,
    second_order,
)

NONE = ((0, 0), (0, 0))
SAME = ((1, 1), (1, 1))

# (height, width, inputs), (kernel's rows, columns, outputs), the other arguments
CASES = {
    "3x3": ((6, 7, 2), (3, 3, 4), {"padding": SAME}),
    "no padding": ((6, 7, 2), (3, 3, 4), {}),
    "wide": ((6, 7, 9), (3, 3, 4), {"padding": SAME}),
    "narrow 5x5": ((9, 8, 3), (5, 5, 7), {"padding": ((1, 0), (0, 2))}),
    "narrow, a part of a row over": ((6, 13, 3), (5, 5, 7), {"padding": ((1, 0), (0, 2))}),
    "narrow, wide kernel": ((4, 9, 1), (2, 7, 3), {"padding": ((0, 1), (3, 3))}),
    "tiles": ((8, 12, 32), (3, 3, 34), {"padding": SAME}),
    "tiles over the edge": ((9, 11, 34), (3, 3, 32), {"padding": ((0, 2), (1, 0))}),
    "tiles without padding": ((7, 6, 32), (3, 3, 32), {}),
    "too much padding for tiles": ((5, 6, 32), (3, 3, 32), {"padding": ((3, 0), (0, 1))}),
    "one output pixel": ((3, 3, 2), (3, 3, 4), {}),
    "stride": ((8, 8, 3), (3, 3, 2), {"stride": (2, 2), "padding": SAME}),
    "stride with unused rows": ((9, 10, 3), (3, 3, 2), {"stride": (3, 3)}),
    "stride over the kernel": ((9, 11, 3), (2, 2, 2), {"stride": (3, 4)}),
    "asymmetric": ((6, 5, 2), (3, 2, 3), {"stride": (2, 1), "padding": ((2, 0), (0, 1))}),
    "padding over the kernel": ((3, 3, 2), (2, 2, 3), {"padding": ((3, 4), (2, 2))}),
    "dilation": ((9, 9, 2), (3, 3, 3), {"dilation": (2, 3), "padding": ((2, 2), (3, 3))}),
    "dilation and stride": ((9, 9, 2), (3, 3, 3), {"dilation": (2, 1), "stride": (2, 2)}),
    "7x7 stem": ((14, 14, 3), (7, 7, 4), {"stride": (2, 2), "padding": ((3, 3), (3, 3))}),
    "1x1": ((5, 4, 3), (1, 1, 6), {}),
    "1x1 stride": ((6, 5, 3), (1, 1, 2), {"stride": (2, 3)}),
    "1x1 padding": ((5, 4, 3), (1, 1, 2), {"padding": SAME}),
    "row": ((5, 6, 2), (1, 7, 3), {"padding": ((0, 0), (3, 3))}),
    "depthwise": ((6, 6, 4), (3, 3, 4), {"groups": 4, "padding": SAME, "stride": (2, 2)}),
    "depthwise multiplier": ((6, 6, 3), (3, 3, 6), {"groups": 3, "dilation": (2, 1)}),
    "2 wide groups": ((5, 5, 80), (3, 3, 72), {"groups": 2, "padding": SAME}),
    "narrow groups in blocks": (
        (6, 6, 36),
        (3, 3, 72),
        {"groups": 18, "padding": SAME, "stride": (2, 1)},
    ),
    "many wide groups": (
        (5, 6, 153),
        (1, 3, 162),
        {"groups": 9, "dilation": (1, 2), "stride": (2, 1), "padding": ((0, 1), (2, 0))},
    ),
    "grouped 1x1": ((4, 4, 6), (1, 1, 4), {"groups": 2}),
}


def arrays(image, kernel, settings, batch=2):
    (*size, inputs), (*window, outputs) = image, kernel
    group = inputs // settings.get("groups", 1)
    return random_arrays((batch, *size, inputs), (*window, group, outputs))


def by_loops(x, kernel, stride=(1, 1), padding=NONE, dilation=(1, 1), groups=1):
    """The definition, output pixel by output pixel."""
    x = np.pad(x, ((0, 0), *padding, (0, 0)))
    rows, columns, inputs, m = kernel.shape
    down, right = ((side - 1) * d + 1 for side, d in zip((rows, columns), dilation, strict=True))
    hs, ws = (x.shape[1] - down) // stride[0] + 1, (x.shape[2] - right) // stride[1] + 1
    y = np.zeros((x.shape[0], hs, ws, m))
    for i, j, output in np.ndindex(hs, ws, m):
        first = output // (m // groups) * inputs
        top, left = i * stride[0], j * stride[1]
        seen = x[:, top : top + down : dilation[0], left : left + right : dilation[1]]
        y[:, i, j, output] = np.tensordot(seen[..., first : first + inputs], kernel[..., output], 3)
    return y


@pytest.mark.parametrize("name", CASES)
def test_equals_the_definition_in_both_forms(name):
    image, kernel, settings = CASES[name]
    x, kernel = arrays(image, kernel, settings)
    y, *_ = assert_forms_agree(partial(conv2d, **settings), (x, kernel))
    assert_close(y, by_loops(x, kernel, **settings), 1e-12)


@pytest.mark.parametrize("name", ["asymmetric", "wide", "tiles over the edge", "many wide groups"])
def test_second_derivatives_agree(name):
    image, kernel, settings = CASES[name]
    function = partial(conv2d, **settings)
    assert_forms_agree(function, arrays(image, kernel, settings, batch=1), order=second_order)


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("stride", (0, None)),
        ("stride", (0, 0)),
        ("no padding", (0, 0)),
        ("tiles over the edge", (0, None)),
        ("tiles over the edge", (0, 0)),
        ("1x1", (None, 0)),
        ("narrow groups in blocks", (None, 0)),
        ("many wide groups", (0, 0)),
    ],
)
def test_forms_agree_under_vmap(name, axes):
    image, kernel, settings = CASES[name]
    function = jax.vmap(partial(conv2d, **settings), in_axes=axes)
    x, kernel = arrays(image, kernel, settings, batch=1)
    x, kernel = (
        array if axis is None else np.stack([array, array**2, -array])
        for array, axis in zip((x, kernel), axes, strict=True)
    )
    assert_forms_agree(function, (x, kernel))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("inputs", "side"), [(2, 1), (2, 3), (34, 3)])
@pytest.mark.parametrize(
    "image", [(0, 8, 8), (0, 7, 1), (1, 2, 2), (2, 1, 7), (1, 2, 7), (1, 7, 1)]
)
def test_no_images_and_no_output_pixels(image, inputs, side, groups):
    x, kernel = np.zeros((*image, inputs)), np.zeros((side, side, inputs // groups, inputs))
    y, _, _, (dx, dkernel) = assert_forms_agree(partial(conv2d, groups=groups), (x, kernel))
    assert y.shape == (image[0], *(max(0, s - side + 1) for s in image[1:]), inputs)
    assert (dx.shape, dkernel.shape) == (x.shape, kernel.shape)


@pytest.mark.parametrize("wanted", [0, 1], ids=["x", "kernel"])
@pytest.mark.parametrize("name", ["3x3", "wide"])
def test_gradient_of_one_argument_computes_nothing_for_the_other(name, wanted):
    x, kernel = arrays(*CASES[name])

    def total(x, kernel):
        return conv2d(x, kernel, padding=SAME).sum()

    with form(CPU):
        program = str(jax.make_jaxpr(jax.grad(total, argnums=wanted))(x, kernel))
    # The value's, and the gradient's; for few channels the image's gradient is a matrix product.
    products = [program.count(f" = {name}[") for name in ("conv_general_dilated", "dot_general")]
    assert products == ([1, 1] if (name, wanted) == ("3x3", 0) else [2, 0])


@pytest.mark.parametrize("wanted", [0, 1], ids=["x", "kernel"])
def test_gradient_by_tiles_computes_nothing_for_the_other(wanted):
    x, kernel = arrays(*CASES["tiles"])

    def total(x, kernel):
        return (conv2d(x, kernel, padding=SAME) ** 2).sum()

    with form(CPU):
        program = str(jax.make_jaxpr(jax.grad(total, argnums=wanted))(x, kernel))
    # The value: a product for the kernel's transform, one for the tiles. The gradient: both again.
    assert program.count(" = dot_general[") == 4


def test_a_scan_of_gradient_steps_equals_the_steps():
    x, kernel = (jnp.float32(a) for a in arrays(*CASES["stride"]))

    def step(kernel, x):
        gradient = jax.grad(lambda k: (conv2d(x, k, stride=(2, 2)) ** 2).mean())(kernel)
        return kernel - 0.1 * gradient, None

    batches = jnp.stack([x, -x, 2 * x])
    scanned, _ = run(CPU, partial(jax.lax.scan, step), kernel, batches)
    for batch in batches:
        kernel, _ = run(PLAIN, step, kernel, batch)
    assert_close(scanned, kernel, 1e-5)


@pytest.mark.parametrize("name", ["3x3", "stride", "1x1", "tiles", "depthwise", "2 wide groups"])
def test_bfloat16(name):
    image, kernel, settings = CASES[name]
    x, kernel = arrays(image, kernel, settings)
    expected = by_loops(x, kernel, **settings)
    x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in (x, kernel))
    y, dy, _, gradients = run(
        CPU, first_order(partial(conv2d, **settings)), (x, kernel), (x, kernel)
    )
    assert {a.dtype for a in (y, dy, *gradients)} == {jnp.bfloat16.dtype}
    assert_close(y.astype(jnp.float32), expected, 0.02)


def test_tiles_round_little_in_float32():
    x, kernel = (np.float32(a) for a in arrays((12, 12, 64), (3, 3, 32), {}))
    exact = by_loops(np.float64(x), np.float64(kernel), padding=SAME)
    tiled = run(CPU, partial(conv2d, padding=SAME), x, kernel)
    plain = run(PLAIN, partial(conv2d, padding=SAME), x, kernel)
    error, at_best = (np.sqrt(np.mean((y - exact) ** 2)) / exact.std() for y in (tiled, plain))
    assert at_best < error < 3e-6  # greater than that of the plain sum, or tiles were not in use
