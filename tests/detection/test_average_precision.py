"""COCO's average precision by hand, and what its own code says of its own files."""

import contextlib
import io

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from jaxvision.detection.average_precision import coco_average_precision
from tests.detection.made_up_detections import (
    NOTHING_FOUND,
    NOTHING_THERE,
    apart,
    crossing,
    detections_of,
    objects_of,
)

# 40 x 40 is medium, 20 x 20 small, 100 x 100 large.
SMALL, MEDIUM, LARGE = (0, 0, 20, 20), (50, 0, 90, 40), (0, 100, 100, 200)
ELSEWHERE = (300, 300, 340, 340)
seeds = st.integers(0, 10**6)
few = hypothesis.settings(max_examples=10, deadline=None)


def same(a, b):
    for name in a._fields:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# By hand


def test_one_of_two_objects_found_exactly():
    truth = [objects_of([SMALL, LARGE], [0, 0])]
    found = [detections_of([SMALL], [0.9], [0])]
    result = coco_average_precision(truth, found, ["cat"])
    # Precision 1 at the recalls 0, .01, ..., .5, at every overlap.
    for value in (result.ap, result.ap50, result.ap75, result.class_ap[0], result.class_ap50[0]):
        assert value == pytest.approx(51 / 101, rel=1e-12)
    assert result.ap_small == pytest.approx(1, rel=1e-12)
    assert result.ap_large == 0
    assert np.isnan(result.ap_medium)
    assert (result.ar1, result.ar10, result.ar100) == (0.5, 0.5, 0.5)


def test_the_overlap_decides_at_which_thresholds_it_counts():
    # 32 of 40 columns: an overlap of .8, enough for .5, .55, ..., .8, seven of ten.
    truth = [objects_of([MEDIUM], [0])]
    found = [detections_of([(50, 0, 82, 40)], [0.9], [0])]
    result = coco_average_precision(truth, found, ["cat"])
    assert result.ap == pytest.approx(0.7, rel=1e-12)
    assert result.ap_medium == pytest.approx(0.7, rel=1e-12)
    assert result.ap50 == pytest.approx(1, rel=1e-12)
    assert result.ap75 == pytest.approx(1, rel=1e-12)
    found = [detections_of([(50, 0, 78, 40)], [0.9], [0])]  # .7
    result = coco_average_precision(truth, found, ["cat"])
    assert result.ap75 == 0
    assert result.ap50 == pytest.approx(1, rel=1e-12)


def test_recall_of_the_surest_detections():
    # Of 20 objects, the surest detection is false and the next 19 are right.
    corners = 20 * np.array([divmod(i, 5) for i in range(20)])
    boxes = np.concatenate([corners, corners + 10], axis=1)
    found = [detections_of([ELSEWHERE, *boxes[:19]], np.linspace(0.9, 0.1, 20), [0] * 20)]
    result = coco_average_precision([objects_of(boxes, [0] * 20)], found, ["cat"])
    np.testing.assert_allclose((result.ar1, result.ar10, result.ar100), (0, 9 / 20, 19 / 20))


def test_a_class_without_objects_is_not_in_the_mean():
    truth = [objects_of([SMALL, MEDIUM], [0, 1], difficult=[1])]
    found = [detections_of([SMALL, MEDIUM, LARGE], [0.7, 0.8, 0.9], [0, 1, 2])]
    result = coco_average_precision(truth, found, ["cat", "dog", "bird", "fish"])
    assert result.ap == pytest.approx(1, rel=1e-12)
    for values in (result.class_ap, result.class_ap50):
        np.testing.assert_allclose(values, [1, np.nan, np.nan, np.nan], rtol=1e-12)


def test_a_difficult_object_is_neither_missed_nor_wrongly_found():
    truth = [objects_of([SMALL, MEDIUM], [0, 0], difficult=[1])]
    both = detections_of([MEDIUM, MEDIUM, SMALL], [0.9, 0.8, 0.7], [0, 0, 0])
    for found in (both, detections_of([SMALL], [0.7], [0])):
        assert coco_average_precision(truth, [found], "a").ap == pytest.approx(1, rel=1e-12)
    # It is found by its overlap; a detection that lies in it is false.
    inside = detections_of([(50, 0, 60, 10), SMALL], [0.9, 0.7], [0, 0])
    assert coco_average_precision(truth, [inside], "a").ap == pytest.approx(1 / 2, rel=1e-12)


def test_in_a_crowd_nothing_is_false():
    truth = [objects_of([SMALL, LARGE], [0, 0], crowd=[1])]
    inside = [(0, 100, 20, 120), (10, 100, 30, 120)]
    found = [detections_of([*inside, SMALL], [0.9, 0.8, 0.7], [0, 0, 0])]
    assert coco_average_precision(truth, found, ["cat"]).ap == pytest.approx(1, rel=1e-12)


def test_images_with_nothing_in_them_or_found():
    truth = [objects_of([SMALL], [0]), NOTHING_THERE, NOTHING_THERE]
    found = [detections_of([SMALL], [0.5], [0]), detections_of([SMALL], [0.9], [0]), NOTHING_FOUND]
    result = coco_average_precision(truth, found, ["cat"])
    assert result.ap == pytest.approx(1 / 2, rel=1e-12)
    assert coco_average_precision(truth, [NOTHING_FOUND] * 3, ["cat"]).ap == 0
    for value in coco_average_precision([NOTHING_THERE], [NOTHING_FOUND], ["cat"]):
        np.testing.assert_array_equal(value, np.full_like(value, np.nan))


def test_the_first_object_and_detection_count():
    # A match with number 0 would pass for none.
    truth, found = [objects_of([SMALL], [0])], [detections_of([SMALL], [0.5], [0])]
    assert coco_average_precision(truth, found, ["cat"]).ap == pytest.approx(1, rel=1e-12)


def test_nothing_is_printed(capsys):
    coco_average_precision([objects_of([SMALL], [0])], [NOTHING_FOUND], ["cat"])
    assert capsys.readouterr() == ("", "")


# Against pycocotools as it comes


def by_pycocotools(truth, found, classes):
    """Its twelve numbers, of files written by its rules."""
    annotations, results = [], []
    for image, (objects, detections) in enumerate(zip(truth, found, strict=True), 1):
        for into, boxes in ((annotations, objects), (results, detections)):
            for i, (left, top, right, bottom) in enumerate(boxes.boxes.astype(float).tolist()):
                entry = {
                    "id": len(into) + 1,
                    "image_id": image,
                    "category_id": int(boxes.labels[i]) + 1,
                    "bbox": [left, top, right - left, bottom - top],
                }
                if into is annotations:
                    entry["area"] = (right - left) * (bottom - top)
                    entry["iscrowd"] = int(objects.crowd[i])
                else:
                    entry["score"] = float(detections.scores[i])
                into.append(entry)
    with contextlib.redirect_stdout(io.StringIO()):
        files = COCO()
        files.dataset = {
            "info": {},
            "images": [{"id": i + 1} for i in range(len(truth))],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(classes)],
            "annotations": annotations,
        }
        files.createIndex()
        evaluation = COCOeval(files, files.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@few
@hypothesis.given(seeds, st.sampled_from([apart, crossing]))
def test_against_pycocotools_as_it_comes(seed, made_up):
    truth, found = made_up(seed)
    truth = [objects._replace(difficult=np.zeros_like(objects.difficult)) for objects in truth]
    found[0] = detections_of([SMALL], [0.5], [0])  # it cannot read that nothing was found at all
    result = coco_average_precision(truth, found, "abc")
    expected = by_pycocotools(truth, found, "abc")[:9]
    expected = np.where(expected == -1, np.nan, expected)
    np.testing.assert_allclose(list(result[:9]), expected, rtol=1e-12)


# Theorems


@few
@hypothesis.given(seeds)
def test_the_order_of_the_images_does_not_matter(seed):
    truth, found = apart(seed, difficult=0.2, crowd=0.1)
    order = np.random.default_rng(seed).permutation(len(truth))
    shuffled = [[images[i] for i in order] for images in (truth, found)]
    same(coco_average_precision(truth, found, "abc"), coco_average_precision(*shuffled, "abc"))


@few
@hypothesis.given(seeds)
def test_only_the_order_of_the_scores_matters(seed):
    truth, found = crossing(seed)
    scaled = [image._replace(scores=np.exp(3 * image.scores) - 7) for image in found]
    same(coco_average_precision(truth, found, "abc"), coco_average_precision(truth, scaled, "abc"))


@few
@hypothesis.given(seeds)
def test_a_false_detection_never_helps(seed):
    truth, found = crossing(seed)
    boxes, scores, labels = found[0]
    more = detections_of([*boxes, ELSEWHERE], [*scores, 0.01], [*labels, 0])
    before = coco_average_precision(truth, found, "abc").class_ap
    after = coco_average_precision(truth, [more, *found[1:]], "abc").class_ap
    assert (np.isnan(before) | (after <= before)).all()
    assert (np.isnan(before) == np.isnan(after)).all()


@few
@hypothesis.given(seeds)
def test_more_objects_of_no_count_change_no_number(seed):
    # A difficult object, or a crowd, where nothing is found.
    truth, found = apart(seed)
    for more in ({"difficult": [-1]}, {"crowd": [-1]}):
        boxes, labels, *_ = truth[0]
        flags = {name: [len(labels)] for name in more}
        with_more = objects_of([*boxes, (480, 480, 499, 499)], [*labels, 0], **flags)
        same(
            coco_average_precision(truth, found, "abc"),
            coco_average_precision([with_more, *truth[1:]], found, "abc"),
        )
