"""What a network learns from: canvases of one size, and what on them counts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models.unet import unet_output_size
from jaxvision.ops.dense_losses import border_weights
from jaxvision.ops.normalization import Normalization
from jaxvision.segmentation.canvas import Canvas, Canvases, scale_image, scale_mask, scaled_size
from jaxvision.segmentation.job import answered, augmentation, make_job
from jaxvision.segmentation.losses import LOSSES
from jaxvision.segmentation.material import (
    Parts,
    balanced_weights,
    canvas_for,
    normalization_for,
    open_parts,
    read_material,
)
from jaxvision.segmentation.networks import find_maps, make_segmenter
from jaxvision.transfer.backbone import make_backbone
from tests.segmentation.conftest import SMALL


class MadeUp:
    """Images of given sizes; the class of a pixel is the lowest bit of its value, or 2 for 9."""

    classes = ("even", "odd", "nine")

    def __init__(self, *sizes, lost=0):
        self.sizes, self.lost = sizes, lost

    def __len__(self):
        return len(self.sizes)

    def size(self, i):
        return self.sizes[i]

    def __getitem__(self, i):
        image = np.random.default_rng(i).integers(0, 10, (*self.sizes[i], 1), np.uint8)
        classes = np.where(image[..., 0] == 9, 2, image[..., 0] % 2).astype(np.int32)
        classes[: self.lost] = -1
        return {"image": image, "segmentation": classes}

    def describe(self, i):
        return f"made up {i}"


def material_of(config, *sizes, lost=0):
    source = MadeUp(*sizes, lost=lost)
    segmenter = make_segmenter(config, 3, 1)
    config = dataclasses.replace(config, data="masks:made_up")
    return read_material(config, Parts(source, source, None), segmenter, None), segmenter


PADDED = dataclasses.replace(SMALL, image_size=None, batch_size=2, width=2)
VALID = dataclasses.replace(PADDED, model="unet")


def test_images_of_several_sizes_lie_on_one_canvas_and_only_they_count():
    material, _ = material_of(PADDED, (10, 7), (5, 14))
    data = jax.device_get(material.train.data)
    assert data["image"].shape == (2, 12, 16, 1) and data["segmentation"].dtype == np.int8
    for i, (height, width) in enumerate([(10, 7), (5, 14)]):
        item = MadeUp((10, 7), (5, 14))[i]
        np.testing.assert_array_equal(data["image"][i, :height, :width], item["image"])
        inside = data["segmentation"][i, :height, :width]
        np.testing.assert_array_equal(inside, item["segmentation"])
        assert (data["segmentation"][i] >= 0).sum() == height * width
        # Beyond is the mirror image, around the last row.
        np.testing.assert_array_equal(data["image"][i, height], data["image"][i, height - 2])


def test_the_valid_network_sees_a_mirrored_margin_and_answers_for_the_image():
    material, segmenter = material_of(VALID, (10, 7), (5, 14))
    assert segmenter.margin == 20 and material.image_shape == (52, 56, 1)
    data = jax.device_get(material.train.data)
    batch = {"segmentation": jnp.asarray(data["segmentation"]), "mask": jnp.array([True, False])}
    labels, counted = answered(segmenter, batch)
    assert labels.shape == (2, 12, 16)
    assert int(counted[0].sum()) == 70 and not counted[1].any()
    item = MadeUp((10, 7))[0]
    np.testing.assert_array_equal(labels[0, :10, :7], item["segmentation"])
    np.testing.assert_array_equal(data["image"][0, 20:30, 20:27], item["image"])
    np.testing.assert_array_equal(data["image"][0, 19, 20:27], item["image"][1])


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_sides_that_a_network_takes(depth):
    padded, valid = (
        make_segmenter(dataclasses.replace(config, depth=depth), 3, 1) for config in (PADDED, VALID)
    )
    for side in range(1, 70):
        fitted = valid.fit(side)
        assert fitted >= side and unet_output_size(fitted + 2 * valid.margin, depth) == fitted
        assert padded.fit(side) % 2**depth == 0 and 0 <= padded.fit(side) - side < 2**depth
    assert valid.fit(70) - valid.stride < 70


def test_scaling_keeps_the_aspect_and_the_classes():
    assert scaled_size(100, 33, 50) == (50, 16) and scaled_size(3, 600, 60) == (1, 60)
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(scale_image(image, (4, 4)), image)
    assert scale_image(image[..., :1], (8, 2)).shape == (8, 2, 1)
    mask = np.array([[0, -1], [5, 300]])
    np.testing.assert_array_equal(scale_mask(mask, (4, 4)), np.kron(mask, np.ones((2, 2), int)))


def test_images_are_scaled_to_the_longer_side():
    config = dataclasses.replace(PADDED, image_size=20, data="masks:x")
    source = MadeUp((10, 7), (40, 80))
    canvas = canvas_for(source, config, make_segmenter(config, 3, 1))
    assert canvas == Canvas(20, 20, 0, 20)
    segmentation = Canvases(source, canvas)[1]["segmentation"]
    assert (segmentation >= 0).sum() == 10 * 20 and (segmentation[:10] >= 0).all()


def test_border_weights_are_those_of_the_image_and_move_with_it():
    config = dataclasses.replace(PADDED, border_weight=10.0, border_sigma=3.0, flip=True, seed=1)
    material, segmenter = material_of(config, (8, 8), (8, 8), lost=2)
    batch = jax.device_get(material.train.data) | {"mask": np.ones(2, bool)}
    item = MadeUp((8, 8), lost=2)[0]
    expected = border_weights(np.maximum(item["segmentation"], 0), 10.0, 3.0)
    np.testing.assert_array_equal(batch["target"][0, ..., 0], expected)
    flipped = set()
    for key in range(8):
        moved = augmentation(config, segmenter, 1)(jax.random.key(key), batch)
        for i in range(2):
            mirrored = bool((moved["image"][i] != batch["image"][i]).any())
            flipped.add(mirrored)
            for name in ("segmentation", "target"):
                truth = batch[name][i][:, ::-1] if mirrored else batch[name][i]
                np.testing.assert_array_equal(moved[name][i], truth)
    assert flipped == {True, False}


def test_statistics_are_of_what_is_learned_from():
    material, _ = material_of(PADDED, (8, 8), (8, 8), lost=1)
    images = np.stack([MadeUp((8, 8), (8, 8))[i]["image"] for i in range(2)])
    normalization = normalization_for(material.train, material.learned)
    assert normalization.mean[0] == pytest.approx(images.mean())
    assert normalization.std[0] == pytest.approx(images.std())
    labels = np.stack([MadeUp((8, 8), (8, 8), lost=1)[i]["segmentation"] for i in range(2)])
    counts = np.array([(labels == k).sum() for k in range(3)])
    weights = balanced_weights(material.train, material.learned)
    np.testing.assert_allclose(weights, counts.sum() / (3 * counts), rtol=1e-6)


def test_a_streamed_set_has_the_same_statistics():
    config = dataclasses.replace(PADDED, feed="streaming")
    (resident, _), (streamed, _) = (
        material_of(c, (8, 8), (8, 8), (8, 8)) for c in (PADDED, config)
    )
    found = [normalization_for(each.train, each.learned) for each in (resident, streamed)]
    assert found[0] == found[1]
    weights = [balanced_weights(each.train, each.learned) for each in (resident, streamed)]
    np.testing.assert_array_equal(*weights)


def test_several_windows_of_an_image_are_an_epoch():
    config = dataclasses.replace(PADDED, patch=8, patches=3, batch_size=4)
    for feed in ("resident", "streaming"):
        material, _ = material_of(dataclasses.replace(config, feed=feed), (16, 16), (16, 16))
        assert material.train.examples == 6 and material.train.steps == 2
        assert material.image_shape == (8, 8, 1)
        seen = []
        for handles, _, steps in material.train.pieces(0):
            for step in steps:
                handle = jax.tree.map(lambda x, i=step if feed == "resident" else 0: x[i], handles)
                batch = material.train.gather(material.train.data, handle)
                seen += [image.tobytes() for image in np.asarray(batch["image"])[batch["mask"]]]
        assert sorted(map(seen.count, set(seen))) == [3, 3]
        assert "made up" in material.train.describe(0, 0)
        material.train.close()


@pytest.mark.parametrize("loss", LOSSES)
def test_what_does_not_count_changes_nothing(loss):
    config = dataclasses.replace(VALID, loss=loss)
    material, segmenter = material_of(config, (12, 12), (9, 12))
    shape, normalization = material.image_shape, Normalization((5.0,), (3.0,))
    batch = dict(material.train.data) | {"mask": jnp.array([True, True])}
    job = make_job(config, segmenter, shape, 10, normalization)
    params = job.init(jax.random.key(0)).params
    totals, counts = job.eval_step({"params": params}, batch)
    assert counts.shape == (2, 3, 3)
    np.testing.assert_array_equal(np.asarray(counts).sum(axis=(1, 2)), [144, 108])
    assert np.isfinite(totals["loss"]) and totals["loss"] > 0
    # Filling of a batch: neither its loss nor its pixels.
    first, counts = job.eval_step({"params": params}, batch | {"mask": jnp.array([True, False])})
    assert first["count"] == 1 and first["loss"] < totals["loss"]
    assert np.asarray(counts)[1].sum() == 0
    # A pixel that is not counted may be of any class.
    margin = jnp.ones(batch["segmentation"].shape, bool).at[:, 20:-20, 20:-20].set(False)
    changed = batch | {"segmentation": jnp.where(margin, 1, batch["segmentation"])}
    again, _ = job.eval_step({"params": params}, changed)
    assert again["loss"] == totals["loss"]


def test_a_patch_of_which_nothing_counts_teaches_nothing():
    material, segmenter = material_of(PADDED, (8, 8), (8, 8))
    job = make_job(PADDED, segmenter, material.image_shape, 10, Normalization((5.0,), (3.0,)))
    batch = dict(material.train.data) | {"mask": jnp.ones(2, bool)}
    batch["segmentation"] = jnp.full_like(batch["segmentation"], -1)
    state, totals = job.train_step(job.init(jax.random.key(0)), batch)
    assert totals["loss"] == 0 and totals["skipped"] == 0
    for leaf in jax.tree.leaves(state.params):
        assert np.isfinite(leaf).all()


def test_the_maps_of_a_backbone_go_from_fine_to_coarse():
    vgg = make_backbone("vgg16", "float32")
    assert find_maps(vgg, 3, 4) == ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    resnet = make_backbone("resnet18", "float32")
    assert find_maps(resnet, 3, 4) == ("stem", "stage1", "stage2", "stage3")


def test_the_parts_of_scenes():
    parts = open_parts(SMALL)
    assert [len(part) for part in parts] == [16, 16, 16]
    assert parts.train.size(0) == (64, 64)
