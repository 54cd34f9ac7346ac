"""PASCAL VOC's average precision against hand counts, its definition in loops, and COCO's."""

from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from jaxvision.detection.average_precision import coco_average_precision
from jaxvision.detection.detections import Detections
from jaxvision.detection.voc_precision import (
    PrecisionRecall,
    area_precision,
    best_score,
    eleven_point_precision,
    mean_average_precision,
    precision_recall,
    voc_average_precision,
)
from tests.detection.made_up_detections import (
    NOTHING_FOUND,
    NOTHING_THERE,
    apart,
    crossing,
    detections_of,
    objects_of,
)

A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)
ELSEWHERE = (200, 200, 210, 210)
seeds = st.integers(0, 10**6)
few = hypothesis.settings(max_examples=25, deadline=None)


# By hand


def test_three_objects_of_which_two_are_found():
    # In the order of their scores: right, false, right; the third object is missed.
    truth = [objects_of([A, B, C], [0, 0, 0])]
    found = [detections_of([A, ELSEWHERE, B], [0.9, 0.8, 0.7], [0, 0, 0])]
    result = voc_average_precision(truth, found, ["cat"])
    (curve,) = result.curves
    np.testing.assert_allclose(curve.recall, [1 / 3, 1 / 3, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(curve.score, [0.9, 0.8, 0.7], rtol=1e-7)
    assert curve.objects == 3
    # 1 up to recall 1/3, 2/3 up to 2/3. At 0, .1, .2, .3 it is 1, and 2/3 at .4, .5, .6.
    assert result.mean == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3, rel=1e-15)
    assert result.mean_eleven_point == pytest.approx((4 + 3 * 2 / 3) / 11, rel=1e-15)


def test_the_second_detection_of_an_object_is_false_though_it_would_do_for_another():
    # Both belong to the left of two objects that overlap; COCO would give the second to the right.
    truth = [objects_of([(0, 0, 10, 10), (2, 0, 12, 10)], [0, 0])]
    found = [detections_of([(0, 0, 10, 10), (0, 0, 10, 10)], [0.9, 0.8], [0, 0])]
    assert mean_average_precision(truth, found, ["cat"]) == 0.5
    (curve,) = precision_recall(truth, found, ["cat"])
    np.testing.assert_array_equal(curve.precision, [1, 0.5])


def test_an_overlap_of_one_half_is_enough():
    truth = [objects_of([(0, 0, 10, 10)], [0])]
    for right, expected in ((5, 1), (4.999, 0)):
        found = [detections_of([(0, 0, right, 10)], [0.9], [0])]
        assert mean_average_precision(truth, found, ["cat"]) == expected
        assert mean_average_precision(truth, found, ["cat"], iou=0.75) == 0


def test_a_difficult_object_is_neither_missed_nor_wrongly_found():
    truth = [objects_of([A, B], [0, 0], difficult=[1])]
    found = [detections_of([B, B, A], [0.9, 0.8, 0.7], [0, 0, 0])]
    (curve,) = precision_recall(truth, found, ["cat"])
    np.testing.assert_array_equal(curve.precision, [1])
    assert curve.objects == 1


def test_in_a_crowd_nothing_is_false():
    crowd = (100, 100, 300, 300)
    truth = [objects_of([A, crowd], [0, 0], crowd=[1])]
    inside, half, less = (120, 120, 140, 140), (90, 100, 110, 120), (89, 100, 109, 120)
    boxes = [inside, inside, half, A]
    found = [detections_of(boxes, [0.9, 0.8, 0.7, 0.6], [0, 0, 0, 0])]
    (curve,) = precision_recall(truth, found, ["cat"])
    np.testing.assert_array_equal(curve.precision, [1])  # of A alone
    found = [detections_of([less, A], [0.9, 0.6], [0, 0])]
    (curve,) = precision_recall(truth, found, ["cat"])
    np.testing.assert_array_equal(curve.precision, [0, 0.5])
    # That of another class is no excuse.
    curve, _ = precision_recall(truth, [detections_of([inside], [0.9], [1])], ["cat", "dog"])[::-1]
    np.testing.assert_array_equal(curve.precision, [0])


def test_equal_scores_count_together():
    truth = [objects_of([A], [0])]
    for boxes in ([A, ELSEWHERE], [ELSEWHERE, A]):
        (curve,) = precision_recall(truth, [detections_of(boxes, [0.5, 0.5], [0, 0])], ["cat"])
        np.testing.assert_array_equal(curve.precision, [0.5])


def test_recall_of_exactly_three_tenths_reaches_the_level():
    # In float64 3 * 0.1 is above 3 / 10.
    curve = PrecisionRecall(np.array([0.3]), np.array([1.0]), np.array([0.5]), 10)
    assert eleven_point_precision(curve) == pytest.approx(4 / 11, rel=1e-15)


def test_a_class_without_objects_is_not_in_the_mean():
    truth = [objects_of([A, B], [0, 1], difficult=[1])]
    found = [detections_of([A, A, C], [0.9, 0.8, 0.7], [0, 1, 2])]
    result = voc_average_precision(truth, found, ["cat", "dog", "bird", "fish"])
    np.testing.assert_array_equal(result.area, [1, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(result.eleven_point, [1, np.nan, np.nan, np.nan])
    assert result.mean == result.mean_eleven_point == 1
    np.testing.assert_array_equal(result.curves[2].precision, [0])
    np.testing.assert_array_equal(result.curves[2].recall, [np.nan])
    assert len(result.curves[3].score) == 0


def test_images_with_nothing_in_them_or_found():
    # An image without objects in which something is found counts; one without either does not.
    truth = [objects_of([A], [0]), NOTHING_THERE, NOTHING_THERE]
    found = [detections_of([A], [0.5], [0]), detections_of([A], [0.9], [0]), NOTHING_FOUND]
    assert mean_average_precision(truth, found, ["cat"]) == 0.5
    assert mean_average_precision(truth, [NOTHING_FOUND] * 3, ["cat"]) == 0
    assert np.isnan(mean_average_precision([NOTHING_THERE], [NOTHING_FOUND], ["cat"]))


# Against the definition, in loops and fractions


def overlap(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return Fraction(shared, area_a + area_b - shared), Fraction(shared, area_a)


def judged(truth, found, label, iou):
    """(score, right) of each detection of the class that counts, and the number of objects."""
    counted, total = [], 0
    for objects, image in zip(truth, found, strict=True):
        boxes = [tuple(int(x) for x in box) for box in objects.boxes]
        own = [j for j in range(len(boxes)) if objects.labels[j] == label]
        normal = [j for j in own if not objects.crowd[j]]
        total += sum(not objects.difficult[j] for j in normal)
        taken = set()
        for d in range(len(image.labels)):
            if image.labels[d] != label:
                continue
            box = tuple(int(x) for x in image.boxes[d])
            best = max(normal, key=lambda j: overlap(box, boxes[j])[0], default=None)
            belongs = best is not None and overlap(box, boxes[best])[0] >= iou
            if belongs and objects.difficult[best]:
                continue
            right = belongs and best not in taken
            if right:
                taken.add(best)
            elif any(overlap(box, boxes[j])[1] >= iou for j in own if objects.crowd[j]):
                continue
            counted.append((float(image.scores[d]), right))
    return counted, total


def slow_average_precisions(truth, found, label, iou):
    counted, total = judged(truth, found, label, iou)
    if not total:
        return np.nan, np.nan
    points = []
    for threshold in {score for score, _ in counted}:
        rights = [right for score, right in counted if score >= threshold]
        points.append((Fraction(sum(rights), total), Fraction(sum(rights), len(rights))))

    def interpolated(level):
        return max((p for r, p in points if r >= level), default=Fraction(0))

    area = sum(interpolated(Fraction(i, total)) for i in range(1, total + 1)) / total
    eleven = sum(interpolated(Fraction(i, 10)) for i in range(11)) / 11
    return float(area), float(eleven)


@few
@hypothesis.given(seeds, st.sampled_from([0.25, 0.5, 0.75, 1.0]))
def test_against_the_definition(seed, iou):
    truth, found = crossing(seed)
    result = voc_average_precision(truth, found, "abc", iou)
    expected = [slow_average_precisions(truth, found, label, iou) for label in range(3)]
    area, eleven_point = np.array(expected).T
    np.testing.assert_allclose(result.area, area, rtol=1e-12)
    np.testing.assert_allclose(result.eleven_point, eleven_point, rtol=1e-12)
    if not np.isnan(area).all():
        assert result.mean == pytest.approx(np.nanmean(area), rel=1e-12)


# Against COCO's


@few
@hypothesis.given(seeds, st.sampled_from([0.0, 0.2]))
def test_against_cocos(seed, share):
    # Both rules of matching agree where objects are apart. Of a curve that never rises, the mean at
    # 0, .01, ..., 1 is within 1/101 of the area.
    truth, found = apart(seed, difficult=share, crowd=share)
    ours = voc_average_precision(truth, found, "abc").area
    np.testing.assert_allclose(
        coco_average_precision(truth, found, "abc").class_ap50, ours, atol=1 / 101, rtol=0
    )


def test_all_found_is_one_by_every_count():
    truth, _ = apart(0)
    found = [
        detections_of(objects.boxes, np.linspace(1, 0.5, len(objects.labels)), objects.labels)
        for objects in truth
    ]
    result = voc_average_precision(truth, found, "abc", iou=1)
    assert result.mean == 1
    assert result.mean_eleven_point == pytest.approx(1, rel=1e-15)  # a mean of eleven
    assert coco_average_precision(truth, found, "abc").ap == pytest.approx(1, rel=1e-12)


# Theorems


def same(a, b):
    for form in ("area", "eleven_point"):
        np.testing.assert_array_equal(getattr(a, form), getattr(b, form))


@few
@hypothesis.given(seeds)
def test_the_order_of_the_images_does_not_matter(seed):
    truth, found = crossing(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    shuffled = [[images[i] for i in order] for images in (truth, found)]
    same(voc_average_precision(truth, found, "abc"), voc_average_precision(*shuffled, "abc"))


@few
@hypothesis.given(seeds)
def test_only_the_order_of_the_scores_matters(seed):
    truth, found = crossing(seed)
    scaled = [image._replace(scores=np.exp(3 * image.scores) - 7) for image in found]
    same(voc_average_precision(truth, found, "abc"), voc_average_precision(truth, scaled, "abc"))


@few
@hypothesis.given(seeds)
def test_one_more_false_detection_with_the_lowest_score_changes_nothing(seed):
    truth, found = crossing(seed)
    boxes, scores, labels = found[0]
    far = np.array([[300, 300, 310, 310]], np.float32)
    found_too = Detections(
        np.concatenate([boxes, far]), np.append(scores, np.float32(0.01)), np.append(labels, 0)
    )
    same(
        voc_average_precision(truth, found, "abc"),
        voc_average_precision(truth, [found_too, *found[1:]], "abc"),
    )


@few
@hypothesis.given(seeds)
def test_one_more_false_detection_with_the_highest_score_never_helps(seed):
    truth, found = crossing(seed)
    boxes, scores, labels = found[0]
    far = np.array([[300, 300, 310, 310]], np.float32)
    found_too = Detections(
        np.concatenate([far, boxes]),
        np.append(np.float32(2), scores),
        np.append(np.int32(0), labels).astype(np.int32),
    )
    before = voc_average_precision(truth, found, "abc").area[0]
    after = voc_average_precision(truth, [found_too, *found[1:]], "abc").area[0]
    assert np.isnan(before) or after < before or before == 0


@few
@hypothesis.given(seeds)
def test_the_interpolated_curve_bounds_its_area(seed):
    for curve in precision_recall(*apart(seed), "abc"):
        assert (np.diff(curve.recall) >= 0).all() and (np.diff(curve.score) < 0).all()
        if curve.objects:
            most = curve.recall.max(initial=0) * curve.precision.max(initial=0)
            assert 0 <= area_precision(curve) <= most + 1e-12


# Errors


def changed(image, **fields):
    return image._replace(**{name: np.array(values) for name, values in fields.items()})


THERE, FOUND = objects_of([A, B], [0, 1]), detections_of([A, B], [0.9, 0.8], [0, 1])


@pytest.mark.parametrize(
    ("truth", "found", "classes", "message"),
    [
        ([THERE], [FOUND], [], "`classes` must name at least one class, got none"),
        ([], [], "ab", "`truth` must hold at least one image, got none"),
        ([THERE] * 2, [FOUND], "ab", "`found` must have one entry for each .* got 1 for 2: an ima"),
        ([THERE], [FOUND], "a", r"`truth` must have labels in \[0, 1\), got 0 to 1 in image 0"),
        (
            [NOTHING_THERE, THERE],
            [NOTHING_FOUND, changed(FOUND, labels=[-1, 0])],
            "ab",
            r"`found` must have labels in \[0, 2\), got -1 to 0 in image 1",
        ),
        (
            [changed(THERE, difficult=[False])],
            [FOUND],
            "ab",
            r"`truth` must have boxes \[k, 4\] and k values .* got shapes .*\(1,\).* in image 0",
        ),
        (
            [THERE],
            [changed(FOUND, scores=[0.9])],
            "ab",
            r"`found` must have boxes .* shapes \[\(2, 4\), \(1,\), \(2,\)\] in image 0",
        ),
        (
            [THERE],
            [changed(FOUND, boxes=[A, (30, 0, 20, 10)])],
            "ab",
            r"`found` must have finite boxes .* got \[30, 0, 20, 10\] in image 0",
        ),
        (
            [changed(THERE, boxes=[A, (0, 0, 10, np.nan)])],
            [FOUND],
            "ab",
            r"`truth` must have finite boxes .*, got \[0.0, 0.0, 10.0, nan\] in image 0",
        ),
        (
            [THERE],
            [changed(FOUND, scores=[0.8, 0.9])],
            "ab",
            r"`found` must have scores .* descending order, got \[0.8, 0.9\] in image 0",
        ),
        (
            [THERE],
            [changed(FOUND, boxes=[A], scores=[np.nan], labels=[0])],
            "ab",
            r"`found` must have scores that are numbers, .* got \[nan\] in image 0",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(truth, found, classes, message):
    for evaluate in (precision_recall, coco_average_precision):
        with pytest.raises(ValueError, match=message):
            evaluate(truth, found, classes)


@pytest.mark.parametrize("iou", [0, 1.5, -0.5, float("nan")])
def test_an_overlap_that_is_none_is_refused(iou):
    with pytest.raises(ValueError, match=r"`iou` must be in \(0, 1\]"):
        mean_average_precision([THERE], [FOUND], "ab", iou)


def test_the_best_score_is_where_precision_and_recall_are_best_together():
    """F1 after each detection: 2/5, 4/6, 4/7, 6/8, 6/9; of the second class 2/3 and 2/4."""
    curves = [
        PrecisionRecall(
            np.array([1, 2, 2, 3, 3]) / 4,
            np.array([1, 1, 2 / 3, 3 / 4, 3 / 5]),
            np.array([0.9, 0.8, 0.6, 0.5, 0.2]),
            4,
        ),
        PrecisionRecall(np.array([0.5, 0.5]), np.array([1, 0.5]), np.array([0.7, 0.4]), 2),
        PrecisionRecall(np.full(1, np.nan), np.zeros(1), np.array([0.99]), 0),
    ]
    # At 0.5 the sum is 0.75 + 0.667; at 0.8 it is 0.667 + 0, at 0.7 0.667 + 0.667.
    assert best_score(curves) == 0.5
    assert best_score(curves[1:]) == 0.7
    assert np.isnan(best_score(curves[2:]))
