"""Training: a model, an optimizer and data in; a state, a history and a result out."""

from jaxvision.train.epoch import NonFiniteError
from jaxvision.train.fit import Progress, by_accuracy, by_loss, evaluate, fit, fit_epochs, start
from jaxvision.train.state import TrainState, init_state
from jaxvision.train.step import (
    accuracy,
    cross_entropy,
    make_eval_step,
    make_train_step,
    means,
    mirrored,
)

__all__ = [
    "NonFiniteError",
    "Progress",
    "TrainState",
    "accuracy",
    "by_accuracy",
    "by_loss",
    "cross_entropy",
    "evaluate",
    "fit",
    "fit_epochs",
    "init_state",
    "make_eval_step",
    "make_train_step",
    "means",
    "mirrored",
    "start",
]
