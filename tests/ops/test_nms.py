"""Suppression by hand, against a loop and torchvision, and by what makes it the greedy choice."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.boxes import iou_matrix
from jaxvision.ops.nms import TILE, class_nms, gaussian_decay, linear_decay, nms, soft_nms

jitted = jax.jit(nms, static_argnames="most")
overlaps = jax.jit(iou_matrix)
jitted_class = jax.jit(class_nms, static_argnames="most")


def clusters(count, seed=0, centres=6, levels=None):
    """Boxes around a few places; with `levels`, of that many different scores."""
    random = np.random.default_rng(seed)
    middles = random.uniform(20, 80, (centres, 2))[random.integers(0, centres, count)]
    middles += random.normal(0, 4, (count, 2))
    sides = 24 * np.exp(random.normal(0, 0.2, (count, 2)))
    boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)
    scores = random.permutation(count) / count
    if levels:
        scores = np.floor(scores * levels) / levels
    return jnp.asarray(boxes, jnp.float32), jnp.asarray(scores, jnp.float32)


def chain(count):
    """Each box overlaps its neighbours by an IoU of 1/3 and no other; scores descend along it."""
    left = jnp.arange(count, dtype=jnp.float32) * 5
    boxes = jnp.stack([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    return boxes, 1 - jnp.arange(count, dtype=jnp.float32) / count


def overlap(a, b):
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = w * h
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union > 0 else 0.0


def by_loops(boxes, scores, threshold, classes=None):
    boxes, scores = np.asarray(boxes, np.float64), np.asarray(scores)
    classes = np.zeros(len(boxes)) if classes is None else np.asarray(classes)
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        rivals = (j for j in kept if classes[i] == classes[j])
        if all(overlap(boxes[i], boxes[j]) <= threshold for j in rivals):
            kept.append(i)
    return kept


def found(result):
    indices, kept = (np.asarray(column) for column in result)
    count = kept.sum()
    assert kept[:count].all() and (indices[count:] == 0).all()
    return indices[:count].tolist()


def test_by_hand():
    boxes = jnp.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 5], [50, 50, 60, 60]])
    scores = jnp.array([0.5, 0.9, 0.8, 0.1])
    # The second has an IoU of 90 / 110 with the first and of 45 / 105 with the third.
    assert found(jitted(boxes, scores, 0.5, most=4)) == [1, 2, 3]
    assert found(jitted(boxes, scores, 0.4, most=4)) == [1, 3]
    assert found(jitted(boxes, scores, 0.9, most=4)) == [1, 2, 0, 3]
    assert found(jitted(boxes, scores, 0.9, most=2)) == [1, 2]
    assert found(jitted(boxes, scores, 0.5, most=9)) == [1, 2, 3]
    mask = jnp.array([True, False, True, False])
    # The first has an IoU of 1/2 with the third, which is not above it.
    assert found(jitted(boxes, scores, 0.5, most=4, mask=mask)) == [2, 0]
    assert found(jitted(boxes, scores, 0.49, most=4, mask=mask)) == [2]


def test_what_is_no_box_drops_none():
    boxes = jnp.tile(jnp.array([[0.0, 0, 8, 8]]), (4, 1))
    scores = jnp.array([-jnp.inf, -3, jnp.nan, -7])
    assert found(jitted(boxes, scores, 0.5, most=4)) == [1]
    assert found(jitted(boxes, scores, 1.0, most=4)) == [1, 3]
    assert found(jitted(boxes, scores, 0.5, most=4, mask=jnp.zeros(4, bool))) == []
    assert found(nms(jnp.zeros((4, 4)), jnp.ones(4), 0.0, most=4)) == [0, 1, 2, 3]  # no area


@pytest.mark.parametrize("count", [1, TILE - 1, TILE, TILE + 1, 5 * TILE])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_equals_a_loop(count, threshold):
    for levels in (None, 5):  # with ties, too
        boxes, scores = clusters(count, seed=count, levels=levels)
        classes = jnp.arange(count) % 3
        for most in (count // 3 + 1, count + 5):
            expected = by_loops(boxes, scores, threshold)[:most]
            assert found(jitted(boxes, scores, threshold, most=most)) == expected
            expected = by_loops(boxes, scores, threshold, classes)[:most]
            assert found(jitted_class(boxes, scores, classes, threshold, most=most)) == expected


def test_a_chain_in_which_each_decides_on_the_next():
    boxes, scores = chain(3 * TILE - 1)
    assert found(jitted(boxes, scores, 0.3, most=200)) == list(range(0, 3 * TILE - 1, 2))


@pytest.mark.parity
@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_equals_torchvision(threshold, torchvision):
    import torch

    for centres in (5, 200):
        boxes, scores = clusters(600, centres=centres)
        classes = jnp.arange(600) % 4
        tensors = [torch.tensor(np.asarray(of)) for of in (boxes, scores, classes)]
        theirs = torchvision.ops.nms(*tensors[:2], threshold).tolist()
        assert found(jitted(boxes, scores, threshold, most=600)) == theirs
        theirs = torchvision.ops.batched_nms(*tensors, threshold).tolist()
        assert found(jitted_class(boxes, scores, classes, threshold, most=600)) == theirs


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), threshold=st.floats(0.0, 1.0, width=32))
def test_it_is_the_greedy_choice(seed, threshold):
    boxes, scores = clusters(100, seed)
    kept = found(jitted(boxes, scores, threshold, most=100))
    values, order = np.asarray(overlaps(boxes, boxes)), np.asarray(scores)
    assert (np.diff(order[kept]) < 0).all()
    among = values[np.ix_(kept, kept)] - np.eye(len(kept))
    assert (among <= threshold).all()
    for dropped in set(range(100)) - set(kept):
        better = [i for i in kept if order[i] > order[dropped]]
        assert (values[better, dropped] > threshold).any()
    # What is kept is kept again.
    mask = jnp.asarray(np.isin(np.arange(100), kept))
    assert found(jitted(boxes, scores, threshold, most=100, mask=mask)) == kept
    # The order of the rows is nothing, where scores are different.
    shuffle = np.random.default_rng(seed).permutation(100)
    again = found(jitted(boxes[shuffle], scores[shuffle], threshold, most=100))
    assert shuffle[again].tolist() == kept


def test_classes_suppress_one_by_one():
    boxes, scores = clusters(150)
    classes = jnp.asarray(np.random.default_rng(0).integers(-1, 3, 150))
    expected = [
        row
        for each in range(-1, 3)
        for row in found(jitted(boxes, scores, 0.4, most=150, mask=classes == each))
    ]
    together = found(jitted_class(boxes, scores, classes, 0.4, most=150))
    assert together == sorted(expected, key=lambda row: -scores[row])
    # Where an offset for each class would be larger than float32 tells pixels apart.
    far, none = boxes + 1e5, jnp.zeros(150, bool)
    many = jnp.arange(150) + 10**6
    assert len(found(jitted_class(far, scores, many, 0.4, most=150))) == 150
    assert found(jitted_class(boxes, scores, classes, 0.4, most=150, mask=none)) == []


def test_jit_vmap_and_grad():
    pairs = [clusters(90, seed) for seed in range(3)]
    boxes, scores = (jnp.stack(of) for of in zip(*pairs, strict=True))
    masks = jnp.stack([jnp.arange(90) < count for count in (90, 40, 0)])

    def hard(boxes, scores, mask):
        return nms(boxes, scores, 0.5, most=30, mask=mask)

    @jax.jit
    def soft(boxes, scores, mask):
        return soft_nms(boxes, scores, gaussian_decay(0.5), most=30, mask=mask)

    many = jax.jit(jax.vmap(hard))(boxes, scores, masks)
    decayed = jax.jit(jax.vmap(soft))(boxes, scores, masks)
    for i in range(3):
        alone = jitted(boxes[i], scores[i], 0.5, most=30, mask=masks[i])
        assert found([column[i] for column in many]) == found(alone)
        alone = soft(boxes[i], scores[i], masks[i])
        for ours, column in zip(alone, decayed, strict=True):
            np.testing.assert_allclose(column[i], ours, rtol=1e-5)

    def best(scores):
        indices, kept = nms(boxes[0], scores, 0.5, most=5)
        return (scores[indices] * kept).sum()

    gradient = jax.jit(jax.grad(best))(scores[0])
    assert np.flatnonzero(gradient).tolist() == sorted(by_loops(boxes[0], scores[0], 0.5)[:5])


def soft_by_loops(boxes, scores, factor):
    """Figure 2 of Bodla et al., as it stands there."""
    boxes, scores = list(np.asarray(boxes, np.float64)), list(np.asarray(scores, np.float64))
    rows, taken = list(range(len(boxes))), []
    while boxes:
        m = int(np.argmax(scores))
        best = boxes.pop(m)
        taken.append((rows.pop(m), scores.pop(m)))
        scores = [s * factor(overlap(best, b)) for s, b in zip(scores, boxes, strict=True)]
    return [list(column) for column in zip(*taken, strict=True)]


DECAYS = {
    "gaussian": (gaussian_decay(0.3), lambda x: np.exp(-(x**2) / 0.3)),
    "linear": (linear_decay(0.25), lambda x: 1 - x if x >= 0.25 else 1),
}


@pytest.mark.parametrize("name", DECAYS)
def test_soft_equals_a_loop(name):
    decay, factor = DECAYS[name]
    boxes, scores = clusters(60)
    rows, expected = soft_by_loops(boxes, scores, factor)
    soft = jax.jit(partial(soft_nms, decay=decay, most=70))
    indices, decayed, kept = soft(boxes, scores)
    assert indices[:60].tolist() == rows and kept.tolist() == 60 * [True] + 10 * [False]
    np.testing.assert_allclose(decayed[:60], expected, rtol=1e-4, atol=1e-6)
    assert (indices[60:] == 0).all() and (decayed[60:] == 0).all()
    mask = jnp.arange(60) >= 20
    rows, expected = soft_by_loops(boxes[20:], scores[20:], factor)
    indices, decayed, kept = soft(boxes, scores, mask=mask)
    assert (indices[:40] - 20).tolist() == rows and kept.tolist() == 40 * [True] + 30 * [False]
    np.testing.assert_allclose(decayed[:40], expected, rtol=1e-4, atol=1e-6)


def test_soft_by_hand():
    boxes = jnp.array([[0.0, 0, 10, 10], [0, 0, 10, 5], [50, 50, 60, 60]])  # IoU 1/2
    scores = jnp.array([0.8, 0.9, 0.6])
    linear = jax.jit(lambda b, s: soft_nms(b, s, linear_decay(0.5), most=3))
    gaussian = jax.jit(lambda b, s: soft_nms(b, s, gaussian_decay(0.5), most=3))
    indices, decayed, _ = linear(boxes, scores)
    assert indices.tolist() == [1, 2, 0]
    np.testing.assert_allclose(decayed, [0.9, 0.6, 0.4], rtol=1e-6)
    indices, decayed, _ = gaussian(boxes, scores)
    np.testing.assert_allclose(decayed, [0.9, 0.6, 0.8 * np.exp(-0.5)], rtol=1e-6)
    gradient = jax.grad(lambda s: gaussian(boxes, s)[1].sum())(scores)
    np.testing.assert_allclose(gradient, [np.exp(-0.5), 1, 1], rtol=1e-6)
    moved = jax.grad(lambda b: linear(b, scores)[1].sum())(boxes)
    # d IoU / d bottom of the lower box is 1/10, and the other's score is 0.8 (1 - IoU).
    np.testing.assert_allclose(moved[1, 3], -0.8 / 10, rtol=1e-5)


def test_soft_with_a_hard_decay_is_nms():
    boxes, scores = clusters(80)
    scores = scores + 0.1
    indices, decayed, _ = soft_nms(
        boxes, scores, lambda overlap: jnp.where(overlap > 0.5, 0.0, 1.0), most=80
    )
    assert indices[decayed > 0].tolist() == found(jitted(boxes, scores, 0.5, most=80))


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("iou_threshold", lambda b, s: nms(b, s, 1.5, most=3)),
        ("iou_threshold", lambda b, s: class_nms(b, s, jnp.zeros(9, int), -0.1, most=3)),
        ("iou_threshold", lambda b, s: linear_decay(2)),
        ("most", lambda b, s: nms(b, s, 0.5, most=0)),
        ("most", lambda b, s: soft_nms(b, s, linear_decay(0.5), most=0)),
        ("sigma", lambda b, s: gaussian_decay(0)),
    ],
)
def test_what_is_refused(argument, call):
    with pytest.raises(ValueError, match=f"`{argument}` must"):
        call(*clusters(9))
