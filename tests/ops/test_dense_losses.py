"""Losses a pixel: by hand, NumPy and PyTorch, what is masked, and the U-Net's weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.dense_losses import (
    border_weights,
    focal_loss,
    pixel_cross_entropy,
    pixel_squared_error,
    soft_dice_loss,
    soft_jaccard_loss,
)
from jaxvision.ops.losses import categorical_cross_entropy

LOG = np.log(np.array([1.0, 2.0, 5.0]))  # softmax is 1/8, 2/8, 5/8


def drawn(seed=0, shape=(2, 4, 5), classes=3):
    random = np.random.default_rng(seed)
    logits = jnp.asarray(random.normal(size=(*shape, classes)), jnp.float32)
    return logits, jnp.asarray(random.integers(0, classes, shape), jnp.int32)


# --- by hand


def test_cross_entropy_by_hand():
    logits = jnp.broadcast_to(jnp.float32(LOG), (1, 1, 3, 3))
    labels = jnp.array([[[0, 1, 2]]])
    each = np.log([8, 4, 8 / 5])
    cross_entropy = partial(pixel_cross_entropy, logits, labels)
    np.testing.assert_allclose(cross_entropy(), [each.mean()], rtol=1e-6)
    class_weights, weights = jnp.array([1.0, 2.0, 3.0]), jnp.array([[[5.0, 0.0, 1.0]]])
    np.testing.assert_allclose(
        cross_entropy(class_weights=class_weights, weights=weights),
        [(5 * each[0] + 3 * each[2]) / 3],
        rtol=1e-6,
    )
    mask = jnp.array([[[True, True, False]]])
    np.testing.assert_allclose(cross_entropy(mask), [each[:2].mean()], rtol=1e-6)


def test_focal_loss_by_hand():
    logits = jnp.broadcast_to(jnp.float32(LOG), (1, 1, 3, 3))
    labels = jnp.array([[[0, 1, 2]]])
    each = np.array([7 / 8, 6 / 8, 3 / 8]) ** 2 * np.log([8, 4, 8 / 5])
    np.testing.assert_allclose(focal_loss(logits, labels), [each.mean()], rtol=1e-6)
    alpha = jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(
        focal_loss(logits, labels, class_weights=alpha), [(each @ alpha) / 3], rtol=1e-6
    )


def test_dice_and_jaccard_by_hand():
    # The first class with probabilities 1, 1/2 and 0 where there are 1, 0 and 1; the second with
    # 0, 1/2 and 1 where there are 0, 1 and 0.
    z = jnp.array([[1e4, 0], [0, 0], [0, 1e4]]).reshape(1, 1, 3, 2)
    labels = jnp.array([[[0, 1, 0]]])
    shared, squares = np.array([1, 0.5]), np.array([1.25 + 2, 1.25 + 1])
    dice = 1 - (2 * shared + 1) / (squares + 1)
    jaccard = 1 - (shared + 1) / (squares - shared + 1)
    np.testing.assert_allclose(soft_dice_loss(z, labels), [dice.mean()], rtol=1e-6)
    np.testing.assert_allclose(soft_jaccard_loss(z, labels), [jaccard.mean()], rtol=1e-6)
    for loss, (first, second) in ((soft_dice_loss, dice), (soft_jaccard_loss, jaccard)):
        weighted = loss(z, labels, class_weights=jnp.array([1.0, 3.0]))
        np.testing.assert_allclose(weighted, [first / 4 + 3 * second / 4], rtol=1e-6)
    hardly = soft_dice_loss(z, labels, smooth=1e-6)
    np.testing.assert_allclose(hardly, [(1 - 2 * shared / squares).mean()], rtol=1e-5)
    # Nothing of a class there and nothing found is right.
    first = jnp.array([1.0, 0.0])
    nothing = jnp.array([-1e4, 1e4] * 3).reshape(1, 1, 3, 2)
    for loss in (soft_dice_loss, soft_jaccard_loss):
        assert loss(nothing, jnp.ones((1, 1, 3), int), class_weights=first) == 0


def test_squared_error_by_hand():
    outputs = jnp.array([[1.0, 2.0], [3.0, 5.0]]).reshape(1, 2, 1, 2)
    targets = jnp.array([[0.0, 4.0], [3.0, 4.0]]).reshape(1, 2, 1, 2)
    np.testing.assert_allclose(pixel_squared_error(outputs, targets), [(1 + 4 + 0 + 1) / 4])
    mask = jnp.array([[[True], [False]]])
    np.testing.assert_allclose(pixel_squared_error(outputs, targets, mask), [(1 + 4) / 2])


# --- reference


@pytest.mark.parity
def test_equals_pytorch():
    torch = pytest.importorskip("torch")
    logits, labels = drawn()
    class_weights = np.array([0.5, 2.0, 1.0], np.float32)
    z = torch.from_numpy(np.asarray(logits).transpose(0, 3, 1, 2).copy()).requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        z,
        torch.from_numpy(np.array(labels, np.int64)),
        torch.tensor(class_weights),
        reduction="none",
    ).mean((1, 2))
    loss.sum().backward()

    def ours(logits):
        return pixel_cross_entropy(logits, labels, class_weights=jnp.asarray(class_weights))

    np.testing.assert_allclose(ours(logits), loss.detach(), rtol=1e-6)
    gradient = jax.grad(lambda z: ours(z).sum())(logits).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(gradient, z.grad, rtol=1e-5, atol=1e-8)


def test_is_the_cross_entropy_of_examples_that_are_pixels():
    logits, labels = drawn()
    rows = categorical_cross_entropy(logits.reshape(-1, 3), labels.reshape(-1))
    np.testing.assert_allclose(
        pixel_cross_entropy(logits, labels), rows.reshape(2, -1).mean(axis=1), rtol=1e-6
    )


def test_is_stable_at_1e4():
    logits = jnp.array([[1e4, -1e4, 0.0]] * 3).reshape(1, 1, 3, 3)
    labels = jnp.array([[[0, 1, 2]]])
    for loss in (pixel_cross_entropy, focal_loss, partial(focal_loss, gamma=0.5)):
        value, gradient = jax.value_and_grad(lambda z, loss=loss: loss(z, labels).sum())(logits)
        np.testing.assert_allclose(value, 1e4, rtol=1e-6)
        assert np.isfinite(gradient).all()


# --- theorem


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_dice_and_jaccard_of_decisions_are_those_of_sets(seed):
    _, labels = drawn(seed)
    _, found = drawn(seed + 1)
    one_hot = partial(jax.nn.one_hot, num_classes=3)
    decided = 1e4 * one_hot(found)
    dice = soft_dice_loss(decided, labels, smooth=1e-6)
    jaccard = soft_jaccard_loss(decided, one_hot(labels), smooth=1e-6)
    for b in range(2):
        pairs = [(np.asarray(labels[b] == k), np.asarray(found[b] == k)) for k in range(3)]
        both = [(t & p).sum() / max((t | p).sum(), 1) for t, p in pairs]
        np.testing.assert_allclose(jaccard[b], 1 - np.mean(both), atol=1e-5)
        np.testing.assert_allclose(dice[b], 1 - np.mean([2 * j / (1 + j) for j in both]), atol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_loss_is_between_0_and_cross_entropy_and_falls_with_gamma(gamma):
    logits, labels = drawn(1)
    cross_entropy, focal = (
        pixel_cross_entropy(logits, labels),
        focal_loss(logits, labels, gamma=gamma),
    )
    if gamma == 0:
        np.testing.assert_allclose(focal, cross_entropy, rtol=1e-6)
    else:
        assert (focal < focal_loss(logits, labels, gamma=gamma / 2)).all()
    traced = jax.jit(lambda gamma: focal_loss(logits, labels, gamma=gamma))(gamma)
    np.testing.assert_allclose(traced, focal, rtol=1e-6)


# --- masks


def weighted(logits, labels, mask=None):
    options = {"class_weights": jnp.arange(3.0), "weights": jnp.full(labels.shape, 2.0)}
    return pixel_cross_entropy(logits, labels, mask, **options)


def squared(logits, labels, mask=None):
    return pixel_squared_error(logits, jax.nn.one_hot(labels, 3), mask)


LABELLED = [pixel_cross_entropy, weighted, focal_loss, soft_dice_loss, soft_jaccard_loss]
LOSSES = [*LABELLED, squared]


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_masked_changes_nothing_even_if_it_is_nan(loss):
    logits, labels = drawn()
    seen = np.ones(labels.shape, bool)
    seen[0, 1:3], seen[1] = False, False
    broken, unknown = jnp.where(seen[..., None], logits, jnp.nan), jnp.where(seen, labels, 255)

    def total(z):
        values = loss(z, unknown, jnp.asarray(seen))
        return values.sum(), values

    (_, values), gradient = jax.value_and_grad(total, has_aux=True)(broken)
    # What is left of the first image, as an image of its own.
    rows = np.array([0, 3])
    expected = loss(logits[:1, rows], labels[:1, rows])
    np.testing.assert_allclose(values, [expected[0], 0], rtol=1e-5)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[~seen], 0)
    assert np.abs(gradient[seen]).max() > 0


@pytest.mark.parametrize("loss", LOSSES)
def test_a_mask_of_rows_is_that_of_their_pixels(loss):
    logits, labels = drawn()
    broken, unknown = logits.at[1].set(jnp.nan), labels.at[1].set(255)
    values = loss(broken, unknown, jnp.array([True, False]))
    np.testing.assert_allclose(values, [loss(logits, labels)[0], 0], rtol=1e-5)


@pytest.mark.parametrize("loss", LABELLED)
def test_a_label_that_is_no_class_and_counts_gives_nan(loss):
    logits, labels = drawn()
    values = loss(logits, labels.at[0, 0, 0].set(255))
    assert np.isnan(values[0]) and np.isfinite(values[1])


# --- the weights of borders


def test_border_weights_by_hand():
    # Two cells of one pixel in a row of seven; the gap's middle is 2 from either.
    labels = np.array([[0, 1, 0, 0, 0, 1, 0]])
    weights = border_weights(labels, w0=10, sigma=5)
    balance = 7 / (2 * 5), 7 / (2 * 2)
    sums = np.array([1 + 5, 0, 1 + 3, 2 + 2, 3 + 1, 0, 5 + 1])
    expected = np.where(labels[0] == 0, balance[0] + 10 * np.exp(-(sums**2) / 50), balance[1])
    np.testing.assert_allclose(weights[0], expected, rtol=1e-6)
    assert weights.dtype == np.float32


def test_border_weights_equal_loops_over_all_pairs():
    labels = np.zeros((12, 15), int)
    labels[1:4, 1:5], labels[1:4, 6:9], labels[7:11, 3:12] = 1, 1, 1
    row, column = np.mgrid[:12, :15]
    parts = ((row < 5) & (column < 5), (row < 5) & (column > 5), row > 5)
    cells = [np.argwhere(part & (labels == 1)) for part in parts]
    weights = border_weights(labels, w0=7, sigma=2)
    share = labels.mean()
    for pixel in np.argwhere(labels == 0):
        distances = sorted(np.linalg.norm(cell - pixel, axis=1).min() for cell in cells)
        expected = 0.5 / (1 - share) + 7 * np.exp(-(sum(distances[:2]) ** 2) / 8)
        np.testing.assert_allclose(weights[tuple(pixel)], expected, rtol=1e-5)
    np.testing.assert_allclose(weights[labels == 1], 0.5 / share, rtol=1e-6)


def test_cells_of_different_numbers_may_touch():
    touching = np.array([[1, 1, 2, 2], [0, 0, 0, 0]])
    one = border_weights((touching > 0).astype(int))
    np.testing.assert_allclose(one, 1)  # half is background, and there is one cell
    two = border_weights(touching)[1]
    expected = 1 + 10 * np.exp(-((1 + np.array([5, 2, 2, 5]) ** 0.5) ** 2) / 50)
    np.testing.assert_allclose(two, expected, rtol=1e-6)


@pytest.mark.parametrize("number", [0, 3])
def test_border_weights_of_one_class_are_1(number):
    np.testing.assert_array_equal(border_weights(np.full((3, 4), number)), 1)


def test_refuses_numbers_outside_their_range():
    logits, labels = drawn()
    with pytest.raises(ValueError, match=r"`gamma` must be in \[0, inf\), got -1"):
        focal_loss(logits, labels, gamma=-1)
    with pytest.raises(ValueError, match=r"`smooth` must be in \(0, inf\), got 0"):
        soft_dice_loss(logits, labels, smooth=0)
