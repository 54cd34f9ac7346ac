"""Models: images -> (logits, features by name), one paper a file.

Every one of them is a linen module with the same contract:

    model = MODELS["lenet5"](num_classes=10)
    variables = model.init(key, images, train=False)
    logits, features = model.apply(variables, images, train=False)

with images [b, h, w, c], logits [b, num_classes] and features a dict of arrays [b, ...].
`num_classes=None` leaves the head away, and the logits are the last features. `image_size` is the
height and width that the paper defines the network for, or None for any.
"""

from collections.abc import Callable

import flax.linen as nn

from jaxvision.models.lenet import LeNet5, LeNet5Original
from jaxvision.models.linear import LogisticRegression, SoftmaxRegression
from jaxvision.models.mlp import MLP

MODELS: dict[str, Callable[..., nn.Module]] = {
    "softmax_regression": SoftmaxRegression,
    "logistic_regression": LogisticRegression,
    "perceptron": LogisticRegression,  # two names of one network
    "mlp": MLP,
    "lenet5": LeNet5,
    "lenet5_original": LeNet5Original,
}

__all__ = [
    "MLP",
    "MODELS",
    "LeNet5",
    "LeNet5Original",
    "LogisticRegression",
    "SoftmaxRegression",
]
