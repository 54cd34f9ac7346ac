"""Layers written in several ways see the same and cost the same."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxvision.inspect import summarize

IMAGES = jax.ShapeDtypeStruct((1, 24, 20, 4), jnp.float32)
AXES = ("NHWC", "HWIO", "NHWC")
SAME = ((1, 1), (1, 1))
KERNEL = jnp.ones((4, 4))


def conv(x, kernel=(3, 3), stride=(1, 1), padding="VALID"):
    weights = jnp.ones((*kernel, 4, 4))
    return lax.conv_general_dilated(x, weights, stride, padding, dimension_numbers=AXES)


def every(x, stride, start=(0, 0), stop=(24, 20)):
    """Strided indexing, which before JAX 0.10 was a gather."""
    b, _, _, c = x.shape
    return lax.slice(x, (0, *start, 0), (b, *stop, c), (1, stride, stride, 1))


def grouped(x):
    weights = jnp.ones((3, 3, 2, 4))
    return lax.conv_general_dilated(
        x, weights, (1, 1), "VALID", dimension_numbers=AXES, feature_group_count=2
    )


def grouped_by_slices(x):
    parts = []
    for part in jnp.split(x, 2, axis=-1):
        taps = [part[:, i : i + 22, j : j + 18] for i in range(3) for j in range(3)]
        parts.append(sum(tap @ jnp.ones((2, 2)) for tap in taps))
    return jnp.concatenate(parts, -1)


def max_of_taps(x):
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
    taps = [every(x, 2, (i, j), (i + 23, j + 19)) for i in range(3) for j in range(3)]
    return jnp.stack(taps).max(0)


def max_pool(x):
    padding = ((0, 0), *SAME, (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)


def channels_first(x):
    x, weights = x.transpose(0, 3, 1, 2), jnp.ones((4, 4, 3, 3))
    return lax.conv_general_dilated(x, weights, (2, 2), "VALID").transpose(0, 2, 3, 1)


@jax.custom_vjp
def own_derivative(x):
    return conv(x, stride=(2, 2))


own_derivative.defvjp(lambda x: (own_derivative(x), None), lambda _, dy: (dy,))


def three_in_a_scan(x):
    weights = jnp.ones((3, 3, 3, 4, 4))

    def layer(x, w):
        y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=AXES)
        return y, y.mean()

    return lax.scan(layer, x, weights)[0]


def three(x):
    for _ in range(3):
        x = conv(x, padding=SAME)
    return x


def strided(x):
    return conv(x, stride=(2, 2))


WAYS = {
    "1x1 as a product": (lambda x: conv(x, (1, 1), (2, 2)), lambda x: every(x, 2) @ KERNEL),
    "groups as products": (grouped, grouped_by_slices),
    "max as taps": (max_pool, max_of_taps),
    "channels first": (strided, channels_first),
    "remat": (strided, jax.checkpoint(strided)),
    "jit": (strided, jax.jit(jax.jit(strided))),
    "own derivative": (strided, own_derivative),
    "vmap": (strided, lambda x: jax.vmap(lambda y: strided(y[None])[0])(x)),
    "map": (strided, lambda x: lax.map(lambda y: strided(y[None])[0], x)),
    "scan": (three, three_in_a_scan),
    "fori_loop": (three, lambda x: lax.fori_loop(0, 3, lambda _, y: conv(y, padding=SAME), x)),
    "cond": (
        strided,
        lambda x: lax.cond(True, strided, lambda x: every(x, 2, stop=(22, 18)), x),
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_however_a_layer_is_written(way):
    plain, other = (summarize(fn, IMAGES) for fn in WAYS[way])
    assert other.macs == plain.macs
    (expected,), (found,) = plain.outputs, other.outputs
    for attribute in ("shape", "receptive_field", "stride", "offset"):
        assert getattr(found, attribute) == getattr(expected, attribute)
