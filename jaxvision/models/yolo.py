"""YOLO: one look at the image, and each cell of a grid says what lies in it, and where.

Redmon, Divvala, Girshick & Farhadi, "You Only Look Once: Unified, Real-Time Object Detection", CVPR
2016, section 2, https://arxiv.org/abs/1506.02640. The image is divided into s x s cells, and the
network answers for each with

    B boxes (x, y, w', h', confidence) and C class probabilities,    B * 5 + C numbers in a row

x and y are the box's middle, in cells from the cell's left upper corner; w' and h' are the square
roots of its width and height as parts of the image's. What they are worth is learned by
`jaxvision.detection.yolo`, which also makes boxes in pixels of them.

`YOLOv1` is the paper's: 24 convolutions (or 9, "Fast YOLO") and two dense layers that see the whole
image, 448 x 448. `GridYOLO` has any network of the zoo below, of whose feature map each place is a
cell, and two convolutions in place of the dense layers: so it takes images of any size, and no
cell has parameters of its own. (That the roots come from the network themselves, and not its
widths, is how the authors' program reads the loss.)
"""

from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jaxvision.hyperparameters import Scalar
from jaxvision.models.darknet import darknet9, darknet24, leaky
from jaxvision.models.layers import Conv, Dropout, Features, Network
from jaxvision.names import lookup


class YOLOv1(Network):
    """Images [b, 448, 448, c] -> (grid [b, s, s, boxes * 5 + classes], features by name).

    Features are those of the convolutions, and `fc1` (of the fast network `fc0`, too).

    Attributes:
        num_classes: C, without the background.
        convolutions: what is below the dense layers.
        hidden: widths of the dense layers but the last; the last of them is dropped out.
        boxes: B, of each cell.
        cells: s, a side.
        dropout: share of the last hidden layer that is dropped in training.

    Raises:
        ValueError: if there are no classes.
    """

    convolutions: Network = darknet24(None)
    hidden: tuple[int, ...] = (4096,)
    boxes: int = 2
    cells: int = 7
    dropout: Scalar = 0.5
    image_size: ClassVar[int | None] = 448
    minimum_size: ClassVar[int] = 64

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b s s d"], Features]:
        _check_classes(self.num_classes)
        _, features = self.convolutions(images, train=train)
        maps = [x for x in features.values() if x.ndim == 4]
        x, dense = maps[-1].reshape(len(images), -1), len(self.hidden)
        for i, width in enumerate(self.hidden, 2 - dense):
            x = nn.Dense(width, kernel_init=nn.initializers.he_normal(), name=f"fc{i}")(x)
            x = features[f"fc{i}"] = leaky(x)
        x = Dropout(self.dropout, train)(x)
        depth = self.boxes * 5 + self.num_classes
        x = nn.Dense(self.cells**2 * depth, name="fc2")(x)
        return x.reshape(len(images), self.cells, self.cells, depth), features


class GridYOLO(Network):
    """Images [b, h, w, c] -> (grid [b, rows, columns, boxes * 5 + classes], features by name).

    Attributes:
        num_classes: C, without the background.
        backbone: any network, without its head.
        feature: the feature of it, [b, rows, columns, n], whose places are the cells.
        width: channels of the hidden layer.
        boxes: B, of each cell.

    Raises:
        ValueError: if there are no classes, or `backbone` has no such feature.
    """

    backbone: Network
    feature: str
    width: int = 256
    boxes: int = 2

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b rows columns d"], Features]:
        _check_classes(self.num_classes)
        _, features = self.backbone(images, train=train)
        x = lookup("feature", self.feature, features)
        x = features["hidden"] = leaky(Conv(self.width, 3, padding=1, name="hidden")(x))
        depth = self.boxes * 5 + self.num_classes
        small = nn.initializers.normal(0.01)
        return Conv(depth, 1, kernel_init=small, bias_init=self._empty_cell, name="grid")(
            x
        ), features

    def _empty_cell(self, key: Key[Array, ""], shape: tuple[int, ...], dtype: Any) -> Array:
        """Boxes of a quarter of the image's side, in the cell's middle, that nothing speaks for:
        for boxes without size, no IoU could tell which of a cell's is the nearest."""
        del key
        box = jnp.array([0.5, 0.5, 0.5, 0.5, 0.0], dtype)
        classes = jnp.zeros(shape[0] - 5 * self.boxes, dtype)
        return jnp.concatenate([jnp.tile(box, self.boxes), classes])


def _check_classes(num_classes: int | None) -> None:
    if num_classes is None:
        raise ValueError(
            "`num_classes` must be given: without classes there is nothing to detect. For features "
            "alone, use the backbone itself."
        )


yolo_v1 = partial(YOLOv1)
fast_yolo = partial(YOLOv1, convolutions=darknet9(None), hidden=(256, 4096))
