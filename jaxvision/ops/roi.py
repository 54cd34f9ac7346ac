"""Features of a region of interest (RoI): size x size of them for each box, whatever its shape.

They are of one image; `jax.vmap` takes a batch. Boxes are (left, top, right, bottom) in pixels of
the image, of which a feature has `stride`.

RoI pooling: Girshick, "Fast R-CNN", ICCV 2015, section 2.1, https://arxiv.org/abs/1504.08083. The
corners are rounded to whole features, the last one belongs to the region, and of its H features
along an axis bin i of P has those from floor(i H / P) to ceil((i + 1) H / P). Their maximum is
looked up in the maxima of all windows of 2^k x 2^l features: a bin is covered by four of them,
which may overlap. The maxima take log2(h) log2(w) times the memory of the features.

RoI align: He et al., "Mask R-CNN", ICCV 2017, section 3, https://arxiv.org/abs/1703.06870. Nothing
is rounded: each bin is the mean of samples x samples points, evenly spread in it, at which the
features are interpolated between their centres ("aligned": a feature's centre is at half a stride).
Interpolation and mean are linear and go axis by axis,

    y[p, q] = sum_i A[p, i] sum_j B[q, j] features[i, j]
    A[p, i] = mean_s hat(y_ps - i)    hat(d) = max(0, 1 - |d|)    and B in x alike

so that two matrix products do it, and their gradients are such products too: on a CPU both are
faster than to gather and to scatter. They go over all h and w: for maps of some 10^4 features and
small boxes, most of it is with zeros.

Deviation: torchvision's `roi_pool` computes the bins in float32 and has some a feature longer (a
region of 57 features in 7 bins is the smallest); these here are exact.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxvision.hyperparameters import require, require_whole
from jaxvision.ops.platform import prefers_cpu_form

# On a CPU: the first product of many boxes leaves the cache, and both then take twice as long.
BOXES_AT_ONCE = 8


def roi_pool(
    features: Float[Array, "h w c"], boxes: Float[Array, "n 4"], size: int, stride: int | float
) -> Float[Array, "n {size} {size} c"]:
    """The largest feature in each of size x size bins; 0 in a bin without features.

    The gradient goes to the largest, in parts to equal ones. Boxes have none.

    Args:
        features: of one image.
        boxes: in pixels of the image; what is outside of it has no features.
        size: bins a side.
        stride: pixels of the image for one feature.

    Raises:
        ValueError: if `size` is below 1 or `stride` not positive.
    """
    _require(size, stride)
    h, w, c = features.shape
    columns = _window_maxima(features, axis=1)
    table = jnp.stack([_window_maxima(maxima, axis=0) for maxima in columns])  # [l, k, h, w, c]
    levels, places = table.shape[1], table.reshape(-1, c)
    left, top, right, bottom = lax.stop_gradient(boxes).T
    k, upper, lower, in_rows = _bins(top, bottom, size, stride, h)
    l, first, last, in_columns = _bins(left, right, size, stride, w)  # noqa: E741

    def look_up(row, column):
        at = ((l[:, None] * levels + k[:, :, None]) * h + row[:, :, None]) * w + column[:, None]
        return places.at[at].get(mode="promise_in_bounds")

    upper_half = jnp.maximum(look_up(upper, first), look_up(upper, last))
    lower_half = jnp.maximum(look_up(lower, first), look_up(lower, last))
    filled = in_rows[:, :, None] & in_columns[:, None]
    return jnp.where(filled[..., None], jnp.maximum(upper_half, lower_half), 0)


def roi_align(
    features: Float[Array, "h w c"],
    boxes: Float[Array, "n 4"],
    size: int,
    stride: int | float,
    samples: int = 2,
) -> Float[Array, "n {size} {size} c"]:
    """The mean of interpolated features in each of size x size bins.

    Differentiable in the features and in the boxes. A point is 0 if it is more than one feature
    before the first centre or behind the last; nearer ones take the edge's feature.

    Args:
        features: of one image.
        boxes: in pixels of the image.
        size: bins a side.
        stride: pixels of the image for one feature.
        samples: points a side in each bin.

    Raises:
        ValueError: if `size` or `samples` is below 1 or `stride` not positive.
    """
    _require(size, stride)
    require_whole("samples", samples, low=1)
    h, w, _ = features.shape

    def align(box):
        left, top, right, bottom = box / stride - 0.5
        rows = _interpolation(top, bottom, size, samples, h).astype(features.dtype)
        columns = _interpolation(left, right, size, samples, w).astype(features.dtype)
        strips = jnp.einsum("ph,hwc->pwc", rows, features, precision=lax.Precision.HIGHEST)
        # A product for each strip, as it lies in memory; one for all would have it transposed.
        columns = jnp.broadcast_to(columns[None], (size, size, w))
        return jnp.einsum("pqw,pwc->pqc", columns, strips, precision=lax.Precision.HIGHEST)

    if prefers_cpu_form():
        return lax.map(align, boxes, batch_size=BOXES_AT_ONCE)
    return jax.vmap(align)(boxes)


def _require(size: int, stride: int | float) -> None:
    require_whole("size", size, low=1)
    require("stride", stride, "(0, inf)")


def _window_maxima(x: Array, axis: int) -> Array:
    """The maxima of the 1, 2, 4, ... from each place on, a level each; as many as there are."""
    levels, length = [x], x.shape[axis]
    while 2 ** len(levels) <= length:
        step = 2 ** (len(levels) - 1)
        ahead = lax.slice_in_dim(levels[-1], step, length, axis=axis)
        padding = [(0, step if i == axis else 0) for i in range(x.ndim)]
        ahead = jnp.pad(ahead, padding, constant_values=-jnp.inf)
        levels.append(jnp.maximum(levels[-1], ahead))
    return jnp.stack(levels)


def _bins(
    low: Float[Array, " n"], high: Float[Array, " n"], size: int, stride: int | float, length: int
) -> tuple[Int[Array, "n p"], Int[Array, "n p"], Int[Array, "n p"], Bool[Array, "n p"]]:
    """Along one axis: the level, the first and the last window of each bin, and if it has any."""
    start, end = _round(low / stride), _round(high / stride)
    features = jnp.maximum(end - start + 1, 1)[:, None]
    i = jnp.arange(size, dtype=jnp.int32)[None]  # a log2 below counts on 32 bits
    begin = jnp.clip(start[:, None] + i * features // size, 0, length)
    stop = jnp.clip(start[:, None] - (-(i + 1) * features // size), 0, length)
    level = 31 - lax.clz(jnp.maximum(stop - begin, 1))  # floor(log2(stop - begin))
    # An empty bin's windows are anywhere inside: what is found there is not used.
    first, last = jnp.minimum(begin, length - 1), jnp.maximum(stop - (1 << level), 0)
    return level, first, last, begin < stop


def _round(x: Array) -> Int[Array, " n"]:
    """To the nearest whole number, halves away from 0, as in C; `jnp.round` takes the even one."""
    return (jnp.sign(x) * jnp.floor(jnp.abs(x) + 0.5)).astype(jnp.int32)


def _interpolation(
    low: Float[Array, ""], high: Float[Array, ""], size: int, samples: int, length: int
) -> Float[Array, "p h"]:
    """A of the module's docstring: what each bin takes of each feature, along one axis."""
    steps = (jnp.arange(size * samples) + 0.5) / (size * samples)
    at = low + (high - low) * steps
    seen = (at >= -1) & (at <= length)
    distance = jnp.clip(at, 0, length - 1)[:, None] - jnp.arange(length, dtype=at.dtype)[None]
    hat = jnp.where(seen[:, None], jnp.maximum(1 - jnp.abs(distance), 0), 0)
    return hat.reshape(size, samples, length).mean(axis=1)
