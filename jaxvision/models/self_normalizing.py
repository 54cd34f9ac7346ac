"""Self-normalizing networks: mean 0 and variance 1 in every layer, with nothing that normalises.

Klambauer, Unterthiner, Mayr & Hochreiter, "Self-Normalizing Neural Networks", NeurIPS 2017,
https://arxiv.org/abs/1706.02515. For inputs of mean mu and variance nu, a unit whose weights sum up
to omega = 0, and their squares to tau = 1, has sums z ~ N(mu omega, nu tau). So the moments go from
layer to layer by the map (eqs. 3 to 5)

    mu <- E[selu(z)]        nu <- E[selu(z)^2] - E[selu(z)]^2

The constants of `selu` make (0, 1) its fixed point, and Theorem 1 says that it attracts: deep in
the network the moments arrive there, whatever they were in the images. Hence three things that
belong together: selu, kernels drawn with variance 1 / fan_in (LeCun), and alpha dropout.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, is_zero
from jaxvision.models.layers import Dtype, Features, Network
from jaxvision.ops.activations import selu
from jaxvision.ops.alpha_dropout import alpha_dropout


class SelfNormalizingMLP(Network):
    """Images [b, h, w, c] -> (logits [b, classes], {"hidden1": [b, widths[0]], ...}).

    The images should have mean 0 and variance 1. The parameters fit one height, width and number
    of channels: those of the first images.

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are the last
            hidden layer.
        widths: units of each hidden layer, at least one layer.
        dropout: the share of every hidden layer that alpha dropout takes in training; 0 for none.
        dtype: what is computed in; parameters and logits stay float32.

    Raises:
        ValueError: if `widths` is empty or one is below 1, or if `num_classes` is below 1.
    """

    widths: tuple[int, ...] = (256,) * 8
    dropout: Scalar = 0.05
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
            # Flax's own default, written out because the fixed point stands on it.
            kernel_init = nn.initializers.lecun_normal()
            x = selu(nn.Dense(width, kernel_init=kernel_init, dtype=self.dtype, name=name)(x))
            features[name] = x
            if train and not is_zero(self.dropout):
                x = alpha_dropout(x, self.dropout, self.make_rng("dropout"))
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features
