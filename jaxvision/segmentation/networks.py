"""A network by its name, and how images must be cut for it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvision.models import Network
from jaxvision.models.unet import EncoderUNet, PaddedUNet, UNet
from jaxvision.names import lookup
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.transfer.backbone import make_backbone
from jaxvision.transfer.stages import features_of

NETWORKS = ("padded_unet", "unet", "encoder_unet")


class Segmenter(NamedTuple):
    """A network, and the sizes that it wants."""

    model: Network
    features: tuple[str, ...]  # of its backbone, that it looks at; () without a backbone
    margin: int  # pixels on every side that it sees and gives no answer for
    stride: int  # the product of its strides
    radius: int  # of the receptive field, in pixels, at most; of a backbone's an estimate
    smallest: int = 1  # side that it takes

    def fit(self, side: int) -> int:
        """The smallest side, of what is answered for, that it takes and that has room for `side`.

        A padded network has multiples of its stride: others it would continue itself.
        """
        side = max(side, self.smallest)
        beyond = 4 if self.margin else 0  # `unet_output_size`: 2^depth (s - 8) + 4
        return beyond + self.stride * max(-(-(side - beyond) // self.stride), 0 if beyond else 1)


def make_segmenter(
    config: SegmentConfig,
    classes: int,
    channels: int,
    options: Mapping[str, Any] | None = None,
) -> Segmenter:
    """The network that the configuration names.

    Args:
        config: which.
        classes: how many.
        channels: of the images.
        options: attributes of the backbone, as pretrained weights want them.

    Raises:
        ValueError: if it, or its backbone, is unknown, or the backbone has no maps to go up from.
    """
    lookup("model", config.model, dict.fromkeys(NETWORKS))
    depth, stride = config.depth, 2**config.depth
    dtype = None if config.dtype == "float32" else jnp.dtype(config.dtype)
    lost = 6 * stride - 4  # on a side, by the valid convolutions of `unet_output_size`
    radius = lost + stride - 1  # where a pool begins depends on nothing nearer
    if config.model == "unet":
        return Segmenter(UNet(classes, config.width, depth, dtype=dtype), (), lost, stride, radius)
    if config.model == "padded_unet":
        return Segmenter(
            PaddedUNet(classes, config.width, depth, dtype=dtype), (), 0, stride, radius
        )
    if config.backbone is None:
        raise ValueError(
            "`backbone` must be given for encoder_unet, or `pretrained` in its place: resnet18 is "
            "a small one."
        )
    backbone = make_backbone(config.backbone, config.dtype, options)
    features = find_maps(backbone, channels, depth)
    widths = tuple(config.width * 2**i for i in range(len(features)))
    model = EncoderUNet(classes, backbone, features, widths, dtype=dtype)
    # A deep backbone sees farther than it looks: what counts lies within about half of that.
    return Segmenter(model, features, 0, stride, 12 * stride, backbone.minimum_size)


def find_maps(backbone: Network, channels: int, depth: int) -> tuple[str, ...]:
    """The last feature at each resolution, from the finest to that of stride 2^depth.

    Raises:
        ValueError: if there is none of stride 2^depth; names the strides that there are.
    """
    side = max(64, 2 ** (depth + 1), backbone.minimum_size)
    side = -(-side // 2**depth) * 2**depth
    images = jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)
    variables = jax.eval_shape(
        lambda images: backbone.init(jax.random.key(0), images, train=False), images
    )
    maps = {
        name: x.shape[1]
        for name, x in features_of(backbone, variables, images).items()
        if x.ndim == 4 and x.shape[1] == x.shape[2]
    }
    last = {rows: name for name, rows in maps.items()}
    wanted = [last[side // 2**i] for i in range(depth + 1) if side // 2**i in last]
    if side // 2**depth not in last:
        known = sorted({side // rows for rows in last if side % rows == 0})
        raise ValueError(
            f"`depth` must be one for which the backbone has a map, that of stride 2^{depth} = "
            f"{2**depth}; it has the strides {', '.join(map(str, known)) or 'of no map'}: choose "
            "another depth or backbone."
        )
    return tuple(wanted)
