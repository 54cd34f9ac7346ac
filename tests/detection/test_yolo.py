"""YOLO's loss by loops over the paper's equation, its targets, its boxes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.detection.found import Selection
from jaxvision.detection.yolo import take_apart, targets_of, yolo_boxes, yolo_losses

ROWS, COLUMNS, BOXES, CLASSES, HEIGHT, WIDTH = 3, 4, 2, 3, 48, 80


def make_batch(boxes, labels, mask=None):
    boxes = np.asarray(boxes, np.float32)
    mask = np.ones(boxes.shape[:2], bool) if mask is None else mask
    return {
        "image": jnp.zeros((len(boxes), HEIGHT, WIDTH, 1)),
        "boxes": jnp.asarray(boxes),
        "box_mask": jnp.asarray(mask),
        "label": jnp.asarray(labels, jnp.int32),
    }


@pytest.fixture(scope="module")
def batch():
    boxes = [
        [[2, 3, 14, 13], [50, 20, 79, 47], [0, 0, 0, 0]],
        [[3, 2, 15, 12], [30, 30, 38, 44], [60, 2, 75, 14]],
    ]
    mask = np.array([[True, True, False], [True, True, True]])
    return make_batch(boxes, [[0, 2, 0], [1, 0, 2]], mask)


@pytest.fixture(scope="module")
def grid():
    noise = jax.random.uniform(jax.random.key(0), (2, ROWS, COLUMNS, BOXES * 5 + CLASSES))
    return noise.at[..., 2].add(0.3)


def corners(x, y, root_w, root_h, row, column):
    x, y = (column + x) * WIDTH / COLUMNS, (row + y) * HEIGHT / ROWS
    w, h = root_w**2 * WIDTH, root_h**2 * HEIGHT
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def overlap(a, b):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = sum((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return w * h / (areas - w * h)


def by_loops(grid, boxes, mask, labels, coord=5.0, noobj=0.5):
    """Equation 3, cell by cell, in float64."""
    parts = {"box": 0.0, "confidence": 0.0, "class": 0.0}
    for row in range(ROWS):
        for column in range(COLUMNS):
            cell = grid[row, column].astype(float)
            said = cell[: BOXES * 5].reshape(BOXES, 5)
            truth = None
            for box, there, label in zip(boxes, mask, labels, strict=True):
                x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
                at = int(y * ROWS / HEIGHT), int(x * COLUMNS / WIDTH)
                if there and at == (row, column) and truth is None:
                    truth = box.astype(float), label
            responsible = None
            if truth is not None:
                box, label = truth
                ious = [overlap(corners(*one[:4], row, column), box) for one in said]
                responsible = int(np.argmax(ious))
                x, y = (
                    (box[0] + box[2]) / 2 * COLUMNS / WIDTH,
                    (box[1] + box[3]) / 2 * ROWS / HEIGHT,
                )
                w, h = (box[2] - box[0]) / WIDTH, (box[3] - box[1]) / HEIGHT
                wanted = np.array([x - column, y - row, w**0.5, h**0.5])
                parts["box"] += coord * np.sum((said[responsible, :4] - wanted) ** 2)
                parts["confidence"] += (said[responsible, 4] - ious[responsible]) ** 2
                parts["class"] += np.sum((cell[BOXES * 5 :] - np.eye(CLASSES)[label]) ** 2)
            for j in range(BOXES):
                if j != responsible:
                    parts["confidence"] += noobj * said[j, 4] ** 2
    return parts


def test_the_loss_is_the_papers_equation(batch, grid):
    losses = yolo_losses(grid, batch, CLASSES)
    for i in range(2):
        arrays = (
            np.asarray(x[i]) for x in (grid, *(batch[k] for k in ("boxes", "box_mask", "label")))
        )
        for name, value in by_loops(*arrays).items():
            np.testing.assert_allclose(losses[name][i], value, rtol=1e-5, err_msg=name)


def test_weights_are_as_asked(batch, grid):
    one, other = (yolo_losses(grid, batch, CLASSES, coord, 0.5) for coord in (5.0, 10.0))
    np.testing.assert_allclose(other["box"], 2 * one["box"], rtol=1e-6)
    arrays = [np.asarray(x[0]) for x in (grid, batch["boxes"], batch["box_mask"], batch["label"])]
    none = yolo_losses(grid, batch, CLASSES, 5.0, 0.0)["confidence"][0]
    np.testing.assert_allclose(none, by_loops(*arrays, noobj=0.0)["confidence"], rtol=1e-5)


def perfect(batch):
    """A grid that says what is so: its first box of each cell the object, and sure of it."""
    truth = targets_of(batch, ROWS, COLUMNS)
    there = np.asarray(truth.there, np.float32)[..., None]
    box = np.concatenate([truth.boxes * there, there], axis=-1)
    classes = np.eye(CLASSES)[np.asarray(truth.label)] * there
    return jnp.asarray(np.concatenate([box, 0 * box, classes], axis=-1), jnp.float32)


def test_who_is_right_has_no_loss_and_no_gradient(batch):
    losses = yolo_losses(perfect(batch), batch, CLASSES)
    for value in losses.values():
        np.testing.assert_allclose(value, 0, atol=1e-9)

    def total(grid):
        return sum(x.sum() for x in yolo_losses(grid, batch, CLASSES).values())

    np.testing.assert_allclose(jax.grad(total)(perfect(batch)), 0, atol=1e-4)


def test_only_the_responsible_box_learns_a_place(batch, grid):
    def box_loss(grid):
        return yolo_losses(grid, batch, CLASSES)["box"].sum()

    gradient = np.asarray(jax.grad(box_loss)(grid))[..., : BOXES * 5].reshape(
        2, ROWS, COLUMNS, 2, 5
    )
    moved = np.any(gradient[..., :4] != 0, axis=-1)
    there = np.asarray(targets_of(batch, ROWS, COLUMNS).there)
    np.testing.assert_array_equal(moved.sum(axis=-1), there.astype(int))
    assert not np.any(gradient[..., 4])


def test_of_two_objects_in_a_cell_the_first_has_it():
    boxes = [[[2, 2, 10, 10], [4, 4, 12, 12]]]
    for mask, label in (([[True, True]], 0), ([[False, True]], 1)):
        truth = targets_of(make_batch(boxes, [[0, 1]], np.array(mask)), ROWS, COLUMNS)
        assert truth.there.sum() == 1
        assert truth.label[0, 0, 0] == label


def test_a_middle_on_the_edge_is_in_the_last_cell():
    batch = make_batch([[[WIDTH - 4, HEIGHT - 4, WIDTH + 4, HEIGHT + 4]]], [[1]])
    truth = targets_of(batch, ROWS, COLUMNS)
    assert truth.there[0, -1, -1] and truth.there.sum() == 1
    np.testing.assert_allclose(truth.boxes[0, -1, -1, :2], [1, 1])


def test_boxes_come_back_in_pixels(batch):
    found = yolo_boxes(perfect(batch), CLASSES, HEIGHT, WIDTH, Selection(score=0.5, most=5))
    np.testing.assert_array_equal(found.mask.sum(axis=1), [2, 3])
    for i, count in enumerate((2, 3)):
        order = np.lexsort(np.asarray(batch["boxes"][i, :count]).T)
        mine = np.lexsort(np.asarray(found.boxes[i, :count]).T)
        np.testing.assert_allclose(
            found.boxes[i, :count][mine], batch["boxes"][i, :count][order], atol=1e-3
        )
        np.testing.assert_array_equal(
            found.labels[i, :count][mine], batch["label"][i, :count][order]
        )
        np.testing.assert_allclose(found.scores[i, :count], 1, atol=1e-6)


def test_a_score_is_confidence_times_probability_within_bounds():
    cell = np.array([0.5, 0.5, 0.4, 0.4, 0.8, 0.5, 0.5, 0.9, 0.9, 1.7, 0.2, 0.5, -3.0])
    grid = jnp.zeros((1, ROWS, COLUMNS, 13)).at[0, 1, 1].set(cell)
    found = yolo_boxes(grid, CLASSES, HEIGHT, WIDTH, Selection(score=0.01, iou=1.0, most=4))
    np.testing.assert_allclose(found.scores[0, :2], [0.5, 0.4], rtol=1e-6)
    assert found.labels[0, :2].tolist() == [1, 1]
    sure = yolo_boxes(
        grid.at[0, 1, 1, 11].set(1.7), CLASSES, HEIGHT, WIDTH, Selection(0.01, 1.0, 4)
    )
    np.testing.assert_allclose(sure.scores[0, :2], [1.0, 0.8], rtol=1e-6)
    assert found.mask[0].tolist() == [True, True, False, False]


def test_a_grid_of_another_number_of_classes_is_refused(grid):
    with pytest.raises(ValueError, match=r"boxes \* 5 \+ 4 numbers a cell, got 13"):
        take_apart(grid, 4)
