"""Stochastic gradient descent: step against the gradient of a minibatch.

Robbins & Monro, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22(3), 1951,
https://doi.org/10.1214/aoms/1177729586. With g_t the gradient at w_t:

    w_{t+1} = w_t - learning_rate g_t
"""

import optax

from jaxvision.hyperparameters import ScalarOrSchedule
from jaxvision.optim.base import descend


def sgd(learning_rate: ScalarOrSchedule) -> optax.GradientTransformation:
    """Plain stochastic gradient descent, without momentum.

    >>> import jax.numpy as jnp
    >>> w = jnp.array([1.0, 2.0])
    >>> updates, state = sgd(0.5).update(w, sgd(0.5).init(w), w)  # the gradient of |w|^2 / 2 is w
    >>> print(updates)
    [-0.5 -1. ]

    Raises:
        ValueError: if `learning_rate` is a number that is negative or not finite.
    """
    return descend(learning_rate)
