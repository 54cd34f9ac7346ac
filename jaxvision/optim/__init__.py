"""The optimizers of the course, from their papers' equations.

First-order optimizers are `optax.GradientTransformation`s: they chain with Optax's own, and
`adam(1e-3)` stands wherever `optax.adam(1e-3)` does. `minimize` is for full-batch problems, whole
in one compiled program.

    plain           sgd
    momentum        momentum, heavy_ball, ema_momentum, nesterov
    adaptive        adagrad, rmsprop, centered_rmsprop, adadelta
    both            adam, adam_uncorrected, adamw, nadam, adamax
    without tuning  alrao_sgd, alrao_adam, and the averaged last layer: alrao_losses, init_heads
    full batch      minimize with lbfgs, bfgs, steepest_descent or gradient_descent
    rates           schedules.cosine, schedules.warmup, ...; plateau
    penalties       l2, l1, elastic_net, decay, l1_proximal, max_norm; delayed
    gradients       clip_by_value, clip_by_global_norm
    averages        ema_from_initial, ema_corrected, averaged_params

Every hyperparameter may be a traced array: `jax.vmap(lambda rate: train(adam(rate)))(rates)` is one
program. States and updates keep the dtypes of the parameters.

A gradient that is not finite makes parameters and state so, as the equations say;
`optax.apply_if_finite(adam(1e-3), max_consecutive_errors=5)` leaves such steps out.
"""

from jaxvision.hyperparameters import Scalar, ScalarOrSchedule, Schedule
from jaxvision.optim import schedules
from jaxvision.optim.adadelta import ScaleByAdadeltaState, adadelta, scale_by_adadelta
from jaxvision.optim.adagrad import ScaleByAdagradState, adagrad, scale_by_adagrad
from jaxvision.optim.adam import (
    ScaleByAdamState,
    ScaleByAdamUncorrectedState,
    adam,
    adam_uncorrected,
    scale_by_adam,
    scale_by_adam_uncorrected,
)
from jaxvision.optim.adamax import ScaleByAdamaxState, adamax, scale_by_adamax
from jaxvision.optim.adamw import adamw
from jaxvision.optim.alrao import (
    ScaleByRandomRatesState,
    alrao_adam,
    alrao_sgd,
    scale_by_random_rates,
)
from jaxvision.optim.alrao_head import (
    Heads,
    alrao_losses,
    head_rates,
    init_heads,
    mixture_log_probabilities,
    scale_by_head_rates,
)
from jaxvision.optim.base import DescendState, descend
from jaxvision.optim.bfgs import bfgs
from jaxvision.optim.clipping import clip_by_global_norm, clip_by_value
from jaxvision.optim.delayed import delayed
from jaxvision.optim.descent import Method
from jaxvision.optim.ema import (
    AverageState,
    averaged_params,
    ema_corrected,
    ema_from_initial,
    move_average,
    start_average,
)
from jaxvision.optim.gradient_descent import gradient_descent, steepest_descent
from jaxvision.optim.lbfgs import lbfgs
from jaxvision.optim.masks import Mask, everything, kernels, named
from jaxvision.optim.minimize import Minimization, Reason, advance, minimize, start
from jaxvision.optim.model_averaging import (
    SwitchState,
    bayes_init,
    bayes_update,
    switch_init,
    switch_update,
)
from jaxvision.optim.momentum import (
    VelocityState,
    accumulate,
    average,
    ema_momentum,
    heavy_ball,
    momentum,
)
from jaxvision.optim.nadam import ScaleByNadamState, nadam, scale_by_nadam
from jaxvision.optim.nesterov import LeadState, accumulate_ahead, lookahead_params, nesterov
from jaxvision.optim.plateau import PlateauState, observe, plateau
from jaxvision.optim.proximal import l1_proximal, max_norm
from jaxvision.optim.regularize import decay, elastic_net, l1, l2
from jaxvision.optim.rmsprop import (
    ScaleByDeviationState,
    ScaleByRmsState,
    centered_rmsprop,
    rmsprop,
    scale_by_deviation,
    scale_by_rms,
)
from jaxvision.optim.sgd import sgd

__all__ = [
    "AverageState",
    "DescendState",
    "Heads",
    "LeadState",
    "Mask",
    "Method",
    "Minimization",
    "PlateauState",
    "Reason",
    "Scalar",
    "ScalarOrSchedule",
    "ScaleByAdadeltaState",
    "ScaleByAdagradState",
    "ScaleByAdamState",
    "ScaleByAdamUncorrectedState",
    "ScaleByAdamaxState",
    "ScaleByDeviationState",
    "ScaleByNadamState",
    "ScaleByRandomRatesState",
    "ScaleByRmsState",
    "Schedule",
    "SwitchState",
    "VelocityState",
    "accumulate",
    "accumulate_ahead",
    "adadelta",
    "adagrad",
    "adam",
    "adam_uncorrected",
    "adamax",
    "adamw",
    "advance",
    "alrao_adam",
    "alrao_losses",
    "alrao_sgd",
    "average",
    "averaged_params",
    "bayes_init",
    "bayes_update",
    "bfgs",
    "centered_rmsprop",
    "clip_by_global_norm",
    "clip_by_value",
    "decay",
    "delayed",
    "descend",
    "elastic_net",
    "ema_corrected",
    "ema_from_initial",
    "ema_momentum",
    "everything",
    "gradient_descent",
    "head_rates",
    "heavy_ball",
    "init_heads",
    "kernels",
    "l1",
    "l1_proximal",
    "l2",
    "lbfgs",
    "lookahead_params",
    "max_norm",
    "minimize",
    "mixture_log_probabilities",
    "momentum",
    "move_average",
    "nadam",
    "named",
    "nesterov",
    "observe",
    "plateau",
    "rmsprop",
    "scale_by_adadelta",
    "scale_by_adagrad",
    "scale_by_adam",
    "scale_by_adam_uncorrected",
    "scale_by_adamax",
    "scale_by_deviation",
    "scale_by_head_rates",
    "scale_by_nadam",
    "scale_by_random_rates",
    "scale_by_rms",
    "schedules",
    "sgd",
    "start",
    "start_average",
    "steepest_descent",
    "switch_init",
    "switch_update",
]
