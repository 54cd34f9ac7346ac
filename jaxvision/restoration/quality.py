"""How near restored pictures are to the true ones, as the files that are written of them.

Both are held to 0..255 and rounded to whole grey levels first, which moves a PSNR of 30 dB by less
than 0.01 dB; the peak is 255. Super-resolution is measured as in the literature: on the luminance
of colours, and without a border of as many pixels as the factor, where zeros come in. Luminance is
that of grey pictures here, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); the literature's has a range
of 16 to 235, and so 1.3 dB more for the same picture in colour. Grey pictures are the same.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from jaxvision.ops.image_metrics import WINDOW, psnr, ssim

PEAK = 255
LUMINANCE = (0.299, 0.587, 0.114)


class Quality(NamedTuple):
    """What is measured.

    Attributes:
        shave: pixels at each border that are left away.
        luminance: whether that of colours is measured, in place of all three.
    """

    shave: int = 0
    luminance: bool = False

    @property
    def smallest(self) -> int:
        """The least height and width of a picture, for the window of SSIM."""
        return WINDOW + 2 * self.shave

    def __call__(
        self, restored: Num[Array, "b h w c"], truth: Num[Array, "b h w c"]
    ) -> dict[str, Float[Array, " b"]]:
        """{"PSNR": in dB, "SSIM": at most 1}, of pixel values 0..255."""
        restored, truth = (self._look(x) for x in (restored, truth))
        return {"PSNR": psnr(restored, truth, PEAK), "SSIM": ssim(restored, truth, PEAK)}

    def _look(self, images: Num[Array, "b h w c"]) -> Float[Array, "b _h _w _c"]:
        images = jnp.round(jnp.clip(images.astype(jnp.float32), 0, PEAK))
        _, h, w, c = images.shape
        images = images[:, self.shave : h - self.shave, self.shave : w - self.shave]
        if self.luminance and c == 3:
            weights = jnp.array(LUMINANCE).reshape(1, 1, 1, 3)
            images = jnp.sum(images * weights, axis=3, keepdims=True)
        return images
