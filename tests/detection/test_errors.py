"""Each kind of error by hand, the rules in loops, and what must add up."""

from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from jaxvision.detection.detections import overlaps, shares_inside
from jaxvision.detection.errors import KINDS, count_errors
from jaxvision.detection.voc_precision import match, precision_recall
from tests.detection.made_up_detections import (
    NOTHING_FOUND,
    NOTHING_THERE,
    apart,
    crossing,
    detections_of,
    objects_of,
)

A, B = (0, 0, 10, 10), (20, 0, 30, 10)
ELSEWHERE = (200, 200, 210, 210)
seeds = st.integers(0, 10**6)
few = hypothesis.settings(max_examples=25, deadline=None)


def counted(errors):
    """Which kinds there are, with their numbers by class."""
    return {kind: by_class.tolist() for kind, by_class in errors.counts.items() if by_class.any()}


# By hand: a cat at A, a dog at B. What is found, the kinds (cat, dog), and the confusion.


@pytest.mark.parametrize(
    ("boxes", "labels", "kinds", "confusion"),
    [
        ([A, B], [0, 1], {"right": [1, 1]}, [[1, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ([], [], {"missed": [1, 1]}, [[0, 0, 1], [0, 0, 1], [0, 0, 0]]),
        (
            [A, A, B],
            [0, 0, 1],
            {"right": [1, 1], "duplicate": [1, 0]},
            [[1, 0, 0], [0, 1, 0], [1, 0, 0]],
        ),
        (  # one half is enough to belong to it
            [A, (0, 0, 5, 10), B],
            [0, 0, 1],
            {"right": [1, 1], "duplicate": [1, 0]},
            [[1, 0, 0], [0, 1, 0], [1, 0, 0]],
        ),
        (  # 4 of 10 columns; then 1 of 10, which is just enough; then less, which is background
            [(6, 0, 10, 10), B],
            [0, 1],
            {"right": [0, 1], "location": [1, 0]},
            [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
        ),
        (
            [(9, 0, 10, 10), B],
            [0, 1],
            {"right": [0, 1], "location": [1, 0]},
            [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
        ),
        (
            [(9.001, 0, 10, 10), B],
            [0, 1],
            {"right": [0, 1], "background": [1, 0], "missed": [1, 0]},
            [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
        ),
        (  # a cat where the dog is: the dog is not missed, but called cat
            [A, (20, 0, 25, 10)],
            [0, 0],
            {"right": [1, 0], "class": [1, 0]},
            [[1, 0, 0], [1, 0, 0], [0, 0, 0]],
        ),
        (  # too small for that: it is missed
            [A, (20, 0, 24, 10)],
            [0, 0],
            {"right": [1, 0], "both": [1, 0], "missed": [0, 1]},
            [[1, 0, 0], [0, 0, 1], [1, 0, 0]],
        ),
        (
            [A, B, ELSEWHERE],
            [0, 1, 1],
            {"right": [1, 1], "background": [0, 1]},
            [[1, 0, 0], [0, 1, 0], [0, 1, 0]],
        ),
        (  # called cat first, but found right as well: as that it counts
            [B, B, A],
            [0, 1, 0],
            {"right": [1, 1], "class": [1, 0]},
            [[1, 0, 0], [0, 1, 0], [1, 0, 0]],
        ),
    ],
)
def test_each_kind(boxes, labels, kinds, confusion):
    scores = np.linspace(0.9, 0.6, len(labels))
    found = [detections_of(boxes, scores, labels)]
    errors = count_errors([objects_of([A, B], [0, 1])], found, ["cat", "dog"])
    assert counted(errors) == kinds
    np.testing.assert_array_equal(errors.confusion, confusion)
    assert tuple(errors.counts) == KINDS


def test_only_sure_detections_are_looked_at():
    truth = [objects_of([A], [0])]
    found = [detections_of([A, ELSEWHERE], [0.5, 0.25], [0, 0])]
    assert counted(count_errors(truth, found, "a")) == {"right": [1]}
    everything = count_errors(truth, found, "a", score=0.25)
    assert counted(everything) == {"right": [1], "background": [1]}
    assert counted(count_errors(truth, found, "a", score=0.6)) == {"missed": [1]}


def test_a_stricter_overlap_makes_an_error_of_location():
    truth, found = [objects_of([A], [0])], [detections_of([(0, 0, 7, 10)], [0.9], [0])]
    assert counted(count_errors(truth, found, "a", iou=0.7)) == {"right": [1]}
    assert counted(count_errors(truth, found, "a", iou=0.75)) == {"location": [1]}


def test_difficult_objects_and_crowds_are_not_counted():
    truth = [objects_of([A, (100, 100, 300, 300)], [0, 0], difficult=[0], crowd=[1])]
    inside = (120, 120, 140, 140)
    found = [detections_of([A, A, inside], [0.9, 0.8, 0.7], [0, 0, 0])]
    errors = count_errors(truth, found, ["cat", "dog"])
    assert counted(errors) == {} and not errors.confusion.any()
    # Of another class it is an error, about an object that is not counted.
    found = [detections_of([A, inside], [0.9, 0.8], [1, 1])]
    errors = count_errors(truth, found, ["cat", "dog"])
    assert counted(errors) == {"class": [0, 1], "background": [0, 1]}
    np.testing.assert_array_equal(errors.confusion, [[0, 0, 0], [0, 0, 0], [0, 2, 0]])


def test_an_object_is_called_what_the_surest_error_calls_it():
    truth = [objects_of([A], [0])]
    found = [detections_of([A, A], [0.8, 0.9], [1, 2])]
    np.testing.assert_array_equal(count_errors(truth, found, "abc").confusion[0], [0, 0, 1, 0])


def test_images_with_nothing_in_them_or_found():
    truth = [objects_of([A], [0]), NOTHING_THERE, NOTHING_THERE]
    found = [NOTHING_FOUND, detections_of([A], [0.9], [0]), NOTHING_FOUND]
    errors = count_errors(truth, found, "a")
    assert counted(errors) == {"background": [1], "missed": [1]}
    np.testing.assert_array_equal(errors.confusion, [[0, 1], [1, 0]])


# Against the rules, in loops


def slow_counts(truth, found, classes, score):
    counts = {kind: [0] * classes for kind in KINDS}
    for objects, image in zip(truth, found, strict=True):
        explained = set()
        taken = set()
        crowds = [j for j in range(len(objects.labels)) if objects.crowd[j]]
        others = [j for j in range(len(objects.labels)) if not objects.crowd[j]]
        for box, sureness, label in zip(*image, strict=True):
            if sureness < score:
                continue
            iou = [overlap(box, objects.boxes[j])[0] for j in range(len(objects.labels))]
            own = [j for j in others if objects.labels[j] == label]
            foreign = [j for j in others if objects.labels[j] != label]
            best = max(own, key=iou.__getitem__, default=None)
            worse = max(foreign, key=iou.__getitem__, default=None)
            belongs = best is not None and 2 * iou[best] >= 1
            if belongs and objects.difficult[best]:
                continue
            if belongs and best not in taken:
                taken.add(best)
                explained.add(best)
                counts["right"][label] += 1
                continue
            if any(
                2 * overlap(box, objects.boxes[j])[1] >= 1
                for j in crowds
                if objects.labels[j] == label
            ):
                continue
            if belongs:
                kind = "duplicate"
            elif best is not None and 10 * iou[best] >= 1:
                kind = "location"
                explained.add(best)
            elif worse is not None and 2 * iou[worse] >= 1:
                kind = "class"
                explained.add(worse)
            elif worse is not None and 10 * iou[worse] >= 1:
                kind = "both"
            else:
                kind = "background"
            counts[kind][label] += 1
        for j in others:
            if j not in explained and not objects.difficult[j]:
                counts["missed"][objects.labels[j]] += 1
    return counts


def overlap(a, b):
    """Intersection over union, and over the area of `a`."""
    a, b = ([int(x) for x in box] for box in (a, b))
    sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return Fraction(shared, area_a + area_b - shared), Fraction(shared, area_a)


@few
@hypothesis.given(seeds, st.sampled_from([0.0, 0.5]))
def test_against_the_rules(seed, score):
    truth, found = crossing(seed, images=10)
    errors = count_errors(truth, found, "abc", score)
    expected = slow_counts(truth, found, 3, score)
    assert {kind: by_class.tolist() for kind, by_class in errors.counts.items()} == expected


@few
@hypothesis.given(seeds)
def test_overlaps_against_fractions(seed):
    truth, found = crossing(seed, images=1)
    a, b = truth[0].boxes, found[0].boxes
    pairs = [[overlap(one, other) for other in b] for one in a]
    expected = np.array(pairs, float).reshape(len(a), len(b), 2)
    np.testing.assert_allclose(overlaps(a, b), expected[..., 0], rtol=1e-15)
    np.testing.assert_allclose(shares_inside(a, b), expected[..., 1], rtol=1e-15)
    np.testing.assert_array_equal(overlaps(a, b), overlaps(b, a).T)


def test_empty_boxes_overlap_nothing():
    empty = np.array([[5, 5, 5, 9]], np.float32)
    for boxes in (empty, np.array([A], np.float32)):
        assert overlaps(empty, boxes) == 0
        assert shares_inside(empty, boxes) == 0


# Theorems


@few
@hypothesis.given(seeds, st.sampled_from([apart, crossing]))
def test_the_confusion_counts_everything_once(seed, made_up):
    truth, found = made_up(seed)
    errors = count_errors(truth, found, "abc", score=0)
    to_find = [objects.labels[~(objects.difficult | objects.crowd)] for objects in truth]
    rows = np.bincount(np.concatenate(to_find), minlength=3)
    columns = sum(errors.counts[kind] for kind in KINDS[:-1])
    np.testing.assert_array_equal(errors.confusion[:-1].sum(axis=1), rows)
    np.testing.assert_array_equal(errors.confusion[:, :-1].sum(axis=0), columns)
    np.testing.assert_array_equal(np.diag(errors.confusion)[:-1], errors.counts["right"])
    assert errors.confusion[-1, -1] == 0
    assert (errors.counts["missed"] <= errors.confusion[:-1, -1]).all()


@few
@hypothesis.given(seeds)
def test_what_is_right_is_what_average_precision_calls_right(seed):
    truth, found = crossing(seed)
    errors = count_errors(truth, found, "abc", score=0)
    flags = [match(*image, 0.5) for image in zip(truth, found, strict=True)]
    assert errors.counts["right"].sum() == sum(right.sum() for right, _ in flags)
    total = sum(len(image.labels) for image in found)
    kinds = sum(errors.counts[kind].sum() for kind in KINDS[:-1])
    assert kinds == total - sum(ignored.sum() for _, ignored in flags)
    for label, curve in enumerate(precision_recall(truth, found, "abc")):
        if curve.objects and len(curve.recall):
            right = errors.counts["right"][label]
            assert curve.recall[-1] == pytest.approx(right / curve.objects, rel=1e-12)


@few
@hypothesis.given(seeds)
def test_the_order_of_the_images_does_not_matter(seed):
    truth, found = crossing(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    shuffled = [[images[i] for i in order] for images in (truth, found)]
    one, other = count_errors(truth, found, "abc"), count_errors(*shuffled, "abc")
    assert counted(one) == counted(other)
    np.testing.assert_array_equal(one.confusion, other.confusion)


@pytest.mark.parametrize("iou", [0, 0.05, 1.5])
def test_an_overlap_that_is_none_is_refused(iou):
    with pytest.raises(ValueError, match=r"`iou` must be in \[0.1, 1\]"):
        count_errors([NOTHING_THERE], [NOTHING_FOUND], "a", iou=iou)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="`found` must have one entry for each image"):
        count_errors([NOTHING_THERE], [], "a")
