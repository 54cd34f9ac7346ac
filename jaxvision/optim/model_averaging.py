"""Which of several models to follow, and how far: weights learned from how well each predicts.

With p_k the probability that model k gave to what was then observed, k = 1 .. K, and a_k its weight
in the mixture sum_k a_k p_k, Bayes' rule is

    a_k <- a_k p_k / sum_j a_j p_j,    at first a_k = 1 / K

It trusts the model that has been best so far, and is slow to leave it. The *switch* distribution
follows one model after another, so that one that becomes the best late is soon found: van Erven,
Grunwald & de Rooij, "Catching Up Faster in Bayesian Model Selection and Model Averaging", NIPS
2007, Algorithm 1,
https://papers.nips.cc/paper/2007/hash/2823f4797102ce1a1aec05359cc16dd9-Abstract.html. While it is
restless (weights r), it switches after observation t = 1, 2, ... with probability pi = 1 / (t + 1),
to any model alike, and then is restless again with probability theta, or else has settled (weights
s) for good:

    r_k <- p_k r_k,  s_k <- p_k s_k,  pool = pi sum_k r_k / K
    r_k <- (1 - pi) r_k + theta pool,  s_k <- s_k + (1 - theta) pool,  both over their joint sum
    a_k = r_k + s_k,                   at first r_k = theta / K, s_k = (1 - theta) / K

All in logarithms. theta = 0.9999 is that of the authors of Alrao (`jaxvision.optim.alrao_head`).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxvision.hyperparameters import Scalar, require, require_whole


def bayes_init(copies: int) -> Float[Array, " copies"]:
    """log a_k before any observation: all models alike.

    Raises:
        ValueError: if `copies` is below 1.
    """
    require_whole("copies", copies, low=1)
    return jnp.full(copies, -math.log(copies), jnp.float32)


def bayes_update(
    log_weights: Float[Array, " copies"], log_likelihoods: Float[Array, " copies"]
) -> Float[Array, " copies"]:
    """log a_k after an observation of which model k's log-probability was `log_likelihoods[k]`."""
    return jax.nn.log_softmax(log_weights + log_likelihoods)


class SwitchState(NamedTuple):
    """The switch distribution after some observations."""

    count: Int[Array, ""]  # t, observations made
    log_prior: Float[Array, " 2"]  # log theta, log(1 - theta)
    log_joint: Float[Array, "2 copies"]  # log r, log s

    @property
    def log_weights(self) -> Float[Array, "*lanes copies"]:
        """log a_k, for the next prediction; of a state that `jax.vmap` returned, one a lane."""
        return jax.nn.logsumexp(self.log_joint, axis=-2)


def switch_init(copies: int, theta: Scalar = 0.9999) -> SwitchState:
    """The switch distribution before any observation: all models alike.

    Args:
        theta: the probability to be restless after a switch, in [0, 1); 0 is Bayes' rule.

    Raises:
        ValueError: if `copies` is below 1, or `theta` a number outside [0, 1).
    """
    require_whole("copies", copies, low=1)
    require("theta", theta, "[0, 1)")
    if isinstance(theta, jax.Array):
        log_prior = jnp.stack([jnp.log(theta), jnp.log1p(-theta)]).astype(jnp.float32)
    else:  # in double precision, for float32 has 1 - .9999 wrong in the fourth digit
        log_theta = math.log(theta) if theta > 0 else -math.inf
        log_prior = jnp.array([log_theta, math.log1p(-theta)], jnp.float32)
    log_joint = log_prior[:, None] + bayes_init(copies)[None, :]
    return SwitchState(jnp.zeros([], jnp.int32), log_prior, log_joint)


def switch_update(state: SwitchState, log_likelihoods: Float[Array, " copies"]) -> SwitchState:
    """The switch distribution after an observation; arguments as for `bayes_update`."""
    t = state.count + 1
    log_pi, log_stay = -jnp.log1p(t), -jnp.log1p(1 / t)  # of 1 / (t + 1) and t / (t + 1)
    log_r, log_s = state.log_joint + log_likelihoods[None, :]
    log_pool = log_pi + jax.nn.logsumexp(log_r) - math.log(len(log_likelihoods))
    log_stays = jnp.stack([log_stay + log_r, log_s])
    log_joint = jnp.logaddexp(log_stays, (state.log_prior + log_pool)[:, None])
    return SwitchState(t, state.log_prior, log_joint - jax.nn.logsumexp(log_joint))
