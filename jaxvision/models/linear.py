"""Linear classifiers: one weighted sum of the pixels per class, and nothing hidden.

The threshold unit of McCulloch & Pitts, "A Logical Calculus of the Ideas Immanent in Nervous
Activity", Bulletin of Mathematical Biophysics 5, 1943, https://doi.org/10.1007/BF02478259, whose
weights Rosenblatt, "The Perceptron", Psychological Review 65(6), 1958,
https://doi.org/10.1037/h0042519, made learnable; with a sigmoid for the step it is logistic
regression (Bishop, "Pattern Recognition and Machine Learning", 2006, section 4.3.2), and with one
such sum for each class softmax regression (section 4.3.4). For the flattened pixels x [d]:

    logistic:  z = w . x + b,          P(1 | x) = sigmoid(z) = 1 / (1 + exp(-z))
    softmax:   logits = x W + b,       P(k | x) = exp(logits_k) / sum_i exp(logits_i)

The first is the second with the logits (0, z), because

    softmax(0, z) = (1, exp(z)) / (1 + exp(z)) = (1 - sigmoid(z), sigmoid(z)),

so one loss, one argmax and one train step serve both.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.models.layers import Features, Network


class SoftmaxRegression(Network):
    """Images [b, h, w, c] -> (logits [b, classes], {"pixels": [b, h * w * c]}).

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are the pixels.

    Raises:
        ValueError: if `num_classes` is below 1.
    """

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        del train  # the same function in training and in evaluation
        x = images.reshape(images.shape[0], -1)
        features = {"pixels": x}
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


class LogisticRegression(Network):
    """The perceptron with a sigmoid: images [b, h, w, c] -> (logits [b, 2], features).

    One weight vector and one bias: h * w * c + 1 parameters. The features are `pixels`
    [b, h * w * c] and `logit` [b], the weighted sum z; the logits are (0, z). Their argmax is 1
    exactly where z > 0: the perceptron's threshold.

    Attributes:
        num_classes: 2; or None for no unit at all, and then the logits are the pixels.

    Raises:
        ValueError: for any other number of classes.
    """

    num_classes: int | None = 2

    def __post_init__(self) -> None:
        if self.num_classes not in (2, None):
            raise ValueError(
                "`num_classes` must be 2 for logistic_regression (the perceptron), or None for no "
                f"unit, got {self.num_classes}: use softmax_regression for other numbers of "
                "classes."
            )
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        del train
        x = images.reshape(images.shape[0], -1)
        features = {"pixels": x}
        if self.num_classes is None:
            return x, features
        z = features["logit"] = nn.Dense(1, name="head")(x)[:, 0]
        return jnp.stack([jnp.zeros_like(z), z], axis=-1), features
