"""The optimizer that a configuration names."""

from typing import Any

import optax

from jaxvision import optim
from jaxvision.hyperparameters import is_zero

OPTIMIZERS = {
    "adadelta": optim.adadelta,
    "adagrad": optim.adagrad,
    "adam": optim.adam,
    "adam_uncorrected": optim.adam_uncorrected,
    "adamax": optim.adamax,
    "adamw": optim.adamw,
    "centered_rmsprop": optim.centered_rmsprop,
    "ema_momentum": optim.ema_momentum,
    "heavy_ball": optim.heavy_ball,
    "momentum": optim.momentum,
    "nadam": optim.nadam,
    "nesterov": optim.nesterov,
    "rmsprop": optim.rmsprop,
    "sgd": optim.sgd,
}


def make_optimizer(config: Any, steps: int) -> optax.GradientTransformation:
    """The optimizer, with the schedule of its rate.

    Args:
        config: has `optimizer`, `learning_rate`, `schedule` and `weight_decay`.
        steps: of the whole training.
    """
    optimizer = OPTIMIZERS[config.optimizer](_learning_rate(config, steps))
    if is_zero(config.weight_decay):
        return optimizer
    return optax.chain(optim.l2(config.weight_decay), optimizer)


def _learning_rate(config: Any, steps: int) -> optim.ScalarOrSchedule:
    if config.schedule == "constant":
        return config.learning_rate
    return optim.schedules.cosine(config.learning_rate, steps)
