"""Mixtures: proportions in image and label alike, partners among the real, sums kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import compose, cutmix, mixup, partners
from tests.augment.made_up import batch

KEY = jax.random.key(0)
BOTH = pytest.mark.parametrize("make", [mixup, cutmix])
CLASSES = 4


def telling_batch(size=6, real=4, side=8):
    """Image i is i everywhere, its label is i: the mixture tells of what it is made."""
    return {
        "image": np.broadcast_to(
            np.arange(size, dtype=np.uint8)[:, None, None, None], (size, side, side, 3)
        ),
        "label": np.arange(size, dtype=np.int32),
        "mask": np.arange(size) < real,
    }


@BOTH
def test_labels_are_mixed_as_the_pixels_are(make):
    given = telling_batch(6, 6)
    apply = jax.jit(make(1.0, 6))
    mixed = 0
    for key in jax.random.split(KEY, 10):
        out = apply(key, given)
        np.testing.assert_allclose(out["label"].sum(axis=1), 1, rtol=1e-6)
        assert (out["label"] >= 0).all()
        # The mean pixel is the mean label, as image and label are numbered alike.
        means = np.asarray(out["image"], float).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(means, out["label"] @ jnp.arange(6.0), atol=1e-5)
        mixed += int(((out["label"] > 0).sum(axis=1) == 2).sum())
    assert mixed > 20


@BOTH
def test_the_sum_over_the_batch_stays(make):
    given = batch(6) | {"mask": np.ones(6, bool)}
    for key in jax.random.split(KEY, 5):
        out = make(1.0, CLASSES)(key, given)
        np.testing.assert_allclose(
            out["image"].mean(axis=0), given["image"].mean(axis=0), rtol=1e-5, atol=1e-4
        )
        counts = np.bincount(given["label"], minlength=CLASSES)
        np.testing.assert_allclose(out["label"].sum(axis=0), counts, atol=1e-5)


@BOTH
def test_filling_is_nobodys_partner_and_stays(make):
    given = telling_batch(6, 4)
    apply, partner_seen = jax.jit(make(1.0, 6)), False
    for key in jax.random.split(KEY, 20):
        out = apply(key, given)
        np.testing.assert_array_equal(out["image"][4:], given["image"][4:].astype(np.float32))
        np.testing.assert_array_equal(out["label"][4:], np.eye(6)[4:])
        assert (out["label"][:4, 4:] == 0).all() and out["image"][:4].max() <= 3
        partner_seen |= bool((out["label"][:4] != np.eye(6)[:4]).any())
    assert partner_seen


def test_partners_are_a_permutation_of_the_real_and_any_of_them_alike():
    mask, n = jnp.array([True, False, True, True, False]), 6000
    drawn = np.asarray(jax.vmap(lambda key: partners(key, mask))(jax.random.split(KEY, n)))
    np.testing.assert_array_equal(drawn[:, [1, 4]], [[1, 4]] * n)
    real, counts = np.unique(drawn[:, [0, 2, 3]], axis=0, return_counts=True)
    assert sorted(map(tuple, real)) == [
        (0, 2, 3), (0, 3, 2), (2, 0, 3), (2, 3, 0), (3, 0, 2), (3, 2, 0),
    ]  # fmt: skip
    np.testing.assert_allclose(counts, n / 6, atol=5 * np.sqrt(n * 5 / 36))


def test_one_or_no_real_example_has_no_partner():
    for real in (0, 1):
        given = telling_batch(3, real)
        out = mixup(1.0, 3)(KEY, given)
        np.testing.assert_array_equal(out["image"], given["image"].astype(np.float32))


def lams(make, alpha, n=3000):
    """The part of the own image, of two that are each other's partners, where they are mixed."""
    given = telling_batch(2, 2, side=32)

    def own(key):
        label = make(alpha, 2)(key, given)["label"]
        return label[0, 0], label[0, 1]

    kept, pasted = map(np.asarray, jax.jit(jax.vmap(own))(jax.random.split(KEY, n)))
    np.testing.assert_allclose(kept + pasted, 1, atol=1e-6)
    return kept[pasted > 0]


@pytest.mark.parametrize("alpha", [0.4, 1.0, 3.0])
def test_lam_is_drawn_from_beta(alpha):
    lam = lams(mixup, alpha)
    # Mean 1/2, variance 1 / (4 (2 alpha + 1)).
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(lam.mean() - 0.5) < 5 * np.sqrt(variance / len(lam))
    assert abs(lam.var() / variance - 1) < 5 * 1.5 / np.sqrt(len(lam))


def test_a_cutmix_rectangle_has_sides_of_the_root_and_lam_its_true_area():
    given = telling_batch(2, 2, side=32)
    apply = jax.jit(cutmix(1.0, 2))
    squares, heights = 0, []
    for key in jax.random.split(KEY, 60):
        out = apply(key, given)
        pasted = np.asarray(out["image"][0, :, :, 0] != 0)
        np.testing.assert_allclose(out["label"][0, 1], pasted.mean(), atol=1e-6)
        rows, columns = pasted.any(axis=1).sum(), pasted.any(axis=0).sum()
        assert rows * columns == pasted.sum()
        inside = not (
            pasted[0].any() or pasted[-1].any() or pasted[:, 0].any() or pasted[:, -1].any()
        )
        if inside and rows > 0:
            assert rows == columns
            squares += 1
            heights.append(rows)
    assert squares > 3 and len(set(heights)) > 2


@BOTH
def test_alpha_0_leaves_the_images_and_may_be_traced(make):
    given = batch(6)
    expected = make(0.7, CLASSES)(KEY, given)
    together = jax.jit(jax.vmap(lambda a: make(a, CLASSES)(KEY, given)))(jnp.array([0.0, 0.7]))
    for out in (make(0, CLASSES)(KEY, given), jax.tree.map(lambda a: a[0], together)):
        np.testing.assert_array_equal(out["image"], given["image"].astype(np.float32))
        np.testing.assert_array_equal(out["label"], np.eye(CLASSES)[given["label"]])
    for name in ("image", "label"):
        np.testing.assert_allclose(together[name][1], expected[name], atol=1e-4)
    assert (expected["image"] != given["image"]).any()


def test_labels_that_are_distributions_already_are_mixed_on():
    given = telling_batch(6, 6)
    out = compose(mixup(1.0, 6), cutmix(1.0, 6))(KEY, given)
    means = out["image"].mean(axis=(1, 2, 3))
    assert out["label"].shape == (6, 6)
    np.testing.assert_allclose(out["label"].sum(axis=1), 1, rtol=1e-6)
    assert np.isfinite(means).all()
    with pytest.raises(ValueError, match="`classes` must be the 6 of the batch's labels, got 5"):
        compose(mixup(1.0, 6), cutmix(1.0, 5))(KEY, given)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_outside_the_classes_is_never_a_distribution(label):
    given = batch(6) | {"label": np.array([0, 1, label, 2, 3, 0], np.int32)}
    out = mixup(0.0, CLASSES)(KEY, given)
    assert np.isnan(out["label"][2]).all() and np.isfinite(out["label"][0]).all()


@BOTH
def test_what_has_no_mixture_is_named(make):
    for name in ("boxes", "segmentation", "target"):
        with pytest.raises(ValueError, match=f"`batch` must hold images and labels .* '{name}'"):
            make(1.0, 4)(KEY, batch(6) | {name: np.zeros((6, 1, 4))})


def test_a_batch_without_a_mask_is_all_real():
    given = telling_batch(6, 4)
    without = {name: given[name] for name in ("image", "label")}
    whole = given | {"mask": np.ones(6, bool)}
    np.testing.assert_array_equal(
        mixup(1.0, 6)(KEY, without)["image"], mixup(1.0, 6)(KEY, whole)["image"]
    )
