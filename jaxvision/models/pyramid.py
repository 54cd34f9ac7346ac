"""Feature pyramid: the coarse maps, which know what is there, handed down to the fine ones.

Lin, Dollar, Girshick, He, Hariharan & Belongie, "Feature Pyramid Networks for Object Detection",
CVPR 2017, section 3, https://arxiv.org/abs/1612.03144. From the coarsest map C_n to the finest C_1,

    M_n = conv1x1(C_n)    M_i = conv1x1(C_i) + upsample(M_{i+1})    P_i = conv3x3(M_i)

all with the same number of channels, and upsample repeats every place. One more level, P_{n+1}, is
every second place of P_n. A level is at most twice as large as the next, and one less where the
sizes are odd.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.models.layers import Conv


class FeaturePyramid(nn.Module):
    """Maps [b, h_i, w_i, c_i], the finest first -> as many [b, h_i, w_i, width], and one coarser.

    Attributes:
        width: channels of every level.
    """

    width: int = 256

    @nn.compact
    def __call__(
        self, maps: Sequence[Float[Array, "b _ _ _"]]
    ) -> list[Float[Array, "b _ _ {self.width}"]]:
        merged, levels = None, []
        for i, x in reversed(list(enumerate(maps, 1))):
            x = Conv(self.width, 1, name=f"inner{i}")(x)
            if merged is not None:
                x = x + _enlarge(merged, *x.shape[1:3])
            merged = x
            levels.insert(0, Conv(self.width, 3, padding=1, name=f"layer{i}")(x))
        return [*levels, levels[-1][:, ::2, ::2]]


def _enlarge(x: Float[Array, "b h w c"], height: int, width: int) -> Array:
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)[:, :height, :width]
