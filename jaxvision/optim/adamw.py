"""AdamW: Adam whose weights decay by themselves, whatever the gradient's magnitude.

Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2,
https://arxiv.org/abs/1711.05101. With Adam's direction u_t (`jaxvision.optim.adam`):

    w_t = w_{t-1} - learning_rate (u_t + weight_decay w_{t-1})

As in Optax and PyTorch the decay is multiplied by the learning rate, which in the paper multiplies
u_t alone; `chain(adam(learning_rate), decay(tau))` is the paper's. And by default the kernels alone
decay, not biases and norms, where theirs decay everything: `mask=everything` is that.
"""

import optax

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, require
from jaxvision.optim.adam import scale_by_adam
from jaxvision.optim.base import chain, descend
from jaxvision.optim.masks import Mask, kernels
from jaxvision.optim.regularize import l2


def adamw(
    learning_rate: ScalarOrSchedule,
    b1: Scalar = 0.9,
    b2: Scalar = 0.999,
    eps: Scalar = 1e-8,
    eps_root: Scalar = 0.0,
    *,
    weight_decay: Scalar = 1e-2,
    mask: Mask = kernels,
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay of the parameters that `mask` chooses.

    Args:
        learning_rate: a number or a schedule.
        b1: as `b2`, `eps` and `eps_root` those of `scale_by_adam`.
        weight_decay: how much of itself a parameter loses in a step, times the learning rate.
        mask: which parameters; by default the kernels.

    Raises:
        ValueError: if a hyperparameter is a number outside its range (`scale_by_adam`, `descend`;
            `weight_decay` [0, inf)), or if `mask` fits no parameter.
    """
    require("weight_decay", weight_decay, "[0, inf)")
    return chain(
        scale_by_adam(b1, b2, eps, eps_root), l2(weight_decay, mask), descend(learning_rate)
    )
