"""Multilayer perceptron: weighted sums, each layer's bent by an activation before the next.

Rumelhart, Hinton & Williams, "Learning Representations by Back-Propagating Errors", Nature 323,
1986, https://doi.org/10.1038/323533a0. With x_0 the flattened pixels and f the activation:

    x_l = f(x_{l-1} W_l + b_l),  l = 1 .. L          logits = x_L W + b

Where we deviate: f is the ReLU unless another is given, and the hidden kernels are drawn with the
variance that a ReLU needs to pass its input's on, Var(W_l) = 2 / fan_in (He, Zhang, Ren & Sun,
"Delving Deep into Rectifiers", ICCV 2015, section 2.2, https://arxiv.org/abs/1502.01852). No ReLU
follows the head: its kernel has variance 1 / fan_in. Biases start at 0.
"""

from collections.abc import Callable

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar
from jaxvision.models.layers import Dropout, Dtype, Features, Network


class MLP(Network):
    """Images [b, h, w, c] -> (logits [b, classes], {"hidden1": [b, widths[0]], ...}).

    The parameters fit one height, width and number of channels: those of the first images.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are the last
            hidden layer.
        widths: units of each hidden layer, at least one layer.
        activation: after every hidden layer; the features are what it returns.
        kernel_init: of the hidden kernels; choose it for the activation
            (`nn.initializers.lecun_normal()` for tanh).
        dropout: share of every hidden layer that is dropped in training; the paper has none.
        dtype: what is computed in; parameters and logits stay float32.

    Raises:
        ValueError: if `widths` is empty or one is below 1, or if `num_classes` is below 1.
    """

    widths: tuple[int, ...] = (256, 128)
    activation: Callable[[Array], Array] = nn.relu
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    dropout: Scalar = 0.0
    dtype: Dtype = None

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1:
            raise ValueError(
                "`widths` must name at least one hidden layer, each at least 1 wide, got "
                f"{self.widths}: use softmax_regression for no hidden layer."
            )
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        features = {}
        x = images.reshape(images.shape[0], -1)
        for i, width in enumerate(self.widths):
            name = f"hidden{i + 1}"
            dense = nn.Dense(width, kernel_init=self.kernel_init, dtype=self.dtype, name=name)
            x = features[name] = self.activation(dense(x))
            x = Dropout(self.dropout, train, name=f"dropout{i + 1}")(x)
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features
