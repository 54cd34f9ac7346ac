"""Density networks: not one answer, but how probable each is.

Bishop, "Mixture Density Networks", report NCRG/94/004, Aston University, 1994; "Pattern Recognition
and Machine Learning", 2006, section 5.6. On the last features x of a network,

    density network    m = x W_m + b_m         s = smallest + softplus(x W_s + b_s)
    mixture            logits, means and deviations alike, for each of k components

`jaxvision.ops.densities` has what is learned by, and what may be asked of such an answer. The
network before them is by default the multilayer perceptron, and may be any without a head.

Where we deviate: softplus with a least deviation for Bishop's e^z, and a deviation for each of a
target's components. One mean and one deviation are Nix & Weigend's, "Estimating the Mean and
Variance of the Target Probability Distribution", ICNN 1994, which have a hidden layer each; here
they share it. The heads begin as a `Dense` does, with variance 1 / fan_in, and zero biases.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.hyperparameters import Scalar, require, require_whole
from jaxvision.models.layers import Features, Network
from jaxvision.models.mlp import MLP
from jaxvision.ops.densities import Gaussian, GaussianMixture, softplus_deviation


class DensityNetwork(nn.Module):
    """Images [b, h, w, c] -> (Gaussian of mean and deviation [b, components], features of `body`).

    It has no classes, and is none of `MODELS`. Targets should have a variance near 1.

    Attributes:
        components: d, numbers of a target.
        body: a network without a head; the targets are told from what it returns.
        smallest: the least deviation, in the units of the target.

    Raises:
        ValueError: if `components` is below 1, `smallest` a number not above 0, or `body` has a
            head.
    """

    components: int = 1
    body: Network = MLP(None)
    smallest: Scalar = 1e-3

    def __post_init__(self) -> None:
        require_whole("components", self.components, low=1)
        _check_body(self.body, self.smallest)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Gaussian, Features]:
        x, features = self.body(images, train=train)
        x = x.reshape(x.shape[0], -1)
        mean = nn.Dense(self.components, name="mean")(x)
        z = nn.Dense(self.components, name="deviation")(x)
        return Gaussian(mean, softplus_deviation(z, self.smallest)), features


class MixtureDensityNetwork(nn.Module):
    """Images [b, h, w, c] -> (GaussianMixture of `mixture` components, features of `body`).

    It has no classes, and is none of `MODELS`. Targets should have a variance near 1.

    Attributes:
        mixture: k, how many Gaussians.
        components: d, numbers of a target.
        body: a network without a head; the targets are told from what it returns.
        smallest: the least deviation, in the units of the target.

    Raises:
        ValueError: if `mixture` or `components` is below 1, `smallest` a number not above 0, or
            `body` has a head.
    """

    mixture: int
    components: int = 1
    body: Network = MLP(None)
    smallest: Scalar = 1e-3

    def __post_init__(self) -> None:
        require_whole("mixture", self.mixture, low=1)
        require_whole("components", self.components, low=1)
        _check_body(self.body, self.smallest)
        super().__post_init__()

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[GaussianMixture, Features]:
        x, features = self.body(images, train=train)
        x = x.reshape(x.shape[0], -1)
        shape = (-1, self.mixture, self.components)
        width = self.mixture * self.components
        logits = nn.Dense(self.mixture, name="logits")(x)
        means = nn.Dense(width, name="means")(x).reshape(shape)
        z = nn.Dense(width, name="deviations")(x).reshape(shape)
        return GaussianMixture(logits, means, softplus_deviation(z, self.smallest)), features


def _check_body(body: Network, smallest: Scalar) -> None:
    require("smallest", smallest, "(0, inf)", "it is what keeps the likelihood bounded")
    if body.num_classes is not None:
        raise ValueError(
            f"`body` must have no head, got one of {body.num_classes} classes: give it "
            "`num_classes=None`."
        )
