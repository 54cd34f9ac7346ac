"""The optimizers of the course, from their papers' equations, as Optax transformations."""

from jaxvision.optim.adam import ScaleByAdamState, adam, scale_by_adam
from jaxvision.optim.base import DescendState, Scalar, ScalarOrSchedule, Schedule, descend
from jaxvision.optim.sgd import sgd

__all__ = [
    "DescendState",
    "Scalar",
    "ScalarOrSchedule",
    "ScaleByAdamState",
    "Schedule",
    "adam",
    "descend",
    "scale_by_adam",
    "sgd",
]
