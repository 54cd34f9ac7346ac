"""Faster R-CNN: a small network proposes boxes, and a second look at each says what is in it.

Ren, He, Girshick & Sun, "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
Networks", NIPS 2015, section 3, https://arxiv.org/abs/1506.01497; the second half is Girshick,
"Fast R-CNN", ICCV 2015, section 2. On the features of any network of the zoo:

    anchors     boxes of fixed sizes and ratios around every place of the feature map
    proposals   for each anchor, a score for "something is here" and four numbers that bring it
                nearer (equation 2); the best of them, after non-maximum suppression at IoU 0.7
    regions     what is pooled from each proposal goes through dense layers, and from there come the
                scores of C classes and the background, and for each class four numbers more

All of it has fixed sizes: proposals are filled up and masked. So one compiled program takes images
with any number of boxes, and both halves learn in it together: "approximate joint training"
(section 3.2), in which the proposals are constants to the second half.

To learn, the network takes the objects with the images (`Scene`) and answers, besides, what it drew
to learn from (`Lesson`): 256 anchors, half of them objects if there are so many, and 128 regions, a
quarter of them objects; the objects' own boxes are among the proposals.

Where we deviate: anchors that leave the image are learned from, as later programs do; RoI align
(He et al. 2017) stands where the paper has `roi_pool`, which `pool` can be. Regression targets of
regions are divided by (0.1, 0.1, 0.2, 0.2), which is how the authors' programs scale them.
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.models.layers import Features, Network
from jaxvision.models.pyramid import FeaturePyramid
from jaxvision.models.region_proposals import Proposals, RegionProposalNetwork, propose
from jaxvision.models.regions import Lesson, draw_anchors, draw_regions, pool_levels
from jaxvision.names import lookup
from jaxvision.ops.anchors import anchors
from jaxvision.ops.roi import roi_align

CHANNELS_OF_REGION = 49  # 7 x 7 places a region, as VGG-16's fc6 takes


class Scene(NamedTuple):
    """Images and what is in them."""

    images: Float[Array, "b h w c"]
    boxes: Float[Array, "b m 4"]  # left, top, right, bottom in pixels
    box_mask: Bool[Array, "b m"]
    labels: Int[Array, "b m"]


class Seen(NamedTuple):
    """What the network says of n proposals."""

    proposals: Proposals
    logits: Float[Array, "b n d"]  # C classes, then the background
    deltas: Float[Array, "b n d 4"]  # from the proposal to the box, for each class
    lesson: Lesson | None  # what to learn from, if the objects were given


class Draws(NamedTuple):
    """How many candidates there are, and how many of them are learned from; the paper's."""

    before: int = 6000  # anchors, of each level, that take part in the suppression
    learning: int = 2000  # proposals after it, while learning
    testing: int = 300  # and otherwise
    anchors: int = 256  # of an image that are learned from
    regions: int = 128


class FasterRCNN(Network):
    """Images [b, h, w, c], or a `Scene` of them -> (`Seen`, the backbone's features by name).

    Attributes:
        num_classes: C, without the background.
        backbone: any network, without its head.
        features: those of its features that are looked at, the finest first; more than one make a
            pyramid, with one level more.
        strides: pixels between two places of each level.
        sizes: for each level, the sides of its anchors in pixels, as squares of the same area.
        ratios: of their height to their width.
        pyramid: channels of the pyramid's levels; None for one feature as it is.
        width: channels of the proposals' hidden layer.
        scores: of an anchor: 2 for the paper's softmax of two, 1 for a logistic.
        hidden: widths of the dense layers behind a region.
        pool: (features [h, w, c], boxes [n, 4], size, stride) -> [n, size, size, c].
        draws: see there.

    Raises:
        ValueError: if there are no classes, the backbone has no such feature, or there are not as
            many strides and lists of sizes as levels.
    """

    backbone: Network
    features: tuple[str, ...]
    strides: tuple[int, ...]
    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    pyramid: int | None = None
    width: int = 512
    scores: int = 2
    hidden: tuple[int, ...] = (4096, 4096)
    pool: Callable[..., Array] = roi_align
    draws: Draws = Draws()

    @nn.compact
    def __call__(
        self, inputs: Scene | Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Seen, Features]:
        self._check()
        learning = isinstance(inputs, Scene)
        images = inputs.images if learning else inputs
        _, height, width, _ = images.shape
        _, features = self.backbone(images, train=train)
        levels = [lookup("feature", name, features) for name in self.features]
        if self.pyramid is not None:
            levels = FeaturePyramid(self.pyramid, name="pyramid")(levels)
        grids = [
            anchors(*level.shape[1:3], stride, sizes, self.ratios)
            for level, stride, sizes in zip(levels, self.strides, self.sizes, strict=True)
        ]
        each = len(self.ratios) * len(self.sizes[0])
        network = RegionProposalNetwork(self.width, each, self.scores, name="rpn")
        said = [network(level) for level in levels]
        most = self.draws.learning if learning else self.draws.testing
        proposals = propose(said, grids, height, width, self.draws.before, most)

        lesson = None
        if learning:
            anchor_key, region_key = jax.random.split(self.make_rng("dropout"))
            drawn = draw_anchors(anchor_key, inputs, jnp.concatenate(grids), self.draws.anchors)
            proposals, wanted = draw_regions(
                region_key, inputs, proposals, self.num_classes, self.draws.regions
            )
            lesson = Lesson(
                jnp.concatenate([logits for logits, _ in said], axis=1),
                jnp.concatenate([deltas for _, deltas in said], axis=1),
                *drawn,
                *wanted,
                places=sum(level.shape[1] * level.shape[2] for level in levels),
            )
        pooled = pool_levels(levels, self.strides, proposals.boxes, self.pool)
        logits, deltas = self._look(pooled)
        return Seen(proposals, logits, deltas, lesson), features

    def _look(self, pooled: Float[Array, "b n s s c"]) -> tuple[Array, Array]:
        """The second look: dense layers on every region."""
        b, n = pooled.shape[:2]
        x = pooled.reshape(b, n, -1)
        for i, width in enumerate(self.hidden, 6):
            x = nn.relu(nn.Dense(width, kernel_init=nn.initializers.he_normal(), name=f"fc{i}")(x))
        outputs = self.num_classes + 1
        small = nn.initializers.normal(0.01), nn.initializers.normal(0.001)
        logits = nn.Dense(outputs, kernel_init=small[0], name="class")(x)
        deltas = nn.Dense(outputs * 4, kernel_init=small[1], name="box")(x)
        return logits, deltas.reshape(b, n, outputs, 4)

    def _check(self) -> None:
        if self.num_classes is None:
            raise ValueError(
                "`num_classes` must be given: without classes there is nothing to detect. For "
                "features alone, use the backbone itself."
            )
        levels = len(self.features) + (self.pyramid is not None)
        if not len(self.strides) == len(self.sizes) == levels:
            raise ValueError(
                f"`strides` and `sizes` must be of {levels} levels, got {len(self.strides)} and "
                f"{len(self.sizes)}: one for each feature, and one more for a pyramid."
            )
        if len({len(sizes) for sizes in self.sizes}) > 1:
            raise ValueError(
                f"`sizes` must be as many for each level, got {self.sizes}: the levels share the "
                "layers that speak of them."
            )
