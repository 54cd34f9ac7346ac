"""Boxes by hand, against NumPy loops and torchvision, and by what holds for all of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops import boxes as ops
from jaxvision.ops.boxes import area, ciou, clip, decode, diou, encode, giou, iou, iou_matrix

MEASURES = (iou, giou, diou, ciou)


def random_boxes(count, seed=0, side=20.0):
    random = np.random.default_rng(seed)
    corners = np.sort(random.uniform(0, side, (count, 2, 2)), axis=1)
    return jnp.asarray(corners.reshape(count, 4), jnp.float32)


AWKWARD = jnp.array(
    [
        [0, 0, 2, 2],
        [1, 1, 1, 1],  # a point
        [1, 1, 1, 5],  # a line
        [1, 5, 4, 5],
        [5, 5, 6, 6],
        [3, 0, 1, 2],  # sides exchanged
        [0, 0, 1e-20, 1e-20],
        [0, 0, 1e-7, 2],
        [0, 0, 1e5, 1e5],
        [0, 0, 0, 0],
    ],
    jnp.float32,
)


def by_loops(a, b):
    """IoU, GIoU, DIoU and CIoU of two boxes, in double precision and from areas."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = w * h
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    width = max(a[2], b[2]) - min(a[0], b[0])
    height = max(a[3], b[3]) - min(a[1], b[1])
    overlap = both / union
    centres = np.array([box[:2] + box[2:] for box in (a, b)]) / 2
    far = ((centres[0] - centres[1]) ** 2).sum() / (width**2 + height**2)
    angles = [np.arctan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / np.pi**2 * (angles[0] - angles[1]) ** 2
    return (
        overlap,
        overlap - (width * height - union) / (width * height),
        overlap - far,
        overlap - far - v**2 / (1 - overlap + v),
    )


def test_two_boxes_by_hand():
    a, b = jnp.array([0.0, 0, 4, 2]), jnp.array([2.0, 1, 4, 5])
    # I = 2, U = 8 + 8 - 2, C = 4 x 5; centres (2, 1) and (3, 3); arctan 2 and arctan 1/2.
    np.testing.assert_allclose(iou(a, b), 1 / 7, rtol=1e-6)
    np.testing.assert_allclose(giou(a, b), 1 / 7 - 6 / 20, rtol=1e-6)
    np.testing.assert_allclose(diou(a, b), 1 / 7 - 5 / 41, rtol=1e-5)
    v = 4 / np.pi**2 * 0.6435011**2
    np.testing.assert_allclose(ciou(a, b), 1 / 7 - 5 / 41 - v**2 / (6 / 7 + v), rtol=1e-5)
    apart = jnp.array([6.0, 0, 8, 2])
    np.testing.assert_allclose(giou(a, apart), -4 / 16, rtol=1e-6)


def test_areas_by_hand():
    boxes = jnp.array([[1.0, 2, 4, 7], [4, 2, 1, 7], [4, 7, 1, 2], [3, 3, 3, 9]])
    np.testing.assert_array_equal(area(boxes), [15, 0, 0, 0])


@pytest.mark.parametrize("which", range(4))
def test_equals_loops(which):
    a, b = random_boxes(12), random_boxes(9, seed=1)
    expected = [[by_loops(one, other)[which] for other in b] for one in a]
    # Coordinates to 20 in float32: areas err by some 1e-5 where boxes are slim.
    np.testing.assert_allclose(MEASURES[which](a[:, None], b[None]), expected, atol=2e-5)
    if which == 0:
        np.testing.assert_allclose(iou_matrix(a, b), expected, atol=2e-5)


@pytest.mark.parity
def test_equals_torchvision(torchvision):
    import torch

    a, b = random_boxes(200), random_boxes(200, seed=1)
    of = torchvision.ops
    for measure, loss in (
        (giou, of.generalized_box_iou_loss),
        (diou, of.distance_box_iou_loss),
        (ciou, of.complete_box_iou_loss),
    ):
        tensors = [torch.tensor(np.asarray(boxes), requires_grad=True) for boxes in (a, b)]
        theirs = loss(*tensors)
        theirs.sum().backward()
        np.testing.assert_allclose(1 - measure(a, b), theirs.detach(), atol=2e-5)
        ours = jax.jit(jax.grad(lambda a, b, f=measure: -f(a, b).sum(), (0, 1)))(a, b)
        for gradient, tensor in zip(ours, tensors, strict=True):
            np.testing.assert_allclose(gradient, tensor.grad, rtol=2e-3, atol=2e-4)
    theirs = of.box_iou(*(torch.tensor(np.asarray(boxes)) for boxes in (a, b)))
    np.testing.assert_allclose(iou_matrix(a, b), theirs, atol=1e-6)


def test_boxes_without_area_overlap_nothing():
    empty = jnp.array([1, 2, 3, 5, 6, 9])
    assert (iou_matrix(AWKWARD[empty], AWKWARD) == 0).all()
    assert (jnp.diag(iou_matrix(AWKWARD, AWKWARD))[jnp.array([0, 4, 7, 8])] == 1).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_awkward_boxes_have_finite_values_and_gradients(measure):
    def total(a, b):
        return measure(a[:, None], b[None]).sum()

    assert jnp.isfinite(measure(AWKWARD[:, None], AWKWARD[None])).all()
    for gradient in jax.jit(jax.grad(total, (0, 1)))(AWKWARD, AWKWARD):
        assert jnp.isfinite(gradient).all()


def test_alpha_is_a_constant_to_the_gradient():
    a, b = random_boxes(30), random_boxes(30, seed=1)

    def v(a, b):
        sides = ((box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]) for box in (a, b))
        first, second = (jnp.arctan(w / h) for w, h in sides)
        return 4 / jnp.pi**2 * (first - second) ** 2

    alpha = v(a, b) / (1 - iou(a, b) + v(a, b))
    expected = jax.jit(jax.grad(lambda a: (diou(a, b) - alpha * v(a, b)).sum()))(a)
    got = jax.jit(jax.grad(lambda a: ciou(a, b).sum()))(a)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("measure", MEASURES)
def test_gradients_are_those_of_finite_differences(measure):
    # Sides are at whole numbers and at halves: none passes another, where the slope changes.
    whole = jnp.array([[0, 0, 1, 1]])
    a, b = (jnp.floor(random_boxes(20, seed)) + whole for seed in (3, 4))
    b = b + 0.5
    if measure is ciou:  # with v = 0: elsewhere its slope is none of its value, as alpha is held
        b = jnp.concatenate([b[:, :2], b[:, :2] + 2 * (a[:, 2:] - a[:, :2])], axis=1)
    gradient, step = jax.jit(jax.grad(lambda a: measure(a, b).sum()))(a), 1e-2
    nudges = step * jnp.stack([jnp.eye(4), -jnp.eye(4)])
    ahead, behind = jax.jit(measure)(a[None, None] + nudges[:, :, None], b[None, None])
    slopes = ((ahead - behind) / (2 * step)).T
    np.testing.assert_allclose(gradient, slopes, atol=2e-3, rtol=5e-3)


@jax.jit
def measure_all(boxes):
    return [measure(boxes[:, None], boxes[None]) for measure in MEASURES]


coordinates = st.tuples(*[st.integers(0, 12)] * 4)


@settings(deadline=None, max_examples=50)
@given(st.lists(coordinates, min_size=6, max_size=6))
def test_what_holds_for_all_boxes(corners):
    boxes = np.array(corners, np.float32).reshape(6, 2, 2)
    boxes = jnp.asarray(np.sort(boxes, axis=1).reshape(6, 4))
    values = measure_all(boxes)
    for value in values:
        np.testing.assert_array_equal(value, value.T)  # symmetric
    overlap, generalized, distance, complete = values
    assert ((overlap >= 0) & (overlap <= 1)).all()
    assert ((generalized >= -1) & (generalized <= overlap + 1e-6)).all()
    assert ((distance > -1) & (distance <= overlap)).all() and (complete <= distance).all()
    # Exchanging x and y, and scaling by a power of two, change nothing.
    for moved in (boxes[:, jnp.array([1, 0, 3, 2])], 4 * boxes):
        again = iou_matrix(moved, moved)
        np.testing.assert_array_equal(again, overlap)
    # 1 - IoU is a distance: it has the triangle inequality (Kosub 2019), of boxes with an area.
    far = 1 - np.asarray(overlap) + 2 * np.asarray((area(boxes) == 0)[:, None])
    assert (far[:, None] <= far[:, :, None] + far.T[None] + 1e-6).all()


def test_the_forms_by_hand():
    box = jnp.array([2.0, 3, 8, 5])
    pairs = (
        (ops.xyxy_to_cxcywh, ops.cxcywh_to_xyxy, [5, 4, 6, 2]),
        (ops.xyxy_to_xywh, ops.xywh_to_xyxy, [2, 3, 6, 2]),
        (
            lambda boxes: ops.to_fractions(boxes, 10, 16),
            lambda boxes: ops.to_pixels(boxes, 10, 16),
            [0.125, 0.3, 0.5, 0.5],
        ),
    )
    many = random_boxes(24).reshape(2, 3, 4, 4)
    for there, back, expected in pairs:
        np.testing.assert_allclose(there(box), expected, rtol=1e-6)
        np.testing.assert_allclose(back(there(many)), many, rtol=1e-5, atol=1e-5)


def test_clipping_by_hand():
    boxes = jnp.array([[-3.0, -2, 4, 5], [1, 1, 30, 30], [20, 2, 25, 3], [1, -9, 2, -3]])
    expected = [[0, 0, 4, 5], [1, 1, 8, 6], [8, 2, 8, 3], [1, 0, 2, 0]]
    np.testing.assert_array_equal(clip(boxes, 6, 8), expected)
    sizes = jnp.array([6.0, 7.0]), jnp.array([8, 9])
    many = jax.jit(jax.vmap(lambda boxes, h, w: clip(boxes, h, w)))(jnp.stack([boxes] * 2), *sizes)
    np.testing.assert_array_equal(many[0], expected)
    np.testing.assert_array_equal(many[1, 1], [1, 1, 9, 7])


def test_encoding_by_hand():
    anchor, box = jnp.array([0.0, 0, 10, 20]), jnp.array([5.0, 10, 25, 20])
    # Centres (5, 10) and (15, 15), sizes (10, 20) and (20, 10).
    t = [1, 0.25, np.log(2), -np.log(2)]
    np.testing.assert_allclose(encode(box, anchor), t, rtol=1e-6)
    weights = (10, 10, 5.0, 2)
    np.testing.assert_allclose(encode(box, anchor, weights), np.multiply(t, weights), rtol=1e-6)
    np.testing.assert_allclose(
        decode(encode(box, anchor, weights), anchor, weights), box, rtol=1e-6
    )


@pytest.mark.parity
def test_encoding_equals_torchvision(torchvision):
    import torch
    from torchvision.models.detection._utils import BoxCoder

    boxes, anchors = random_boxes(50), random_boxes(50, seed=1)
    weights = (10.0, 10.0, 5.0, 5.0)
    coder = BoxCoder(weights)
    tensors = [torch.tensor(np.asarray(of)) for of in (boxes, anchors)]
    t = coder.encode_single(*tensors)
    np.testing.assert_allclose(encode(boxes, anchors, weights), t, rtol=1e-5, atol=1e-5)
    t = np.random.default_rng(0).normal(0, 20, (50, 4)).astype(np.float32)  # some are clamped
    theirs = coder.decode_single(torch.tensor(t), tensors[1])
    np.testing.assert_allclose(
        decode(jnp.asarray(t), anchors, weights), theirs, rtol=1e-5, atol=1e-4
    )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 30), move=st.floats(-50, 50))
def test_decoding_undoes_encoding_and_neither_sees_where_or_how_large(seed, scale, move):
    boxes, anchors = random_boxes(8, seed) + 1, random_boxes(8, seed + 1) + 1
    grown = jnp.array([[-0.5, -0.5, 0.5, 0.5]])
    boxes, anchors = boxes + grown, anchors + grown  # sides from 1 on, to 20: no log is clamped
    t = encode(boxes, anchors)
    np.testing.assert_allclose(decode(t, anchors), boxes, atol=1e-3)
    np.testing.assert_allclose(
        encode(scale * boxes + move, scale * anchors + move), t, rtol=5e-3, atol=5e-3
    )


def test_a_delta_cannot_overflow():
    anchor = jnp.array([0.0, 0, 16, 32])
    deltas = jnp.array([0, 0, 1e4, 1e4])
    np.testing.assert_allclose(decode(deltas, anchor), [-492, -984, 508, 1016], rtol=1e-5)
    gradient = jax.grad(lambda deltas: decode(deltas, anchor).sum())(deltas)
    assert jnp.isfinite(gradient).all()


def test_rows_of_zeros_are_encoded_to_finite_numbers():
    pairs = itertools.product((jnp.zeros(4), jnp.array([1.0, 1, 5, 5])), repeat=2)
    for box, anchor in pairs:
        t = encode(box, anchor)
        assert jnp.isfinite(t).all()
        gradient = jax.grad(lambda box, anchor=anchor: encode(box, anchor).sum())(box)
        assert jnp.isfinite(gradient).all()
