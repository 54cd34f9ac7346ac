"""The region proposal network: for each anchor, whether something is there, and how it is moved.

Ren, He, Girshick & Sun, "Faster R-CNN", NIPS 2015, section 3.1, https://arxiv.org/abs/1506.01497: a
3x3 convolution and two 1x1 beside each other slide over the feature map. Of a pyramid, all levels
share them (Lin et al. 2017, section 4.1), and the suppression keeps to a level.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvision.models.layers import Conv
from jaxvision.ops.boxes import clip, decode
from jaxvision.ops.nms import class_nms

OVERLAP = 0.7  # of two proposals that overlap by more, the worse is dropped
SMALLEST = 1.0  # pixels: the side of a proposal


class Proposals(NamedTuple):
    """Boxes in which something may be, the likeliest first."""

    boxes: Float[Array, "b n 4"]  # pixels, cut at the image's border
    logits: Float[Array, "b n"]  # that something is there
    mask: Bool[Array, "b n"]  # False for filling


class RegionProposalNetwork(nn.Module):
    """A level [b, h, w, c] -> (logits [b, h * w * anchors], deltas [b, h * w * anchors, 4]).

    Attributes:
        width: channels of the hidden layer.
        anchors: at each place.
        scores: of an anchor: 2 for a softmax of two, whose difference is the logit; 1 for a logit.
    """

    width: int
    anchors: int
    scores: int

    @nn.compact
    def __call__(
        self, level: Float[Array, "b h w c"]
    ) -> tuple[Float[Array, "b a"], Float[Array, "b a 4"]]:
        b, small = len(level), nn.initializers.normal(0.01)
        x = nn.relu(Conv(self.width, 3, padding=1, kernel_init=small, name="hidden")(level))
        scores = Conv(self.anchors * self.scores, 1, kernel_init=small, name="score")(x)
        scores = scores.reshape(b, -1, self.scores)
        deltas = Conv(self.anchors * 4, 1, kernel_init=small, name="box")(x)
        logits = scores[..., 0] if self.scores == 1 else scores[..., 1] - scores[..., 0]
        return logits, deltas.reshape(b, -1, 4)


def propose(
    said: Sequence[tuple[Float[Array, "b _"], Float[Array, "b _ 4"]]],
    anchors: Sequence[Float[Array, "_ 4"]],
    height: int,
    width: int,
    before: int,
    most: int,
) -> Proposals:
    """The `most` likeliest boxes of all levels; constants, through which no gradient flows.

    Args:
        said: of each level, what the network says.
        anchors: of each level.
        height: of the images.
        width: of the images.
        before: of each level at most so many, the likeliest, take part.
        most: proposals of an image.
    """
    said = jax.lax.stop_gradient(list(said))

    def one(said):
        boxes, logits, numbers = [], [], []
        for number, ((level_logits, deltas), grid) in enumerate(zip(said, anchors, strict=True)):
            likeliest, rows = jax.lax.top_k(level_logits, min(before, len(grid)))
            boxes.append(clip(decode(deltas[rows], grid[rows]), height, width))
            logits.append(likeliest)
            numbers.append(jnp.full(likeliest.shape, number))
        boxes, logits = jnp.concatenate(boxes), jnp.concatenate(logits)
        sides = boxes[:, 2:] - boxes[:, :2]
        rows, kept = class_nms(
            boxes,
            logits,
            jnp.concatenate(numbers),
            OVERLAP,
            most=most,
            mask=jnp.all(sides >= SMALLEST, axis=1),
        )
        return Proposals(boxes[rows], logits[rows], kept)

    return jax.vmap(one)(said)
