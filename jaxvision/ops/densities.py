"""Predicted densities, a Gaussian or a mixture of them: losses, moments, modes and draws.

Bishop, "Mixture Density Networks", report NCRG/94/004, Aston University, 1994, and "Pattern
Recognition and Machine Learning", 2006, section 5.6. For a target t with d components, mean m and
standard deviation s, p_k = softmax(logits)_k and N the product over the components,

    Gaussian   -log p(t) = sum_d ((t - m) / s)^2 / 2 + log s + log(2 pi) / 2
    mixture    -log p(t) = -logsumexp_k (log p_k + log N(t | m_k, s_k))        PRML eq. 5.153
    mean       m = sum_k p_k m_k                                               PRML eq. 5.158
    variance   sum_k p_k (s_k^2 + (m_k - m)^2)                                 PRML eq. 5.160

Squared error is a Gaussian of one fixed s: -log p(t) = ||t - m||^2 / (2 s^2) + constant.

Where we deviate: a component has a deviation for each of the d components of the target, where
Bishop's has one, and it is smallest + softplus(z) of a network's output z, where his is e^z. So it
is bounded from below: no density grows without bound at a single example, and outputs of +-1e4 have
finite losses and gradients, which e^z has not.

As in `jaxvision.ops.losses`, a loss is one value an example, and rows that the `mask` leaves out
are 0 with a gradient of 0, whatever they hold.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp, ndtr
from jaxtyping import Array, Bool, Float, Key

from jaxvision.hyperparameters import Scalar, Whole, require, require_whole

HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))
SAME = 0.1  # of the smallest deviation: modes that are nearer to each other count as one
ASIDE = 0.01  # deviations from a mean to where the search for a mode begins

Mask = Bool[Array, " b"]


class Gaussian(NamedTuple):
    """A Gaussian an example, whose components are independent."""

    mean: Float[Array, "b d"]
    deviation: Float[Array, "b d"]  # above 0: see `softplus_deviation`


class GaussianMixture(NamedTuple):
    """A mixture of k Gaussians an example."""

    logits: Float[Array, "b k"]  # any real numbers
    means: Float[Array, "b k d"]
    deviations: Float[Array, "b k d"]  # above 0


class Modes(NamedTuple):
    """Where a density has its peaks, the highest first; found from each of the k means."""

    points: Float[Array, "b k d"]
    log_density: Float[Array, "b k"]
    distinct: Bool[Array, "b k"]  # False where it is one of those before it again


def softplus_deviation(
    z: Float[Array, "*shape"], smallest: Scalar = 1e-3
) -> Float[Array, "*shape"]:
    """smallest + log(1 + e^z): a standard deviation of any real number.

    Args:
        z: a network's output.
        smallest: in the units of the target, which should be near 1 on average.

    Raises:
        ValueError: if `smallest` is a number not above 0.
    """
    require("smallest", smallest, "(0, inf)", "it is what keeps the likelihood bounded")
    return smallest + jax.nn.softplus(z)


def gaussian_nll(
    predicted: Gaussian, targets: Float[Array, "b d"], mask: Mask | None = None
) -> Float[Array, " b"]:
    """-log N(t | m, s^2), summed over a target's components.

    Args:
        predicted: m and s.
        targets: t.
        mask: False for rows that do not count; their loss is 0.

    Raises:
        ValueError: if `targets` have not the shape of the means.
    """
    _check_targets(targets, predicted.mean.shape)
    mean, deviation = _where(mask, predicted.mean, 0), _where(mask, predicted.deviation, 1)
    loss = -_log_normal(_where(mask, targets, 0), mean, deviation)
    return _where(mask, loss, 0)


def mixture_nll(
    predicted: GaussianMixture, targets: Float[Array, "b d"], mask: Mask | None = None
) -> Float[Array, " b"]:
    """-log sum_k p_k N(t | m_k, s_k^2), without ever leaving the logarithms.

    Args:
        predicted: p_k, as logits, m_k and s_k.
        targets: t.
        mask: False for rows that do not count; their loss is 0.

    Raises:
        ValueError: if `targets` have not the shape of one component's means.
    """
    b, _, d = predicted.means.shape
    _check_targets(targets, (b, d))
    logits, means = _where(mask, predicted.logits, 0), _where(mask, predicted.means, 0)
    deviations = _where(mask, predicted.deviations, 1)
    targets = _where(mask, targets, 0)
    return _where(mask, -_log_mixture(targets[:, None], logits, means, deviations)[:, 0], 0)


def mixture_mean(mixture: GaussianMixture) -> Float[Array, "b d"]:
    """What least squares would predict: the mean over the components."""
    return jnp.sum(_weights(mixture) * mixture.means, axis=1)


def mixture_variance(mixture: GaussianMixture) -> Float[Array, "b d"]:
    """The variance of each component of the target: within the Gaussians, and between them."""
    between = mixture.means - mixture_mean(mixture)[:, None]
    return jnp.sum(_weights(mixture) * (mixture.deviations**2 + between**2), axis=1)


def mixture_modes(mixture: GaussianMixture, iterations: Whole = 200) -> Modes:
    """Climbs from each component's mean to a peak of the density.

    Carreira-Perpinan, "Mode-Finding for Mixtures of Gaussian Distributions", IEEE TPAMI 22(11),
    2000. With r_k the share of component k in the density at x, a step never descends:

        x = sum_k r_k m_k / s_k^2  /  sum_k r_k / s_k^2

    The deviations of a peak's components being small beside their distances, some ten steps do; it
    takes more the flatter a peak is. That no peak is missed is not proven, but it is what the paper
    reports.

    Raises:
        ValueError: if `iterations` is not a whole number from 1 on.
    """
    require_whole("iterations", iterations, low=1)
    logits, means, deviations = mixture
    precision = deviations[:, None] ** -2.0  # [b, 1, k, d]; the axis before is that of the starts

    def climb(_, x):
        share = jax.nn.softmax(_log_joint(x, logits, means, deviations))[..., None] * precision
        return jnp.sum(share * means[:, None], axis=2) / jnp.sum(share, axis=2)

    # Beside the mean, because in the middle between two equal peaks it would stay for ever.
    points = jax.lax.fori_loop(0, iterations, climb, means + ASIDE * deviations)
    log_density = _log_mixture(points, logits, means, deviations)
    order = jnp.argsort(-log_density, axis=1)
    points = jnp.take_along_axis(points, order[..., None], axis=1)
    smallest = jnp.min(deviations, axis=1)[:, None, None]
    apart = jnp.abs(points[:, :, None] - points[:, None]) / smallest
    same = jnp.tril(jnp.max(apart, axis=3) < SAME, k=-1)  # [b, one, an earlier one]
    return Modes(points, jnp.take_along_axis(log_density, order, axis=1), ~jnp.any(same, axis=2))


def sample_gaussian(key: Key[Array, ""], gaussian: Gaussian) -> Float[Array, "b d"]:
    """A draw for each example."""
    mean, deviation = gaussian
    return mean + deviation * jax.random.normal(key, mean.shape, mean.dtype)


def sample_mixture(key: Key[Array, ""], mixture: GaussianMixture) -> Float[Array, "b d"]:
    """A draw for each example: of a component by its weight, and of a point from it.

    For more of them: `jax.vmap(sample_mixture, (0, None))(jax.random.split(key, n), mixture)`.
    """
    which_key, where_key = jax.random.split(key)
    which = jax.random.categorical(which_key, mixture.logits)[:, None, None]
    chosen = (jnp.take_along_axis(a, which, axis=1)[:, 0] for a in mixture[1:])
    return sample_gaussian(where_key, Gaussian(*chosen))


def gaussian_cdf(gaussian: Gaussian, targets: Float[Array, "b d"]) -> Float[Array, "b d"]:
    """The probability of less than the target, for each of its components.

    Raises:
        ValueError: if `targets` have not the shape of the means.
    """
    _check_targets(targets, gaussian.mean.shape)
    return ndtr((targets - gaussian.mean) / gaussian.deviation)


def mixture_cdf(mixture: GaussianMixture, targets: Float[Array, "b d"]) -> Float[Array, "b d"]:
    """The probability of less than the target, for each of its components whatever the others.

    Raises:
        ValueError: if `targets` have not the shape of one component's means.
    """
    b, _, d = mixture.means.shape
    _check_targets(targets, (b, d))
    below = ndtr((targets[:, None] - mixture.means) / mixture.deviations)
    return jnp.sum(_weights(mixture) * below, axis=1)


def _weights(mixture: GaussianMixture) -> Float[Array, "b k 1"]:
    return jax.nn.softmax(mixture.logits)[..., None]


def _log_normal(x: Array, mean: Array, deviation: Array) -> Array:
    """log N(x | mean, deviation^2), summed over the last axis."""
    return -jnp.sum(
        0.5 * ((x - mean) / deviation) ** 2 + jnp.log(deviation) + HALF_LOG_2PI, axis=-1
    )


def _log_joint(x: Array, logits: Array, means: Array, deviations: Array) -> Float[Array, "b p k"]:
    """log p_k + log N(x | m_k, s_k^2) at points [b, p, d]."""
    components = _log_normal(x[:, :, None], means[:, None], deviations[:, None])
    return jax.nn.log_softmax(logits)[:, None] + components


def _log_mixture(x: Array, logits: Array, means: Array, deviations: Array) -> Float[Array, "b p"]:
    return logsumexp(_log_joint(x, logits, means, deviations), axis=2)


def _where(mask: Mask | None, x: Array, otherwise: int) -> Array:
    # Before the loss and not only after it: the gradient of `where` at a NaN is 0 times NaN.
    return x if mask is None else jnp.where(mask.reshape(-1, *[1] * (x.ndim - 1)), x, otherwise)


def _check_targets(targets: Array, shape: tuple[int, ...]) -> None:
    if targets.shape != shape:
        raise ValueError(
            f"`targets` must be [examples, components], {list(shape)} as predicted, got "
            f"{list(targets.shape)}: one number an example is `targets[:, None]`."
        )
