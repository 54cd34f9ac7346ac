"""Faster R-CNN: published counts, the pyramid, proposals, and what is drawn to learn from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import make_model
from jaxvision.models.darknet import darknet_small
from jaxvision.models.faster_rcnn import Draws, FasterRCNN, Scene
from jaxvision.models.pyramid import FeaturePyramid
from jaxvision.models.region_proposals import propose
from jaxvision.models.regions import pool_levels
from jaxvision.ops.boxes import iou_matrix
from jaxvision.ops.roi import roi_align
from tests.models.tracing import traced

FEW = Draws(before=32, learning=16, testing=8, anchors=24, regions=12)
SMALL = {
    "backbone": darknet_small(None, width=0.25),
    "features": ("conv8",),
    "strides": (8,),
    "sizes": ((12.0, 24.0),),
    "ratios": (1.0,),
    "width": 8,
    "hidden": (8,),
    "draws": FEW,
}


def count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


# --- counts


def test_vgg16_as_in_the_paper(unchecked):
    model = FasterRCNN(
        20,
        make_model("vgg16", None, hidden=()),
        ("relu5_3",),
        (16,),
        ((128.0, 256.0, 512.0),),
    )
    params = traced(model, (1, 224, 224, 3))[1]["params"]
    assert count(params) == 137_078_239
    assert count(params["rpn"]) == 2_387_510


def test_resnet50_with_a_pyramid_as_in_torchvision(unchecked):
    model = FasterRCNN(
        90,
        make_model("resnet50", None),
        ("stage1", "stage2", "stage3", "stage4"),
        (4, 8, 16, 32, 64),
        tuple((size,) for size in (32.0, 64.0, 128.0, 256.0, 512.0)),
        pyramid=256,
        width=256,
        scores=1,
        hidden=(1024, 1024),
    )
    params = traced(model, (1, 256, 256, 3))[1]["params"]
    # torchvision's batch norms are constants there: 53,120 scales and biases are not counted.
    assert count(params) - 53_120 == 41_755_286


# --- the pyramid


def test_coarse_maps_are_handed_down():
    key = jax.random.key(0)
    maps = [jnp.zeros((1, 7, 9, 3)), jax.random.normal(key, (1, 4, 5, 6))]
    levels, variables = FeaturePyramid(2).init_with_output(key, maps)
    assert [level.shape for level in levels] == [(1, 7, 9, 2), (1, 4, 5, 2), (1, 2, 3, 2)]
    params = variables["params"]
    np.testing.assert_array_equal(levels[2], levels[1][:, ::2, ::2])
    # The fine map is zeros: what its level sees is the coarse one, each place four times.
    kernel, bias = params["inner2"]["kernel"][0, 0], params["inner2"]["bias"]
    merged = np.asarray(maps[1] @ kernel + bias[None, None, None])
    merged = merged.repeat(2, axis=1).repeat(2, axis=2)[:, :7, :9]
    merged = merged + np.asarray(params["inner1"]["bias"])
    padded = np.pad(merged, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel, bias = (np.asarray(params["layer1"][name]) for name in ("kernel", "bias"))
    by_hand = bias + sum(
        padded[:, i : i + 7, j : j + 9] @ kernel[i, j] for i in range(3) for j in range(3)
    )
    np.testing.assert_allclose(levels[0], by_hand, atol=1e-5)


def test_a_region_is_pooled_from_the_level_of_its_size():
    levels = [jnp.full((1, 64 // 2**i, 64 // 2**i, 1), float(i)) for i in range(5)]
    sides = jnp.array([30.0, 100.0, 130.0, 224.0, 447.0, 449.0, 2000.0])
    boxes = jnp.stack([0 * sides, 0 * sides, sides, sides], axis=1)[None]

    def seen(features, boxes, size, stride):
        return roi_align(features, jnp.minimum(boxes, 60.0), size, 4)

    pooled = pool_levels(levels, (4, 8, 16, 32, 64), boxes, seen)
    # floor(2 + log2(side / 224)) on levels of strides 4, 8, 16, 32: the paper's k0 has stride 16.
    np.testing.assert_allclose(pooled[0, :, 0, 0, 0], [0, 0, 1, 2, 2, 3, 3])


# --- proposals


def test_proposals_are_the_likeliest_moved_anchors_without_overlaps():
    anchors = jnp.array(
        [[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [-5, 40, 5, 50], [0.0, 0, 0.5, 20]]
    )
    logits = jnp.array([[1.0, 2.0, 0.5, 3.0, 9.0]])
    deltas = jnp.zeros((1, 5, 4)).at[0, 2, 0].set(0.5)
    found = propose([(logits, deltas)], [anchors], 64, 64, before=5, most=4)
    wanted = [[0, 40, 5, 50], [1, 0, 11, 10], [25, 20, 35, 30]]  # the last anchor is too thin
    np.testing.assert_array_equal(found.mask[0], [True, True, True, False])
    np.testing.assert_allclose(found.boxes[0, :3], wanted)
    np.testing.assert_allclose(found.logits[0, :3], [3.0, 2.0, 0.5])


def test_levels_do_not_suppress_each_other_and_few_take_part():
    anchors = jnp.array([[0.0, 0, 10, 10], [30, 30, 40, 40]])
    said = [(jnp.array([[1.0, 0.0]]), jnp.zeros((1, 2, 4)))] * 2
    found = propose(said, [anchors, anchors], 64, 64, before=1, most=4)
    np.testing.assert_array_equal(found.mask[0], [True, True, False, False])
    np.testing.assert_allclose(found.boxes[0, :2], [[0, 0, 10, 10]] * 2)


def test_no_gradient_flows_through_proposals():
    anchors = jnp.array([[0.0, 0, 10, 10], [30, 30, 40, 40]])

    def boxes(logits, deltas):
        return propose([(logits, deltas)], [anchors], 64, 64, before=2, most=2).boxes.sum()

    gradients = jax.grad(boxes, argnums=(0, 1))(jnp.zeros((1, 2)), jnp.zeros((1, 2, 4)))
    assert all(not np.any(gradient) for gradient in gradients)


# --- learning


@pytest.fixture(scope="module")
def scene():
    boxes = jnp.array([[[4, 4, 20, 22], [40, 30, 60, 50]], [[10, 40, 34, 62], [0, 0, 0, 0]]])
    images = jax.random.normal(jax.random.key(3), (2, 64, 64, 1))
    mask = jnp.array([[True, True], [True, False]])
    return Scene(images, boxes.astype(jnp.float32), mask, jnp.array([[0, 2], [1, 0]]))


@pytest.fixture(scope="module")
def learned(scene):
    model = FasterRCNN(3, **SMALL)
    variables = model.init(jax.random.key(0), scene.images, train=False)

    @jax.jit
    def see(scene, seed):
        rngs = {"dropout": jax.random.key(seed)}
        apply = {"train": True, "mutable": ["batch_stats"], "rngs": rngs}
        return model.apply(variables, scene, **apply)[0][0]

    return model, variables, see


def test_as_many_are_drawn_as_asked(scene, learned):
    _, _, see = learned
    seen = see(scene, 0)
    lesson = seen.lesson
    drawn = lesson.anchor_objects | lesson.anchor_background
    np.testing.assert_array_equal(drawn.sum(axis=1), [FEW.anchors] * 2)
    assert not np.any(lesson.anchor_objects & lesson.anchor_background)
    assert np.all(lesson.anchor_objects.sum(axis=1) >= 1)  # the best match is forced
    assert lesson.region_labels.shape == (2, FEW.regions)
    objects = (np.asarray(lesson.region_labels) < 3) & np.asarray(lesson.region_mask)
    assert np.all(objects.sum(axis=1) <= FEW.regions // 4)
    assert np.all(objects.sum(axis=1) >= 1)  # the objects' own boxes are among the proposals
    assert lesson.places == 64


def test_regions_are_labelled_by_the_object_that_they_overlap(scene, learned):
    seen = learned[2](scene, 0)
    for i in range(2):
        overlap = np.asarray(iou_matrix(seen.proposals.boxes[i], scene.boxes[i]))
        overlap = np.where(scene.box_mask[i], overlap, 0)
        for n, mask in enumerate(seen.lesson.region_mask[i]):
            label = int(seen.lesson.region_labels[i, n])
            nearest = overlap[n].argmax()
            expected = int(scene.labels[i, nearest]) if overlap[n, nearest] >= 0.5 else 3
            assert not mask or label == expected


def test_another_key_draws_others_and_the_same_the_same(scene, learned):
    one, same, other = (learned[2](scene, seed).lesson.anchor_background for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)


def test_an_image_without_objects_is_all_background(scene, learned):
    empty = scene._replace(box_mask=jnp.zeros((2, 2), bool))
    lesson = learned[2](empty, 0).lesson
    assert not np.any(lesson.anchor_objects)
    assert np.all(np.asarray(lesson.region_labels) == 3)
    assert np.all(lesson.anchor_background.sum(axis=1) == FEW.anchors)


def test_one_program_for_any_number_of_objects(scene, learned):
    learned[2](scene, 0)
    before = learned[2]._cache_size()
    learned[2](scene._replace(box_mask=jnp.array([[False, True], [False, False]])), 4)
    assert learned[2]._cache_size() == before


def test_in_use_it_takes_images_alone(scene, learned):
    model, variables, _ = learned
    seen, features = model.apply(variables, scene.images, train=False)
    assert seen.lesson is None
    assert seen.logits.shape == (2, FEW.testing, 4)
    assert seen.deltas.shape == (2, FEW.testing, 4, 4)
    assert "conv8" in features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_classes": None}, "`num_classes` must be given"),
        ({"strides": (8, 16)}, "`strides` and `sizes` must be of 1 levels, got 2 and 1"),
        ({"pyramid": 4}, "`strides` and `sizes` must be of 2 levels, got 1 and 1"),
        ({"features": ("conv99",)}, "`feature` is unknown: 'conv99'"),
        (
            {"pyramid": 4, "strides": (8, 16), "sizes": ((8.0,), (8.0, 16.0))},
            "`sizes` must be as many for each level",
        ),
    ],
)
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        traced(FasterRCNN(**{"num_classes": 3, **SMALL, **change}), (1, 64, 64, 1))
