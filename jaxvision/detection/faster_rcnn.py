"""What Faster R-CNN learns, and what boxes its answers are.

Ren, He, Girshick & Sun, "Faster R-CNN", NIPS 2015, equation 1, https://arxiv.org/abs/1506.01497,
for the anchors i of an image that were drawn, and Girshick, "Fast R-CNN", ICCV 2015, equations 1 to
3, for its regions r:

    anchor_class   1/N_cls     sum_i  -log p(right answer: object or not)
    anchor_box     lambda/N_reg  sum over i that are objects  smooth_l1(t_i - t*_i)
    region_class   1/N         sum_r  -log softmax(z_r)[u_r]
    region_box     1/N         sum over r that are objects  smooth_l1(t_r^u - v_r)

with N_cls = anchors that were drawn (256), N_reg = places of the feature maps, N = regions that
were drawn. The loss of an image is the sum of the four.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvision.detection.found import Found, Selection, select
from jaxvision.hyperparameters import Scalar
from jaxvision.models.faster_rcnn import Seen
from jaxvision.models.regions import WEIGHTS
from jaxvision.ops.boxes import decode
from jaxvision.ops.losses import smooth_l1


def faster_rcnn_losses(seen: Seen, lambda_box: Scalar = 10.0) -> dict[str, Float[Array, " b"]]:
    """The four parts of an image's loss; the loss is their sum.

    Args:
        seen: with a lesson: the network was given the objects.
        lambda_box: lambda.

    Raises:
        ValueError: if there is no lesson.
    """
    lesson = seen.lesson
    if lesson is None:
        raise ValueError(
            "`seen` must have a lesson, got None: give the network a `Scene`, the images with "
            "their objects."
        )
    objects = lesson.anchor_objects
    drawn = objects | lesson.anchor_background
    sign = jnp.where(objects, 1.0, -1.0)
    surprise = jax.nn.softplus(-sign * lesson.anchor_logits)  # -log p(right answer)
    anchor_class = _mean(surprise, drawn)
    distance = jnp.sum(smooth_l1(lesson.anchor_deltas - lesson.anchor_targets), axis=2)
    anchor_box = jnp.sum(jnp.where(objects, distance, 0), axis=1) / lesson.places

    log_p = jax.nn.log_softmax(seen.logits)
    background = seen.logits.shape[-1] - 1
    labels = lesson.region_labels
    region_class = _mean(-_at(log_p[..., None], labels)[..., 0], lesson.region_mask)
    deltas = _at(seen.deltas, labels)
    distance = jnp.sum(smooth_l1(deltas - lesson.region_targets), axis=2)
    region_box = _mean(jnp.where(labels < background, distance, 0), lesson.region_mask)
    return {
        "anchor_class": anchor_class,
        "anchor_box": lambda_box * anchor_box,
        "region_class": region_class,
        "region_box": region_box,
    }


def faster_rcnn_boxes(seen: Seen, height: int, width: int, selection: Selection) -> Found:
    """For each proposal and class a box, in pixels of images of `height` x `width`, and of them all
    the best."""
    b, n, outputs = seen.logits.shape
    classes = outputs - 1
    probability = jax.nn.softmax(seen.logits)[..., :classes]
    scores = jnp.where(seen.proposals.mask[..., None], probability, 0)
    boxes = decode(seen.deltas[:, :, :classes], seen.proposals.boxes[:, :, None], WEIGHTS)
    labels = jnp.broadcast_to(jnp.arange(classes)[None, None], scores.shape)
    return select(
        boxes.reshape(b, n * classes, 4),
        scores.reshape(b, n * classes),
        labels.reshape(b, n * classes),
        height,
        width,
        selection,
    )


def _mean(values: Float[Array, "b n"], mask: Array) -> Float[Array, " b"]:
    """Over the entries that count; 0 where none does."""
    return jnp.sum(jnp.where(mask, values, 0), axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


def _at(values: Float[Array, "b n d k"], labels: Array) -> Float[Array, "b n k"]:
    """The entries of each region's own class."""
    return jnp.take_along_axis(values, labels[:, :, None, None], axis=2)[:, :, 0]
