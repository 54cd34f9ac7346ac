"""AdaGrad: the more a parameter has moved already, the smaller its steps.

Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization", JMLR 12, 2011, Figure 1 with the diagonal G of equation 1,
https://jmlr.org/papers/v12/duchi11a.html. From G_0 = initial, for t = 1, 2, ...:

    G_t = G_{t-1} + g_t^2
    u_t = g_t / sqrt(G_t + eps)
    w_t = w_{t-1} - learning_rate u_t

`eps` is inside the root, as in Optax; PyTorch adds it to the root. Optax begins at G_0 = 0.1 with
eps = 1e-7, and so takes smaller first steps than this.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.base import chain, descend, map_leaves, transformation


class ScaleByAdagradState(NamedTuple):
    """The sum of squared gradients; like the parameters in structure, shapes and dtypes."""

    G: PyTree


def scale_by_adagrad(eps: Scalar = 1e-10, initial: Scalar = 0.0) -> optax.GradientTransformation:
    """Turns a gradient g_t into AdaGrad's direction u_t (the module's equations).

    With `eps` and `initial` both 0, a gradient that has been 0 from the beginning gives NaN.

    Raises:
        ValueError: if `eps` or `initial` is a number that is negative or not finite.
    """
    require("eps", eps, "[0, inf)")
    require("initial", initial, "[0, inf)")

    def init(params):
        return ScaleByAdagradState(G=jax.tree.map(lambda w: jnp.full_like(w, initial), params))

    def update(updates, state, params=None):
        del params
        G = map_leaves(lambda G, g: G + g**2, state.G, updates)
        updates = map_leaves(lambda g, G: g / jnp.sqrt(G + eps), updates, G)
        return updates, ScaleByAdagradState(G=G)

    return transformation(ScaleByAdagradState, init, update)


def adagrad(
    learning_rate: ScalarOrSchedule, eps: Scalar = 1e-10, initial: Scalar = 0.0
) -> optax.GradientTransformation:
    """AdaGrad: `scale_by_adagrad`, then a step of `learning_rate` against it.

    Raises:
        ValueError: if a hyperparameter is a number that is negative or not finite.
    """
    return chain(scale_by_adagrad(eps, initial), descend(learning_rate))
