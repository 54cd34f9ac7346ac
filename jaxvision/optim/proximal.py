"""What is done to the new weights: after the step, move them to the nearest point that is wanted.

Parikh & Boyd, "Proximal Algorithms", Foundations and Trends in Optimization 1(3), 2014,
https://doi.org/10.1561/2400000003. From x = w + u, where the step would lead, both go on to

    w' = argmin_v  rate h(v) + 1/2 ||v - x||^2

    l1_proximal  h = penalty ||v||_1              sign(x) max(|x| - rate penalty, 0), section 6.5.2
    max_norm     h = 0 where ||v||_2 <= limit,    x min(1, limit / ||x||_2) for each unit,
                     infinite elsewhere           a projection

Last in the chain, after `descend`: chain(scale_by_adam(), descend(rate), max_norm(3.0)). What comes
back is the update w' - w, so w' is exact up to the rounding of w + (w' - w); a zero is exactly 0.
"""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.masks import Mask, kernels
from jaxvision.optim.regularize import regularizer


def l1_proximal(
    penalty: ScalarOrSchedule, learning_rate: ScalarOrSchedule, mask: Mask = kernels
) -> optax.GradientTransformation:
    """Soft threshold: moves each new weight towards zero by learning_rate penalty, and stops there.

    After `sgd` it is the proximal gradient method (section 4.2) for loss + penalty sum |w|, ISTA:
    Daubechies, Defrise & De Mol, 2004, https://doi.org/10.1002/cpa.20042. Unlike `l1`, it leaves
    weights that are exactly zero. After another direction it thresholds just as well, but the point
    it comes to rest at is that of another penalty.

    Args:
        penalty: a number, or a schedule.
        learning_rate: the one that `descend` was given; a schedule is read at the same counts.
        mask: which parameters.

    Raises:
        ValueError: if `penalty` or `learning_rate` is a number that is negative or not finite, or
            if `mask` fits no parameter.
    """
    require("penalty", penalty, "[0, inf)")
    require("learning_rate", learning_rate, "[0, inf)")

    def threshold(u, w, penalty, learning_rate):
        x = w + u
        return jnp.sign(x) * jnp.maximum(jnp.abs(x) - learning_rate * penalty, 0) - w

    return regularizer(threshold, mask, penalty, learning_rate)


def max_norm(limit: ScalarOrSchedule, mask: Mask = kernels) -> optax.GradientTransformation:
    """Holds the weights into each unit to ||w||_2 <= limit.

    Srivastava et al., "Dropout", JMLR 15, 2014, section 5.1,
    https://jmlr.org/papers/v15/srivastava14a.html. A unit is an index of the last axis, as in
    Flax's kernels [..., in, out], so a convolution's is a whole filter. Units within the limit get
    their update bit for bit; those over it end there, up to rounding.

    Args:
        limit: the largest norm, a positive number or a schedule; the paper's are 3 to 4.
        mask: which parameters.

    Raises:
        ValueError: if `limit` is a number that is not positive and finite, or if `mask` fits no
            parameter.
    """
    require("limit", limit, "(0, inf)")
    return regularizer(_project, mask, limit)


def _project(u: Float[Array, "..."], w: Float[Array, "..."], limit: Scalar) -> Float[Array, "..."]:
    x = (w + u).astype(jnp.promote_types(w.dtype, jnp.float32))
    norm = jnp.sqrt(jnp.sum(x**2, axis=tuple(range(x.ndim - 1)), keepdims=True))
    # A norm that overflows is left to be seen, where limit / inf would make the unit zero.
    over = (norm > limit) & (norm < jnp.inf)
    return jnp.where(over, x * (limit / jnp.maximum(norm, limit)) - w, u)
