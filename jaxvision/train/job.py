"""What is trained: how its state begins, and its two steps."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Key

from jaxvision.train.state import TrainState


class Job(NamedTuple):
    """A model, an optimizer and a loss, as three functions."""

    init: Callable[[Key[Array, ""]], TrainState]  # see `init_state`
    train_step: Callable  # from `make_train_step`
    eval_step: Callable  # from `make_eval_step`
