"""Nesterov's momentum: take the gradient where the velocity is about to carry the parameters.

Nesterov, "A method for solving the convex programming problem with convergence rate O(1/k^2)",
Doklady AN SSSR 269, 1983; in this form Sutskever, Martens, Dahl & Hinton, "On the importance of
initialization and momentum in deep learning", ICML 2013, equations 3 and 4,
https://proceedings.mlr.press/v28/sutskever13.html. From v_0 = 0, with the learning rate eta_t:

    v_{t+1}     = mu v_t - eta_t grad f(theta_t + mu v_t)
    theta_{t+1} = theta_t + v_{t+1}

That asks for a gradient at another point than the parameters, which no train step provides. So the
parameters that are stored are the point itself, phi_t = theta_t + lead_t, where lead_t = mu v_t is
how far ahead it lies. With u_t = -eta_t grad f(phi_t) the two equations become

    v_{t+1}    = lead_t + u_t
    lead_{t+1} = mu v_{t+1}
    phi_{t+1}  = theta_{t+1} + lead_{t+1}
               = theta_t + v_{t+1} + lead_{t+1}
               = phi_t - lead_t + (lead_t + u_t) + lead_{t+1}
               = phi_t + u_t + lead_{t+1}

which is exact, under any schedule, and phi_0 = theta_0. Training and evaluation see phi;
`lookahead_params` goes back to theta. The two draw together as the velocity dies down.

With a constant rate this is Optax's and PyTorch's `nesterov=True`; under a schedule theirs is
another algorithm, for it has the rate outside (see `jaxvision.optim.momentum`).
"""

from typing import NamedTuple

import optax
from jaxtyping import PyTree

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.base import (
    chain,
    descend,
    find_states,
    map_leaves,
    transformation,
    zeros_like,
)


class LeadState(NamedTuple):
    """How far the stored parameters are ahead of theta; like them in structure and dtypes."""

    lead: PyTree  # mu v


def accumulate_ahead(mu: Scalar) -> optax.GradientTransformation:
    """Turns descents u_t = -eta_t g_t into the steps of phi (the module's equations).

    Raises:
        ValueError: if `mu` is a number outside [0, 1).
    """
    require("mu", mu, "[0, 1)")

    def init(params):
        return LeadState(lead=zeros_like(params))

    def update(updates, state, params=None):
        del params
        lead = map_leaves(lambda lead, u: mu * lead + mu * u, state.lead, updates)
        return map_leaves(lambda u, lead: u + lead, updates, lead), LeadState(lead=lead)

    return transformation(LeadState, init, update)


def nesterov(learning_rate: ScalarOrSchedule, mu: Scalar = 0.9) -> optax.GradientTransformation:
    """Nesterov's accelerated gradient; the parameters it trains are the points looked ahead to.

    Raises:
        ValueError: if `mu` is a number outside [0, 1), or `learning_rate` a negative or non-finite
            one.
    """
    return chain(descend(learning_rate), accumulate_ahead(mu))


def lookahead_params(params: PyTree, state: PyTree) -> PyTree:
    """The theta that belongs to the stored parameters phi: theta = phi - lead.

    Args:
        params: phi, as trained with `nesterov`.
        state: its optimizer's state; `nesterov` may be a part of a larger chain.

    Raises:
        ValueError: if `state` holds no state of `nesterov`, or several.
    """
    found = find_states(state, LeadState)
    if len(found) != 1:
        raise ValueError(
            f"`state` must be of an optimizer with one `nesterov` in it, got one with {len(found)}."
        )
    return map_leaves(lambda phi, lead: phi - lead, params, found[0].lead)
