"""What is handed out of all scored boxes."""

import jax.numpy as jnp
import numpy as np

from jaxvision.data.letterbox import Letterboxed
from jaxvision.data.scenes import DigitScenes
from jaxvision.detection.found import Selection, select
from jaxvision.detection.measures import detections_of, on_images


def chosen(boxes, scores, labels, **selection):
    arrays = jnp.array([boxes], jnp.float32), jnp.array([scores]), jnp.array([labels])
    return select(*arrays, 100, 100, Selection(**selection))


def test_overlapping_boxes_of_one_class_are_one_object():
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [50, 50, 60, 60]]
    found = chosen(boxes, [0.6, 0.9, 0.5, 0.3], [0, 0, 1, 0], most=4)
    assert found.mask[0].tolist() == [True, True, True, False]
    np.testing.assert_allclose(found.scores[0], [0.9, 0.5, 0.3, 0])
    assert found.labels[0, :3].tolist() == [0, 1, 0]


def test_low_scores_and_what_is_outside_are_left_out_and_the_rest_is_cut():
    boxes = [[-10, -10, 20, 20], [110, 0, 120, 10], [0, 50, 10, 60], [30, 30, 30, 40]]
    found = chosen(boxes, [0.9, 0.8, 0.05, 0.7], [0, 0, 0, 0], score=0.1, most=3)
    assert found.mask[0].tolist() == [True, False, False]
    np.testing.assert_allclose(found.boxes[0, 0], [0, 0, 20, 20])


def test_no_more_than_the_most():
    boxes = [[10 * i, 0, 10 * i + 9, 9] for i in range(5)]
    found = chosen(boxes, [0.1, 0.5, 0.3, 0.4, 0.2], [0] * 5, most=2)
    np.testing.assert_allclose(found.scores[0], [0.5, 0.4])


def test_detections_are_without_the_filling():
    found = chosen([[0, 0, 10, 10], [1, 0, 11, 10]], [0.6, 0.9], [2, 2], most=4)
    (one,) = detections_of(found)
    assert one.boxes.shape == (1, 4)
    assert one.labels.dtype == np.int32
    np.testing.assert_allclose(one.scores, [0.9])


def test_detections_are_told_in_the_images_own_pixels():
    # 64 x 64 pixels on a canvas of 32 x 48: half as large, with 8 pixels of grey left and right.
    canvas = Letterboxed(DigitScenes(1, 64), 32, 48)
    found = chosen([[10, 2, 20, 12], [0, 20, 60, 40]], [0.9, 0.8], [3, 4], most=3)
    (one,) = on_images(found, canvas)
    np.testing.assert_allclose(one.boxes, [[4, 4, 24, 24], [0, 40, 64, 64]])
    assert one.labels.tolist() == [3, 4]
