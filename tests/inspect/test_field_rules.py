"""Receptive fields: by hand, and by what really changes a unit."""

from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxvision.inspect import summarize

SHAPE = (1, 24, 20, 4)
IMAGES = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
AXES = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel=(3, 3), stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), **options):
    """Positive weights, so that what is seen twice does not cancel."""
    weights = jnp.ones((*kernel, x.shape[-1], 4)) / 9
    return lax.conv_general_dilated(
        x, weights, stride, padding, rhs_dilation=dilation, dimension_numbers=AXES, **options
    )


def pool(x, window=2, stride=2):
    return lax.reduce_window(
        x, 0.0, lax.add, (1, window, window, 1), (1, stride, stride, 1), "VALID"
    )


def every(x, strides, start=(0, 0)):
    """Strided indexing, which before JAX 0.10 was a gather."""
    return lax.slice(x, (0, *start, 0), x.shape, (1, *strides, 1))


def field_of(fn):
    (feature,) = summarize(fn, IMAGES).outputs
    return feature.receptive_field, feature.stride, feature.offset


def pair(size, stride, offset):
    return (size, size), (stride, stride), (offset, offset)


WHOLE = pair(None, None, None)
SAME = ((1, 1), (1, 1))
KERNEL = jnp.ones((4, 4))

BY_HAND = {
    "the image itself": (lambda x: x, pair(1, 1, 0)),
    "conv": (lambda x: conv(x, padding=SAME), pair(3, 1, -1)),
    "rows and columns": (
        lambda x: conv(x, (5, 1), (1, 2), ((2, 1), (0, 0))),
        ((5, 1), (1, 2), (-2, 0)),
    ),
    "dilated": (lambda x: conv(x, dilation=(2, 3)), ((5, 7), (1, 1), (0, 0))),
    "pool after conv": (lambda x: pool(conv(x)), pair(4, 2, 0)),
    "conv after pool": (lambda x: conv(pool(x), padding=SAME), pair(6, 2, -2)),
    "residual": (lambda x: x + conv(conv(x, padding=SAME), padding=SAME), pair(5, 1, -2)),
    "branches": (
        lambda x: jnp.concatenate([x, conv(x, padding=SAME), conv(x, (1, 1), dilation=(9, 9))], -1),
        pair(3, 1, -1),
    ),
    "crop": (lambda x: conv(every(x, (1, 2), (3, 2))), ((3, 5), (1, 2), (3, 2))),
    "zero padding": (
        lambda x: conv(jnp.pad(x, ((0, 0), (2, 0), (1, 3), (0, 0)))),
        ((3, 3), (1, 1), (-2, -1)),
    ),
    "flip": (lambda x: conv(x[:, ::-1]), ((3, 3), (-1, 1), (21, 0))),
    "channels first": (lambda x: conv(x).transpose(0, 3, 1, 2).max(1), pair(3, 1, 0)),
    "bent": (lambda x: jax.nn.gelu(x / (1 + jnp.abs(x))), pair(1, 1, 0)),
    "space to depth": (
        lambda x: conv(jnp.moveaxis(x.reshape(1, 12, 2, 10, 2, 4), 2, 3).reshape(1, 12, 10, 16)),
        pair(6, 2, 0),
    ),
    "mean of blocks": (lambda x: x.reshape(1, 6, 4, 5, 4, 4).mean((2, 4)), pair(4, 4, 0)),
    "pixels as a list": (
        lambda x: conv((conv(x).reshape(22 * 18, 4) @ KERNEL).reshape(1, 22, 18, 4)),
        pair(5, 1, 0),
    ),
    "nearest enlargement": (
        lambda x: jnp.repeat(jnp.repeat(x, 2, 1), 2, 2),
        pair(1, Fraction(1, 2), 0),
    ),
    "pixel shuffle": (
        lambda x: x.reshape(1, 24, 20, 2, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(1, 48, 40, 1),
        pair(1, Fraction(1, 2), 0),
    ),
    "transposed conv": (
        lambda x: conv(x, (2, 2), padding=SAME, lhs_dilation=(2, 2)),
        pair(1, Fraction(1, 2), 0),
    ),
    "down and up again": (
        lambda x: x + jnp.repeat(jnp.repeat(pool(x), 2, 1), 2, 2),
        # Two entries share a block, so that no interval that moves evenly is as small as a block.
        pair(3, 1, -1),
    ),
    "halves put together": (lambda x: jnp.concatenate([x[:, :9], x[:, 9:]], 1), pair(1, 1, 0)),
    "first of top k channels": (lambda x: lax.top_k(conv(x), 2)[0], pair(3, 1, 0)),
    "channels in another order": (lambda x: conv(x)[..., jnp.array([2, 0])], pair(3, 1, 0)),
    "sum over channels so far": (lambda x: jnp.cumsum(conv(x), -1), pair(3, 1, 0)),
    "one row": (lambda x: conv(x)[:, 3], ((3, 3), (None, 1), (3, 0))),
    "mean": (lambda x: conv(x).mean((1, 2)), WHOLE),
    "mean of the middle": (lambda x: x[:, 4:8, 4:8].mean((1, 2)), ((4, 4), (None, None), (4, 4))),
    "flat": (lambda x: x.reshape(1, -1) @ jnp.ones((24 * 20 * 4, 2)), WHOLE),
    "sum over rows so far": (lambda x: jnp.cumsum(x, 1), ((None, 1), (1, 1), (None, 0))),
    "sorted columns": (lambda x: jnp.sort(x, 2), ((1, None), (1, None), (0, None))),
    "gate": (lambda x: conv(x) * x.mean((1, 2), keepdims=True), pair(None, 1, None)),
    "scaled by the largest": (lambda x: x / x.max(), pair(None, 1, None)),
    "all values as a list": (lambda x: x.reshape(1, -1), WHOLE),
    "kernel made of the image": (
        lambda x: lax.conv(x, x[:, :, :3, :3].mean((2, 3), keepdims=True), (1, 1), "VALID"),
        WHOLE,
    ),
    "attention": (
        lambda x: jnp.einsum("bijc,bklc->bijkl", pool(x, 4, 4), pool(x, 4, 4)).max((3, 4)),
        pair(None, 4, None),
    ),
    "rows of another length": (lambda x: x.reshape(1, 16, 30, 4), WHOLE),
    "wrapped around": (lambda x: conv(jnp.roll(x, 1, 1)), ((None, 3), (1, 1), (None, 0))),
    "reflected": (
        lambda x: jnp.pad(x, ((0, 0), (2, 2), (0, 0), (0, 0)), "reflect"),
        ((None, 1), (1, 1), (None, 0)),
    ),
    "strides that differ": (lambda x: every(x, (2, 1)) + x[:, :12], ((None, 1), (2, 1), (None, 0))),
    "frequencies": (lambda x: jnp.abs(jnp.fft.fft(x, axis=1)), WHOLE),
    "where it says": (
        lambda x: lax.dynamic_slice(x, (0, jnp.argmax(x.sum((0, 2, 3))), 0, 0), (1, 2, 20, 4)),
        WHOLE,
    ),
    "a loop": (lambda x: lax.while_loop(lambda y: y.sum() < 9.0, lambda y: y + 1, x), WHOLE),
    "nothing of the image": (lambda x: jnp.ones((1, 3)), pair(0, None, None)),
}  # fmt: skip
by_hand = pytest.mark.parametrize("name", BY_HAND)


@by_hand
def test_by_hand(name):
    fn, expected = BY_HAND[name]
    assert field_of(fn) == expected


def inside(image_axis, feature, index, side):
    """Pixels that a unit may depend on, as booleans along an axis."""
    pixels = np.arange(side)
    size, step, offset = (
        p[image_axis] for p in (feature.receptive_field, feature.stride, feature.offset)
    )
    if size is None:
        return np.ones(side, bool)
    if size == 0:
        return np.zeros(side, bool)
    first = float(offset) + float(step or 0) * index
    return (pixels > first - 1) & (pixels < first + size)  # between them: fractional strides


@pytest.mark.parametrize("name", [name for name in BY_HAND if BY_HAND[name][1] != WHOLE])
def test_nothing_outside_the_field_changes_a_unit(name):
    fn, _ = BY_HAND[name]
    (feature,) = summarize(fn, IMAGES).outputs
    image = np.random.default_rng(0).random(SHAPE, np.float32)
    images = np.repeat(image[None], 1 + 24 + 20, axis=0)
    for row in range(24):
        images[1 + row, :, row] += 1
    for column in range(20):
        images[25 + column, :, :, column] += 1
    same, *changed = np.split(jax.jit(jax.vmap(fn))(images), [1, 25])
    axis = 2  # of `output` [pixel, 1, ...], if the units have places along it
    for image_axis, output in enumerate(changed):
        places = 1 if feature.stride[image_axis] is None else output.shape[axis]
        moved = np.abs(output - same) > 1e-4  # a pixel moves by 1; rounding is around 1e-6
        moved = np.moveaxis(moved, axis, 0) if places > 1 else moved[None]
        for index in range(places):
            seen = moved[index].reshape(len(output), -1).any(axis=1)
            outside = ~inside(image_axis, feature, index, len(output))
            assert not (seen & outside).any(), (image_axis, index)
        axis += feature.stride[image_axis] is not None


upto = partial(st.integers, 1)
layers = st.one_of(
    st.tuples(st.just("conv"), upto(3), upto(2), st.integers(0, 2), upto(2)),
    st.tuples(st.just("pool"), upto(3), upto(2)),
    st.tuples(st.just("residual"), upto(2)),
    st.tuples(st.just("crop"), st.integers(0, 2), upto(2)),
)


def run(stack, x):
    for kind, *numbers in stack:
        if kind == "conv":
            size, stride, before, dilation = numbers
            padding = ((before, 1), (1, before))
            x = conv(x, (size, 2), (stride, 1), padding, (1, dilation))
        elif kind == "pool":
            x = pool(x, *numbers)
        elif kind == "residual":
            x = x + conv(x, padding=((numbers[0],) * 2,) * 2, dilation=(numbers[0],) * 2)
        else:
            start, stride = numbers
            x = every(x, (stride, 3 - stride), (start, 0))
    return x


@given(stack=st.lists(layers, min_size=1, max_size=4))
@settings(max_examples=10, deadline=None)
def test_the_gradient_of_a_unit_fills_its_field(stack):
    fn = partial(run, stack)
    (feature,) = summarize(fn, jax.ShapeDtypeStruct((1, 48, 48, 1), jnp.float32)).outputs
    middle = feature.shape[1] // 2, feature.shape[2] // 2

    @jax.jit
    @jax.grad
    def gradient(x):
        return fn(x)[0, *middle].sum()

    seen = np.asarray(gradient(jnp.ones((1, 48, 48, 1))))[0, :, :, 0] > 0
    for axis in (0, 1):
        pixels = np.flatnonzero(seen.any(axis=1 - axis))
        first = feature.offset[axis] + feature.stride[axis] * middle[axis]
        last = first + feature.receptive_field[axis] - 1
        assert first >= 0 and last < 48  # the middle unit's field is inside the image
        assert (pixels[0], pixels[-1]) == (first, last)
