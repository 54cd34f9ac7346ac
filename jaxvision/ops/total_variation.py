"""Total variation: how much an image changes from pixel to pixel.

Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015,
section 3, https://arxiv.org/abs/1412.0035, with beta = 2, for an image of h x w pixels:

    TV = 1/(h w)  sum over pixels and channels of  (x[i, j+1] - x[i, j])^2 + (x[i+1, j] - x[i, j])^2

Squares have a derivative everywhere, which lengths (Rudin, Osher & Fatemi, 1992) have not where an
image is flat. The paper's is the sum; the mean says the same at all sizes.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def total_variation(images: Float[Array, "b h w c"]) -> Float[Array, " b"]:
    """The mean square of what neighbouring pixels differ by, across and down, of each image."""
    _, h, w, _ = images.shape
    across = jnp.sum(jnp.diff(images, axis=2) ** 2, axis=(1, 2, 3))
    down = jnp.sum(jnp.diff(images, axis=1) ** 2, axis=(1, 2, 3))
    return (across + down) / (h * w)
