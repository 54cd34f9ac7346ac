"""What a network adds to an enlarged picture, in place of the picture itself.

    y = enlarge(x) + f(x)

with the bicubic enlargement, or x where that is large already. If the last kernel of f begins with
zeros, learning starts at what is to be beaten, and only details are left to be learned: residual
learning, as DnCNN's for noise, and in super-resolution since Kim, Lee & Lee, "Accurate Image
Super-Resolution Using Very Deep Convolutional Networks", CVPR 2016, section 3.1,
https://arxiv.org/abs/1511.04587. ESPCN and SRCNN have it not.
"""

import flax.linen as nn
from jaxtyping import Array, Float

from jaxvision.models.layers import Features
from jaxvision.ops.bicubic import enlarge_bicubic


class Residual(nn.Module):
    """Images [b, h, w, c] -> (images `factor` times as large, the network's features by name).

    Attributes:
        network: f, from images to (images of the size wanted, features).
        factor: how many times as large that is.
    """

    network: nn.Module
    factor: int

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b _h _w c"], Features]:
        details, features = self.network(images, train=train)
        enlarged = images if self.factor == 1 else enlarge_bicubic(images, self.factor)
        return enlarged + details, features | {"details": details}
