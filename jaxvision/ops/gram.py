"""The Gram matrix: which features of a layer come together, wherever in the image.

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
equation 3, https://doi.org/10.1109/CVPR.2016.265. With F_pi the feature i at position p,

    G_ij = 1/n  sum over the n positions p of  F_pi F_pj

The paper's G is the sum, and its equation 4 divides by n afterwards; the mean says the same of
images of all sizes. It is symmetric and positive semi-definite, and does not change when positions
change places: what is where is the content, and is not in it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def gram_matrix(features: Float[Array, "b h w c"]) -> Float[Array, "b c c"]:
    """The mean over the positions of each image of the products of its features, two by two.

    >>> features = jnp.arange(4.0).reshape(1, 1, 2, 2)  # (0, 1) at one position, (2, 3) beside it
    >>> print(gram_matrix(features)[0])
    [[2. 3.]
     [3. 5.]]
    """
    _, h, w, _ = features.shape
    return gram_sum(features) / (h * w)


def gram_sum(
    features: Float[Array, "b h w c"], weights: Float[Array, "h w"] | None = None
) -> Float[Array, "b c c"]:
    """The sum over positions, each as often as its weight says; without weights, once.

    Sums over parts of an image add up to that of the whole.
    """
    weighted = features if weights is None else features * weights[None, :, :, None]
    return jnp.einsum("bhwc,bhwd->bcd", weighted, features)
