"""Which pixels a class, or a unit, depends on: by a gradient, plain or with another ReLU.

    saliency               |d logit / d image|, the largest of a pixel's channels: Simonyan, Vedaldi
                           & Zisserman, "Deep Inside Convolutional Networks", 2014, section 3.1,
                           https://arxiv.org/abs/1312.6034
    guided backpropagation the same derivative, where ReLUs pass nothing on that is negative:
                           Springenberg et al., "Striving for Simplicity", 2015, section 3.4,
                           https://arxiv.org/abs/1412.6806
    deconvolution          the pattern in the image that one activation comes from: Zeiler & Fergus,
                           "Visualizing and Understanding Convolutional Networks", ECCV 2014,
                           section 2.1, https://arxiv.org/abs/1311.2901

`rewritten` has the two other ReLUs. Logits are taken before the softmax, as Simonyan et al. do: a
probability also rises where another class's logit falls.

Where we deviate: on the way back of a deconvolution Zeiler & Fergus leave local response
normalisation out; here it has its gradient, as batch normalisation has.

Each function traces and compiles its network when called. To call it more often:
`jax.jit(functools.partial(saliency, network))`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.inspect.pictures.network import Classes, Network, class_scores, feature_of, run
from jaxvision.inspect.pictures.rewritten import (
    deconvolution_rule,
    guided_rule,
    with_relu_gradient,
)


def saliency(
    network: Network, images: Float[Array, "b h w c"], classes: Classes = None
) -> Float[Array, "b h w"]:
    """By how much a class's logit changes with each pixel, at most.

    Args:
        network: images -> (logits, features).
        images: what it classifies.
        classes: one for each image; by default the most probable.

    Raises:
        ValueError: if a class is not one of the network's.
    """
    return jnp.abs(_class_gradient(network, images, classes)).max(axis=-1)


def guided_backpropagation(
    network: Network, images: Float[Array, "b h w c"], classes: Classes = None
) -> Float[Array, "b h w c"]:
    """What of each pixel speaks for a class, by guided ReLUs; signed. Arguments of `saliency`.

    Raises:
        ValueError: if a class is not one of the network's, or the network has no ReLU.
    """
    return _class_gradient(with_relu_gradient(network, guided_rule), images, classes)


def deconvolution(
    network: Network, images: Float[Array, "b h w c"], feature: str, channel: int
) -> Float[Array, "b h w c"]:
    """Projects the strongest activation of a channel back to the pixels; all others are zero.

    Max pooling puts values back where the maxima came from. Of equal activations it is the first,
    by rows.

    Args:
        network: images -> (logits, features).
        images: one projection is made of each.
        feature: its name.
        channel: which of the feature's, the last axis.

    Raises:
        ValueError: if there is no such feature or channel, or the network has no ReLU.
    """
    rewritten = with_relu_gradient(network, deconvolution_rule)

    @jax.jit
    def project(images):
        def value_of(images):
            return feature_of(run(rewritten, images)[1], feature, channel)

        value, pull_back = jax.vjp(value_of, images)
        units = value[..., channel].reshape(len(value), -1)
        strongest = jax.nn.one_hot(units.argmax(axis=1), units.shape[1], dtype=value.dtype)
        kept = (units * strongest).reshape(value.shape[:-1])
        return pull_back(jnp.zeros_like(value).at[..., channel].set(kept))[0]

    return project(images)


def _class_gradient(
    network: Network, images: Float[Array, "b h w c"], classes: Classes
) -> Float[Array, "b h w c"]:
    """d logit / d image, of each image's class."""

    def total(images):
        # One backward pass for the batch: an image has no part in the others' logits.
        return class_scores(run(network, images)[0], classes).sum()

    return jax.jit(jax.grad(total))(images)
