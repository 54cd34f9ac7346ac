"""What YOLO learns, and what boxes its answers are.

Redmon, Divvala, Girshick & Farhadi, "You Only Look Once", CVPR 2016, sections 2 to 2.2,
https://arxiv.org/abs/1506.02640. Of the numbers of a cell (`jaxvision.models.yolo`), in row r and
column q of a grid of R x Q, box j is in pixels of an image of h x w

    x = (q + x_j) w / Q    y = (r + y_j) h / R    width = w'_j^2 w    height = h'_j^2 h

An object belongs to the cell that its middle lies in, and there to the box that has the largest IoU
with it: that one is responsible. The loss of an image is (equation 3)

    box          lambda_coord  sum over responsible boxes  (x - x*)^2 + (y - y*)^2
                               + (w' - sqrt(w*))^2 + (h' - sqrt(h*))^2
    confidence   sum over responsible boxes (C - IoU)^2  +  lambda_noobj sum over others C^2
    class        sum over cells with an object, sum over classes (p - p*)^2

with the IoU a constant. The score of a box is its confidence times its cell's largest p, and what
overlaps a box of higher score and the same class is dropped.

Where the paper is silent: of objects with their middles in one cell, the first has it (the others
cannot be learned: that is the method's limit); confidence and p are cut to [0, 1] in a score.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvision.detection.found import Found, Selection, select
from jaxvision.hyperparameters import Scalar
from jaxvision.ops.boxes import cxcywh_to_xyxy, iou
from jaxvision.train.step import Batch

Grid = Float[Array, "b rows columns d"]


class Predictions(NamedTuple):
    """A grid taken apart."""

    boxes: Float[Array, "b rows columns j 4"]  # x, y in cells; w', h'
    confidence: Float[Array, "b rows columns j"]
    classes: Float[Array, "b rows columns c"]


class Targets(NamedTuple):
    """What the cells shall say."""

    there: Bool[Array, "b rows columns"]  # whether an object's middle is in the cell
    boxes: Float[Array, "b rows columns 4"]  # of the object: x, y in cells; sqrt(w*), sqrt(h*)
    label: Int[Array, "b rows columns"]


def take_apart(grid: Grid, num_classes: int) -> Predictions:
    """The numbers of each cell: its boxes, their confidences, and its classes.

    Raises:
        ValueError: if a cell's numbers are none of a whole number of boxes.
    """
    of_boxes = grid.shape[-1] - num_classes
    if of_boxes < 5 or of_boxes % 5:
        raise ValueError(
            f"`grid` must have boxes * 5 + {num_classes} numbers a cell, got {grid.shape[-1]}: it "
            "is of a network with another number of classes."
        )
    boxes = grid[..., :of_boxes].reshape(*grid.shape[:-1], -1, 5)
    return Predictions(boxes[..., :4], boxes[..., 4], grid[..., of_boxes:])


def targets_of(batch: Batch, rows: int, columns: int) -> Targets:
    """Gives each object to the cell that its middle lies in.

    Args:
        batch: "image" [b, h, w, c], "boxes" [b, m, 4], "box_mask" [b, m] and "label" [b, m].
        rows: of the grid.
        columns: of the grid.
    """
    _, height, width, _ = batch["image"].shape
    left, top, right, bottom = jnp.moveaxis(batch["boxes"], -1, 0)
    x, y = (left + right) / 2 * (columns / width), (top + bottom) / 2 * (rows / height)
    # A middle on the image's right or lower edge is in the last cell.
    column = jnp.clip(jnp.floor(x), 0, columns - 1)
    row = jnp.clip(jnp.floor(y), 0, rows - 1)
    sizes = [(right - left) / width, (bottom - top) / height]
    boxes = jnp.stack([x - column, y - row, *map(jnp.sqrt, sizes)], axis=-1)
    cells = jnp.arange(rows * columns)[None, :, None]
    inside = ((row * columns + column)[:, None] == cells) & batch["box_mask"][:, None]
    first = jnp.argmax(inside, axis=2)  # [b, cells]

    def of_first(x: Array) -> Array:
        index = first.reshape(*first.shape, *(1,) * (x.ndim - 2))
        found = jnp.take_along_axis(x, index, axis=1)
        return found.reshape(len(x), rows, columns, *x.shape[2:])

    there = inside.any(axis=2).reshape(-1, rows, columns)
    return Targets(there, of_first(boxes), of_first(batch["label"]))


def yolo_losses(
    grid: Grid,
    batch: Batch,
    num_classes: int,
    lambda_coord: Scalar = 5.0,
    lambda_noobj: Scalar = 0.5,
) -> dict[str, Float[Array, " b"]]:
    """The parts of an image's loss, "box", "confidence" and "class"; the loss is their sum.

    Args:
        grid: what the network says.
        batch: see `targets_of`.
        num_classes: C.
        lambda_coord: the weight of boxes.
        lambda_noobj: that of confidence where there is nothing.

    Raises:
        ValueError: as `take_apart`.
    """
    said = take_apart(grid, num_classes)
    _, rows, columns, of_cell, _ = said.boxes.shape
    truth = targets_of(batch, rows, columns)
    wanted = truth.boxes[:, :, :, None]
    overlap = jax.lax.stop_gradient(
        iou(_around_cell(said.boxes, rows, columns), _around_cell(wanted, rows, columns))
    )
    nearest = jax.nn.one_hot(jnp.argmax(overlap, axis=3), of_cell, dtype=grid.dtype)
    there = truth.there[..., None].astype(grid.dtype)
    responsible = nearest * there

    away = jnp.sum((said.boxes - wanted) ** 2, axis=-1)
    confidence = (said.confidence - overlap) ** 2
    classes = (said.classes - jax.nn.one_hot(truth.label, num_classes)) ** 2
    sums = {
        "box": lambda_coord * responsible * away,
        "confidence": responsible * confidence
        + lambda_noobj * (1 - responsible) * said.confidence**2,
        "class": there * classes,
    }
    return {name: jnp.sum(values, axis=(1, 2, 3)) for name, values in sums.items()}


def yolo_boxes(
    grid: Grid, num_classes: int, height: int, width: int, selection: Selection
) -> Found:
    """The boxes that a grid speaks for, in pixels of images of `height` x `width`.

    Raises:
        ValueError: as `take_apart`.
    """
    said = take_apart(grid, num_classes)
    b, rows, columns = said.boxes.shape[:3]
    corner = jnp.stack(jnp.meshgrid(jnp.arange(columns), jnp.arange(rows)), axis=-1)
    cells = jnp.array([columns, rows])[None, None, None, None]
    middle = (said.boxes[..., :2] + corner[None, :, :, None]) / cells
    relative = jnp.concatenate([middle, said.boxes[..., 2:] ** 2], axis=-1)
    size = jnp.array([width, height, width, height], grid.dtype)
    boxes = cxcywh_to_xyxy(relative * size[None, None, None, None])
    probability = jnp.clip(said.classes, 0, 1)
    scores = jnp.clip(said.confidence, 0, 1) * probability.max(axis=-1, keepdims=True)
    labels = jnp.broadcast_to(probability.argmax(axis=-1)[..., None], scores.shape)
    return select(
        boxes.reshape(b, -1, 4),
        scores.reshape(b, -1),
        labels.reshape(b, -1),
        height,
        width,
        selection,
    )


def _around_cell(
    boxes: Float[Array, "b rows columns j 4"], rows: int, columns: int
) -> Float[Array, "b rows columns j 4"]:
    """Corners, in parts of the image, from the cell's own corner: enough for an IoU."""
    cells = jnp.array([columns, rows], boxes.dtype)[None, None, None, None]
    return cxcywh_to_xyxy(jnp.concatenate([boxes[..., :2] / cells, boxes[..., 2:] ** 2], axis=-1))
