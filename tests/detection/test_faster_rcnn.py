"""Faster R-CNN's loss by loops over the papers' equations, and its boxes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.detection.faster_rcnn import faster_rcnn_boxes, faster_rcnn_losses
from jaxvision.detection.found import Selection
from jaxvision.models.faster_rcnn import Seen
from jaxvision.models.region_proposals import Proposals
from jaxvision.models.regions import Lesson

B, ANCHORS, REGIONS, CLASSES, PLACES = 2, 12, 6, 3, 4


@pytest.fixture(scope="module")
def seen():
    rng = np.random.default_rng(0)

    def noise(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    objects = rng.random((B, ANCHORS)) < 0.3
    lesson = Lesson(
        noise(B, ANCHORS),
        noise(B, ANCHORS, 4),
        jnp.asarray(objects),
        jnp.asarray(~objects & (rng.random((B, ANCHORS)) < 0.5)),
        noise(B, ANCHORS, 4),
        jnp.asarray(rng.integers(0, CLASSES + 1, (B, REGIONS))),
        jnp.asarray(rng.random((B, REGIONS)) < 0.8),
        noise(B, REGIONS, 4),
        PLACES,
    )
    proposals = Proposals(noise(B, REGIONS, 4), noise(B, REGIONS), jnp.ones((B, REGIONS), bool))
    return Seen(
        proposals, noise(B, REGIONS, CLASSES + 1), noise(B, REGIONS, CLASSES + 1, 4), lesson
    )


def robust(difference):
    d = np.abs(np.asarray(difference, float))
    return float(np.where(d < 1, 0.5 * d**2, d - 0.5).sum())


def by_loops(seen, i, lambda_box):
    """The four sums, term by term, in float64."""
    lesson = seen.lesson
    anchor_class, anchor_box, drawn = 0.0, 0.0, 0
    for a in range(ANCHORS):
        p = 1 / (1 + np.exp(-float(lesson.anchor_logits[i, a])))
        if lesson.anchor_objects[i, a]:
            anchor_class -= np.log(p)
            anchor_box += robust(lesson.anchor_deltas[i, a] - lesson.anchor_targets[i, a])
            drawn += 1
        elif lesson.anchor_background[i, a]:
            anchor_class -= np.log(1 - p)
            drawn += 1
    region_class, region_box, regions = 0.0, 0.0, 0
    for r in range(REGIONS):
        if not lesson.region_mask[i, r]:
            continue
        label, regions = int(lesson.region_labels[i, r]), regions + 1
        exponents = np.exp(np.asarray(seen.logits[i, r], float))
        region_class -= np.log(exponents[label] / exponents.sum())
        if label < CLASSES:
            region_box += robust(seen.deltas[i, r, label] - lesson.region_targets[i, r])
    return {
        "anchor_class": anchor_class / drawn,
        "anchor_box": lambda_box * anchor_box / PLACES,
        "region_class": region_class / regions,
        "region_box": region_box / regions,
    }


@pytest.mark.parametrize("lambda_box", [10.0, 1.0])
def test_the_loss_is_the_papers_sums(seen, lambda_box):
    losses = faster_rcnn_losses(seen, lambda_box)
    for i in range(B):
        for name, value in by_loops(seen, i, lambda_box).items():
            np.testing.assert_allclose(losses[name][i], value, rtol=1e-5, err_msg=name)


def test_an_image_with_nothing_drawn_costs_nothing(seen):
    nothing = seen.lesson._replace(
        anchor_objects=jnp.zeros((B, ANCHORS), bool),
        anchor_background=jnp.zeros((B, ANCHORS), bool),
        region_mask=jnp.zeros((B, REGIONS), bool),
    )
    losses = faster_rcnn_losses(seen._replace(lesson=nothing))
    assert all(not np.any(value) for value in losses.values())


def test_far_off_logits_are_finite(seen):
    far = seen.lesson._replace(anchor_logits=1e4 * seen.lesson.anchor_logits)

    def total(logits):
        one = seen._replace(logits=logits, lesson=far)
        return sum(value.sum() for value in faster_rcnn_losses(one).values())

    value, gradient = jax.value_and_grad(total)(1e4 * seen.logits)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


def test_without_a_lesson_it_is_refused(seen):
    with pytest.raises(ValueError, match="must have a lesson, got None: give the network"):
        faster_rcnn_losses(seen._replace(lesson=None))


def test_each_class_has_its_own_box_of_a_proposal():
    proposals = Proposals(
        jnp.array([[[10.0, 10, 30, 30], [60, 60, 80, 80]]]),
        jnp.zeros((1, 2)),
        jnp.array([[True, False]]),
    )
    logits = jnp.log(jnp.array([[[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]]]))
    # Half a width to the right, for the second class; targets of regions are times 10.
    deltas = jnp.zeros((1, 2, 3, 4)).at[0, 0, 1, 0].set(5.0)
    seen = Seen(proposals, logits, deltas, None)
    found = faster_rcnn_boxes(seen, 100, 100, Selection(score=0.1, most=4))
    assert found.mask[0].tolist() == [True, True, False, False]  # neither background nor filling
    np.testing.assert_allclose(found.scores[0, :2], [0.5, 0.3], rtol=1e-5)
    np.testing.assert_allclose(found.boxes[0, :2], [[10, 10, 30, 30], [20, 10, 40, 30]], atol=1e-4)
    assert found.labels[0, :2].tolist() == [0, 1]
