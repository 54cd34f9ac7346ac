"""Non-maximum suppression: of boxes that show the same thing, the one with the highest score.

    nms          keeps the best of the boxes that are left, and drops all whose IoU with it is above
                 a threshold, until none is left (Dalal & Triggs 2005; Girshick et al. 2014,
                 section 2.1, https://arxiv.org/abs/1311.2524)
    class_nms    the same among the boxes of each class
    soft_nms     drops none but lowers scores, s <- s f(IoU) (Bodla et al., "Soft-NMS", ICCV 2017,
                 figure 2 and equations 2 and 3, https://arxiv.org/abs/1704.04503)

Boxes are (left, top, right, bottom). Shapes are static: `most` boxes come out, and a mask that says
which of them are any; the others are row 0. Boxes without area overlap nothing (`boxes.iou`). Of
equal scores that of the lower index comes first. Scores are compared, so any will do; for soft_nms,
which multiplies them, they must not be negative.

Suppression goes by tiles: the `TILE` best boxes that are left, among which

    kept[j] = no i < j with kept[i] and IoU[i, j] > threshold

is iterated from kept = all until it holds. The first k rows are right after k iterations, so that
what it ends in is the greedy choice; it takes as many as the longest chain of boxes that decide on
one another, mostly a few. Then the tile's kept boxes drop what they overlap of all others, at once.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, Integer

from jaxvision.hyperparameters import Scalar, require, require_whole
from jaxvision.ops.boxes import iou_matrix

TILE = 64  # from 32 to 128 are as fast

Decay: TypeAlias = Callable[[Float[Array, " n"]], Float[Array, " n"]]  # IoU -> factor


def nms(
    boxes: Float[Array, "n 4"],
    scores: Float[Array, " n"],
    iou_threshold: Scalar,
    *,
    most: int,
    mask: Bool[Array, " n"] | None = None,
) -> tuple[Int32[Array, "{most}"], Bool[Array, "{most}"]]:
    """Keeps the boxes that no kept box of a higher score overlaps by more than the threshold.

    It is not differentiable, and what is gathered by its indices is.

    Args:
        boxes: any number, also fewer than `most`.
        scores: one for each; -inf or NaN says that it is no box.
        iou_threshold: a box is dropped if its IoU is above, as torchvision's.
        most: boxes to return; the search ends when it has them.
        mask: False for rows that are no boxes.

    Returns:
        The rows of the kept boxes in descending order of their scores, and which of these `most`
        numbers are any.

    Raises:
        ValueError: if the threshold is outside of [0, 1], or `most` below 1.
    """
    return _suppress(boxes, scores, None, iou_threshold, most, mask)


def class_nms(
    boxes: Float[Array, "n 4"],
    scores: Float[Array, " n"],
    classes: Integer[Array, " n"],
    iou_threshold: Scalar,
    *,
    most: int,
    mask: Bool[Array, " n"] | None = None,
) -> tuple[Int32[Array, "{most}"], Bool[Array, "{most}"]]:
    """`nms` in which boxes drop those of their own class only, in one order of all scores.

    torchvision's `batched_nms` without its rounding errors, as no box is moved.

    Args:
        boxes: as for `nms`; and so `scores`, `iou_threshold`, `most`, `mask` and what is returned.
        classes: one for each box.
    """
    return _suppress(boxes, scores, classes, iou_threshold, most, mask)


def soft_nms(
    boxes: Float[Array, "n 4"],
    scores: Float[Array, " n"],
    decay: Decay,
    *,
    most: int,
    mask: Bool[Array, " n"] | None = None,
) -> tuple[Int32[Array, "{most}"], Float[Array, "{most}"], Bool[Array, "{most}"]]:
    """Takes the box with the highest score and multiplies those of the rest by f(IoU), and so on.

    Differentiable in the boxes and the scores. To leave out low scores at the end is the caller's.

    Args:
        boxes: one or more, also fewer than `most`.
        scores: one for each, 0 or above.
        decay: f, `gaussian_decay(sigma)` or `linear_decay(iou_threshold)`.
        most: boxes to return.
        mask: False for rows that are no boxes.

    Returns:
        The rows of the boxes in the order in which they were taken, their scores then, which
        descend as long as f is in [0, 1], and which of these `most` are any; others have score 0.

    Raises:
        ValueError: if `most` is below 1.
    """
    require_whole("most", most, low=1)

    def take(state, _):
        scores, left = state
        best = jnp.argmax(jnp.where(left, lax.stop_gradient(scores), -jnp.inf)).astype(jnp.int32)
        taken = jnp.where(left[best], best, 0), jnp.where(left[best], scores[best], 0), left[best]
        scores = scores * decay(iou_matrix(boxes[best][None], boxes)[0])
        return (scores, left.at[best].set(False)), taken

    n = len(scores)
    left = jnp.ones(n, bool) if mask is None else mask
    _, taken = lax.scan(take, (scores, left), length=min(most, n))
    indices, decayed, kept = (jnp.pad(column, (0, max(most - n, 0))) for column in taken)
    return indices, decayed, kept


def gaussian_decay(sigma: Scalar) -> Decay:
    """f(IoU) = exp(-IoU^2 / sigma), equation 3; the paper has sigma = 0.5.

    Raises:
        ValueError: if `sigma` is not positive.
    """
    require("sigma", sigma, "(0, inf)")
    return lambda overlap: jnp.exp(-(overlap**2) / sigma)


def linear_decay(iou_threshold: Scalar) -> Decay:
    """f(IoU) = 1 below the threshold, 1 - IoU from there on; equation 2.

    Raises:
        ValueError: if the threshold is outside of [0, 1].
    """
    require("iou_threshold", iou_threshold, "[0, 1]")
    return lambda overlap: jnp.where(overlap < iou_threshold, 1, 1 - overlap)


def _suppress(boxes, scores, classes, iou_threshold, most, mask):
    require("iou_threshold", iou_threshold, "[0, 1]")
    require_whole("most", most, low=1)
    n = len(scores)
    tile = min(TILE, n)
    boxes = lax.stop_gradient(boxes)
    left = lax.stop_gradient(scores if mask is None else jnp.where(mask, scores, -jnp.inf))
    before = jnp.triu(jnp.ones((tile, tile), bool), 1)

    def unfinished(state):
        left, _, count = state
        return (left > -jnp.inf).any() & (count < most)

    def resolve_tile(state):
        left, indices, count = state
        best, at = lax.top_k(left, tile)  # of equal ones, the first first
        rows, row_classes = boxes[at], None if classes is None else classes[at]
        among = _drops(rows, rows, row_classes, row_classes, iou_threshold)
        kept = _fixed_point(best > -jnp.inf, before & among)
        places = jnp.where(kept, count + jnp.cumsum(kept) - 1, most)
        indices = indices.at[places].set(at, mode="drop")
        # Not a look-up in one table: it would be written to memory, which takes twice the time.
        dropped = kept[:, None] & _drops(rows, boxes, row_classes, classes, iou_threshold)
        left = jnp.where(dropped.any(axis=0), -jnp.inf, left)
        return left.at[at].set(-jnp.inf), indices, count + kept.sum(dtype=jnp.int32)

    nothing = jnp.zeros(most, jnp.int32), jnp.zeros((), jnp.int32)
    _, indices, count = lax.while_loop(unfinished, resolve_tile, (left, *nothing))
    return indices, jnp.arange(most) < count


def _drops(boxes, others, classes, other_classes, iou_threshold):
    """Whether each of `boxes`, if it is kept, drops each of `others` behind it: bool [k, n]."""
    above = iou_matrix(boxes, others) > iou_threshold
    if classes is None:
        return above
    return above & (classes[:, None] == other_classes[None])


def _fixed_point(boxes, drops):
    """The rows of `boxes` (bool [k]) that no kept one drops; drops[i, j] is False for i >= j."""

    def step(state):
        kept, _ = state
        now = boxes & ~(kept[:, None] & drops).any(axis=0)
        return now, (now != kept).any()

    return lax.while_loop(lambda state: state[1], step, (boxes, jnp.array(True)))[0]
