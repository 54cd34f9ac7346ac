"""The optimizers of the course, from their papers' equations, as Optax transformations."""

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
from jaxvision.optim.base import DescendState, descend
from jaxvision.optim.hyperparameters import Scalar, ScalarOrSchedule, Schedule
from jaxvision.optim.masks import Mask, everything, kernels, named
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
    "DescendState",
    "LeadState",
    "Mask",
    "Scalar",
    "ScalarOrSchedule",
    "ScaleByAdadeltaState",
    "ScaleByAdagradState",
    "ScaleByAdamState",
    "ScaleByAdamUncorrectedState",
    "ScaleByAdamaxState",
    "ScaleByDeviationState",
    "ScaleByNadamState",
    "ScaleByRmsState",
    "Schedule",
    "VelocityState",
    "accumulate",
    "accumulate_ahead",
    "adadelta",
    "adagrad",
    "adam",
    "adam_uncorrected",
    "adamax",
    "adamw",
    "average",
    "centered_rmsprop",
    "descend",
    "ema_momentum",
    "everything",
    "heavy_ball",
    "kernels",
    "lookahead_params",
    "momentum",
    "nadam",
    "named",
    "nesterov",
    "rmsprop",
    "scale_by_adadelta",
    "scale_by_adagrad",
    "scale_by_adam",
    "scale_by_adam_uncorrected",
    "scale_by_adamax",
    "scale_by_deviation",
    "scale_by_nadam",
    "scale_by_rms",
    "sgd",
]
