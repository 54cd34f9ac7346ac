"""What pretrained weights expect of an image: it travels with them.

On the host: the short side to `resize` pixels, and the middle `crop` x `crop` of it. Inside the
compiled program: x = (pixel - mean) / std, channel by channel, in the weights' order of channels.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, UInt8
from PIL import Image


class Preprocessing(NamedTuple):
    """Sizes in pixels; mean and std in pixel values 0..255, in the order of `channels`."""

    resize: int  # the short side before cropping
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels: str = "RGB"  # or "BGR", as Caffe and the weights that come from it

    def fit(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "crop crop 3"]:
        """Resizes and crops an RGB image of any size: bilinear and antialiased, as torchvision."""
        h, w, _ = image.shape
        short = min(h, w)
        # torchvision cuts the long side's fraction off, and rounds the crop's corner.
        size = (int(self.resize * w / short), int(self.resize * h / short))
        resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        top, left = (round((side - self.crop) / 2) for side in resized.shape[:2])
        return resized[top : top + self.crop, left : left + self.crop]

    def normalize(self, images: Num[Array | np.ndarray, "b h w 3"]) -> Float[Array, "b h w 3"]:
        """Makes the network's input of RGB pixels 0..255, inside the compiled program."""
        images = jnp.asarray(images, jnp.float32)
        if self.channels == "BGR":
            images = images[..., ::-1]
        mean, std = (jnp.array(v, jnp.float32).reshape(1, 1, 1, 3) for v in (self.mean, self.std))
        return (images - mean) / std


def of_unit_range(
    resize: int, crop: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Preprocessing:
    """For weights whose mean and std are stated for pixels of 0..1, as PyTorch's."""
    mean, std = (tuple(255 * value for value in values) for values in (mean, std))
    return Preprocessing(resize, crop, mean, std)


IMAGENET = of_unit_range(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
IMAGENET_232 = IMAGENET._replace(resize=232)
# torchvision gives ImageNet's mean and std for these two, and undoes them inside the network.
INCEPTION = of_unit_range(342, 299, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
GOOGLENET = INCEPTION._replace(resize=256, crop=224)
CAFFE = Preprocessing(256, 224, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "BGR")
CIFAR = IMAGENET._replace(resize=32, crop=32)
