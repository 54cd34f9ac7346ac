"""What a style is, once the places are forgotten: statistics of a layer's features.

Each `Statistic` is a distance between sums over positions, so that sums over the parts of an image
add up to those of the whole: parts may be tiles, which bound the memory, or regions, which have a
style each. With the mean product G, the mean m and the covariance C = G - m m' of c features at the
positions of an image, and `G*`, `m*`, `C*` those of a style:

    GRAM           1/4 mean over i, j of (G_ij - G*_ij)^2
    MEAN_STD       mean over i of (m_i - m*_i)^2 + (C_ii^1/2 - C*_ii^1/2)^2
    WASSERSTEIN    1/c ( |m - m*|^2 + tr( C + C* - 2 (C*^1/2 C C*^1/2)^1/2 ) )

`GRAM` is E_l of Gatys, Ecker & Bethge (CVPR 2016), equation 4, 1/(4 c^2 n^2) sum (..)^2 of sums
over n positions. `MEAN_STD` are the statistics of adaptive instance normalization, Huang &
Belongie, "Arbitrary Style Transfer in Real-Time with Adaptive Instance Normalization", ICCV 2017,
equation 13, https://arxiv.org/abs/1703.06868, with squares, and means over channels, where theirs
are norms. `WASSERSTEIN` is the squared Wasserstein-2 distance between the two Gaussians, Olkin &
Pukelsheim, Linear Algebra and its Applications 48, 1982, equation 3,
https://doi.org/10.1016/0024-3795(82)90112-4.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.ops.gram import gram_sum

Sums = dict[str, Array]
"""Of each image of a batch, added up over positions; "positions" is the sum of their weights."""

Target = dict[str, Array]
"""What of a style's sums the distance needs, computed once."""

FLOOR = 1e-5  # below a variance or eigenvalue: the derivative of the square root has a pole at 0


class Statistic(NamedTuple):
    """A way to compare styles: three pure functions.

    Attributes:
        sums: (features [b, h, w, c], weights [h, w] or None for ones) -> sums over positions.
        target: a style's sums -> what `distance` compares with.
        distance: (sums, target) -> [b], zero where they say the same.
    """

    sums: Callable[[Float[Array, "b h w c"], Float[Array, "h w"] | None], Sums]
    target: Callable[[Sums], Target]
    distance: Callable[[Sums, Target], Float[Array, " b"]]


def _count(features, weights):
    _, h, w, _ = features.shape
    return jnp.asarray(h * w, features.dtype) if weights is None else weights.sum()


def _first(features, weights):
    weighted = features if weights is None else features * weights[None, :, :, None]
    return weighted.sum(axis=(1, 2))


def _gram_sums(features, weights):
    return {"positions": _count(features, weights), "products": gram_sum(features, weights)}


def _gram(sums):
    return {"gram": sums["products"] / _positions(sums)}


def _gram_distance(sums, target):
    return jnp.mean((_gram(sums)["gram"] - target["gram"]) ** 2, axis=(1, 2)) / 4


def _mean_std_sums(features, weights):
    return {
        "positions": _count(features, weights),
        "values": _first(features, weights),
        "squares": _first(features**2, weights),
    }


def _mean_std(sums):
    mean = sums["values"] / _positions(sums)
    variance = sums["squares"] / _positions(sums) - mean**2
    return {"mean": mean, "std": _root(variance)}


def _mean_std_distance(sums, target):
    found = _mean_std(sums)
    return jnp.mean(
        (found["mean"] - target["mean"]) ** 2 + (found["std"] - target["std"]) ** 2, axis=1
    )


def _gaussian_sums(features, weights):
    return _gram_sums(features, weights) | {"values": _first(features, weights)}


def _gaussian(sums):
    mean = sums["values"] / _positions(sums)
    products = sums["products"] / _positions(sums)
    return mean, products - mean[:, :, None] * mean[:, None, :]


def _gaussian_target(sums):
    mean, covariance = _gaussian(sums)
    values, vectors = jnp.linalg.eigh(covariance)
    # The exact root, of what the floor makes positive, and a trace of that very matrix: the
    # distance of a style to itself is then zero but for rounding.
    root = (vectors * _root(values)[:, None, :]) @ vectors.mT
    return {"mean": mean, "root": root, "trace": jnp.sum(jnp.maximum(values, 0), axis=1)}


def _gaussian_distance(sums, target):
    mean, covariance = _gaussian(sums)
    product = target["root"] @ covariance @ target["root"]
    crossed = jnp.sum(_root(jnp.linalg.eigvalsh((product + product.mT) / 2)), axis=1)
    traces = jnp.trace(covariance, axis1=1, axis2=2) + target["trace"]
    between = jnp.sum((mean - target["mean"]) ** 2, axis=1)
    return (between + traces - 2 * crossed) / mean.shape[1]


def _root(x):
    """The square root of what is not negative but for rounding, with a derivative everywhere."""
    return jnp.sqrt(jnp.maximum(x, 0) + FLOOR)


def _positions(sums):
    return jnp.maximum(sums["positions"], FLOOR)  # a region may be empty at a coarse scale


GRAM = Statistic(_gram_sums, _gram, _gram_distance)
MEAN_STD = Statistic(_mean_std_sums, _mean_std, _mean_std_distance)
WASSERSTEIN = Statistic(_gaussian_sums, _gaussian_target, _gaussian_distance)

STATISTICS = {"gram": GRAM, "mean_std": MEAN_STD, "wasserstein": WASSERSTEIN}
