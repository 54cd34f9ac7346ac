"""Regions by hand, against NumPy loops and torchvision, and by what holds for all features."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.platform import CPU, PLAIN, form
from jaxvision.ops.roi import BOXES_AT_ONCE, roi_align, roi_pool

H, W, C, STRIDE = 9, 13, 5, 8
pool = jax.jit(roi_pool, static_argnums=(2, 3))
align = jax.jit(roi_align, static_argnums=(2, 3, 4))
BOTH = pytest.mark.parametrize("roi", [pool, align], ids=["pool", "align"])


def random_features(seed=0, height=H, width=W):
    random = np.random.default_rng(seed)
    return jnp.asarray(random.normal(size=(height, width, C)), jnp.float32)


def random_boxes(count=21, seed=0):
    """Some inside, some beyond a border, some all outside, some of no size, some exchanged."""
    random = np.random.default_rng(seed)
    middles = random.uniform(-15, 15, (count, 2)) + random.uniform(0, (W * STRIDE, H * STRIDE))
    sides = random.uniform(0, 90, (count, 2))
    boxes = np.concatenate([middles - sides / 2, middles + sides / 2], axis=1)
    boxes[0] = [5, 5, 5, 5]
    boxes[1] = [-200, -200, -150, -100]
    boxes[2] = [0, 0, W * STRIDE, H * STRIDE]
    boxes[3] = [60, 40, 20, 10]
    boxes[4] = [-12, -20, 4, 12]  # corners at -1.5 and -2.5 and 0.5 and 1.5 features
    return jnp.asarray(boxes, jnp.float32)


def pool_by_loops(features, box, size, stride):
    features, box = np.asarray(features), np.asarray(box, np.float64)
    h, w, c = features.shape
    left, top, right, bottom = (np.sign(v) * np.floor(abs(v) / stride + 0.5) for v in box)
    width, height = max(right - left + 1, 1), max(bottom - top + 1, 1)
    pooled = np.zeros((size, size, c), np.float32)
    for p in range(size):
        for q in range(size):
            first = int(max(top + np.floor(p * height / size), 0))
            last = int(max(min(top + np.ceil((p + 1) * height / size), h), 0))
            begin = int(max(left + np.floor(q * width / size), 0))
            end = int(max(min(left + np.ceil((q + 1) * width / size), w), 0))
            bin_ = features[first:last, begin:end]
            if bin_.size:
                pooled[p, q] = bin_.max(axis=(0, 1))
    return pooled


def align_by_loops(features, box, size, stride, samples):
    features, box = np.asarray(features, np.float64), np.asarray(box, np.float64) / stride - 0.5
    h, w, c = features.shape
    aligned = np.zeros((size, size, c))
    sides = (box[3] - box[1]) / size, (box[2] - box[0]) / size
    for p, q, i, j in np.ndindex(size, size, samples, samples):
        y = box[1] + (p + (i + 0.5) / samples) * sides[0]
        x = box[0] + (q + (j + 0.5) / samples) * sides[1]
        if not (-1 <= y <= h and -1 <= x <= w):
            continue
        y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
        rows = {int(y): 1 - y % 1, min(int(y) + 1, h - 1): y % 1} if y % 1 else {int(y): 1}
        columns = {int(x): 1 - x % 1, min(int(x) + 1, w - 1): x % 1} if x % 1 else {int(x): 1}
        for row, down in rows.items():
            for column, across in columns.items():
                aligned[p, q] += down * across * features[row, column] / samples**2
    return aligned


def test_pooling_by_hand():
    features = jnp.arange(12.0).reshape(3, 4, 1)
    # Corners at features (0, 0) and (2, 1), which are in it: rows 0 to 1 and columns 0 to 2, in
    # bins 0..1 and 1..2 of columns.
    pooled = pool(features, jnp.array([[1.0, 2, 17, 9]]), 2, 8)
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[1, 2], [5, 6]])
    # The upper bins are above the image, and what is there is 0, not the largest.
    pooled = pool(features - 20, jnp.array([[0.0, -16, 24, 8]]), 2, 8)
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[0, 0], [-15, -13]])
    pooled = pool(features - 20, jnp.array([[0.0, -24, 24, 0]]), 2, 8)
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[0, 0], [-19, -17]])


def test_aligning_by_hand():
    features = jnp.arange(12.0).reshape(3, 4, 1)
    # A bin a feature: its centre is the feature's.
    box = jnp.array([[8.0, 8, 24, 24]])
    aligned = align(features, box, 2, 8, 1)
    np.testing.assert_allclose(aligned[0, :, :, 0], [[5, 6], [9, 10]], rtol=1e-6)
    # Of two points the mean is the same, but where one is behind the last centre.
    aligned = align(features, box, 2, 8)
    np.testing.assert_allclose(aligned[0, :, :, 0], [[5, 6], [8.5, 9.5]], rtol=1e-6)
    # Rows 0.75 and 1.25, which are 3 and 5 at their start; columns -1.25, which sees nothing,
    # -0.75 and -0.25, which see the edge, and 0.25.
    aligned = align(features, jnp.array([[-8.0, 8, 8, 16]]), 2, 8)
    np.testing.assert_allclose(aligned[0, :, :, 0], [[1.5, 3.125], [2.5, 5.125]], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_pooling_equals_loops(size):
    features, boxes = random_features(), random_boxes()
    expected = np.stack([pool_by_loops(features, box, size, STRIDE) for box in boxes])
    np.testing.assert_array_equal(pool(features, boxes, size, STRIDE), expected)
    assert (expected == 0).any()  # there are empty bins


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (8, 2), (16, 3)])
def test_small_maps_equal_loops(height, width):
    features, boxes = random_features(1, height, width), random_boxes(seed=1)
    expected = np.stack([pool_by_loops(features, box, 2, 4) for box in boxes])
    np.testing.assert_array_equal(pool(features, boxes, 2, 4), expected)
    expected = np.stack([align_by_loops(features, box, 2, 4, 2) for box in boxes])
    np.testing.assert_allclose(align(features, boxes, 2, 4), expected, atol=1e-5)


@pytest.mark.parametrize("size, samples", [(1, 1), (3, 2), (7, 3)])
@pytest.mark.parametrize("chosen", [CPU, PLAIN])
def test_aligning_equals_loops(size, samples, chosen):
    features, boxes = random_features(), random_boxes()
    assert len(boxes) % BOXES_AT_ONCE  # a last, short group
    expected = [align_by_loops(features, box, size, STRIDE, samples) for box in boxes]
    with form(chosen):
        aligned = align(features, boxes, size, STRIDE, samples)
    # A place is known to 1e-6 of a feature, and a point at the border of what is seen is none.
    np.testing.assert_allclose(aligned, expected, atol=3e-5)


@partial(jax.jit, static_argnums=(0, 3))
def both(ours, features, boxes, size, weights):
    y, transpose = jax.vjp(lambda features: ours(features, boxes, size, STRIDE), features)
    return y, *transpose(weights)


@pytest.mark.parity
@pytest.mark.parametrize("size", [2, 7])
def test_values_and_gradients_equal_torchvision(size, torchvision):
    import torch

    features, boxes = random_features(), random_boxes(40, seed=5)
    regions = [torch.tensor(np.asarray(boxes))]
    of = torchvision.ops
    weights = np.random.default_rng(1).normal(size=(40, size, size, C)).astype(np.float32)
    for ours, theirs in (
        (roi_pool, partial(of.roi_pool, output_size=size, spatial_scale=1 / STRIDE)),
        *(
            (
                partial(roi_align, samples=samples),
                partial(
                    of.roi_align,
                    output_size=size,
                    spatial_scale=1 / STRIDE,
                    sampling_ratio=samples,
                    aligned=True,
                ),
            )
            for samples in (1, 2, 4)
        ),
    ):
        tensor = torch.tensor(np.asarray(features).transpose(2, 0, 1)[None], requires_grad=True)
        expected = theirs(tensor, regions)
        expected.backward(torch.tensor(weights.transpose(0, 3, 1, 2)))
        y, gradient = both(ours, features, boxes, size, jnp.asarray(weights))
        np.testing.assert_allclose(y, expected.detach().permute(0, 2, 3, 1), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            gradient,
            tensor.grad[0].permute(1, 2, 0),
            rtol=1e-4,
            atol=1e-4,
        )


def test_bins_are_exact_where_torchvision_rounds():
    # Bin 7 of 7 of 57 features: 7 * (57 / 7) is above 57 in float32, and one more would be in it.
    features = jnp.arange(64.0).reshape(1, 64, 1)
    pooled = pool(features, jnp.array([[0.0, 0, 56, 0]]), 7, 1)
    np.testing.assert_array_equal(pooled[0, 0, :, 0], [8, 16, 24, 32, 40, 48, 56])


def test_the_gradient_reaches_the_largest():
    features, boxes = random_features(), jnp.array([[8.0, 8, 40, 40], [16, 8, 48, 40]])
    gradient = jax.grad(lambda f: pool(f, boxes, 1, STRIDE).sum())(features)
    expected = np.zeros((H, W, C), np.float32)
    for left in (1, 2):
        region = np.asarray(features)[1:6, left : left + 5].reshape(25, C)
        for channel, at in enumerate(region.argmax(axis=0)):
            expected[1 + at // 5, left + at % 5, channel] += 1
    np.testing.assert_array_equal(gradient, expected)
    # Equal ones share it.
    ones = jax.grad(lambda f: pool(f, boxes, 1, STRIDE).sum())(jnp.ones((H, W, 1)))
    np.testing.assert_allclose(ones.sum(), 2, rtol=1e-6)
    np.testing.assert_array_equal(ones[:, 7:], 0)


@settings(deadline=None, max_examples=25)
@given(
    x=st.floats(8, 30),
    y=st.floats(8, 20),
    width=st.floats(1, 60),
    height=st.floats(1, 40),
    slope=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
)
def test_a_plane_is_aligned_to_its_values_at_the_bins_centres(x, y, width, height, slope):
    rows, columns = np.mgrid[:H, :W] + 0.5
    plane = jnp.asarray(slope[0] * columns + slope[1] * rows, jnp.float32)[:, :, None]
    aligned = align(plane, jnp.array([[x, y, x + width, y + height]]), 3, STRIDE)
    centres = (np.arange(3) + 0.5) / 3
    across = slope[0] * (x + width * centres)[None] / STRIDE
    down = slope[1] * (y + height * centres)[:, None] / STRIDE
    np.testing.assert_allclose(aligned[0, :, :, 0], across + down, atol=2e-4)


@BOTH
def test_what_holds_for_all_features(roi):
    features, boxes = random_features(), random_boxes()
    pooled = roi(features, boxes, 4, STRIDE)
    # Turned by a diagonal, features and boxes, it is turned.
    turned = roi(features.transpose(1, 0, 2), boxes[:, jnp.array([1, 0, 3, 2])], 4, STRIDE)
    np.testing.assert_allclose(turned.transpose(0, 2, 1, 3), pooled, atol=2e-5)
    # One more column of features on the left, and boxes a stride further, inside of the image.
    boxes = jnp.array([[9.0, 9, 70, 60], [20, 11, 33, 18]])
    moved = boxes + jnp.array([[STRIDE, 0, STRIDE, 0]])
    wider = jnp.concatenate([jnp.ones((H, 1, C)), features], axis=1)
    np.testing.assert_allclose(
        roi(wider, moved, 4, STRIDE), roi(features, boxes, 4, STRIDE), atol=1e-5
    )
    # Twice the stride, twice the boxes; constants stay.
    np.testing.assert_allclose(
        roi(features, 2 * boxes, 4, 2 * STRIDE), roi(features, boxes, 4, STRIDE), atol=1e-6
    )
    np.testing.assert_allclose(roi(0 * features + 3, boxes, 4, STRIDE), 3, rtol=1e-6)


@BOTH
def test_a_batch_is_by_vmap(roi):
    features = jnp.stack([random_features(seed) for seed in range(3)])
    boxes = jnp.stack([random_boxes(seed=seed) for seed in range(3)])

    def total(features, boxes):
        return (roi(features, boxes, 2, STRIDE) ** 2).sum()

    both = jax.jit(jax.value_and_grad(total, (0, 1)))
    values, gradients = jax.jit(jax.vmap(both))(features, boxes)
    for i in range(3):
        value, gradient = both(features[i], boxes[i])
        np.testing.assert_allclose(values[i], value, rtol=1e-5)
        for together, alone in zip(gradients, gradient, strict=True):
            np.testing.assert_allclose(together[i], alone, rtol=1e-3, atol=1e-3)


def test_the_gradient_of_the_boxes_is_that_of_finite_differences():
    y, x = np.mgrid[:H, :W]
    waves = jnp.asarray(np.sin(x / 3) + np.cos(y / 2), jnp.float32)[:, :, None]
    boxes, step = jnp.array([[18.3, 12.1, 61.7, 50.9], [30.2, 20.4, 49.3, 29.8]]), 0.05
    weights = random_features(2, 3, 3)[:, :, :1]

    @jax.jit
    def value(boxes):
        return (align(waves, boxes, 3, STRIDE) * weights[None]).sum(axis=(1, 2, 3))

    gradient = jax.grad(lambda boxes: value(boxes).sum())(boxes)
    assert abs(gradient).min() > 1e-4
    for side in range(4):
        ahead, behind = (value(boxes.at[:, side].add(s)) for s in (step, -step))
        # Piecewise linear: some points pass a feature's centre within the step.
        np.testing.assert_allclose(
            gradient[:, side], (ahead - behind) / (2 * step), rtol=0.05, atol=1e-3
        )
    pooled = jax.grad(lambda boxes: pool(waves, boxes, 3, STRIDE).sum())(boxes)
    np.testing.assert_array_equal(pooled, 0)


def test_half_precision_stays():
    features = random_features().astype(jnp.bfloat16)
    for roi in (pool, align):
        assert roi(features, random_boxes(), 2, STRIDE).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("size", lambda f, b: pool(f, b, 0, 8)),
        ("size", lambda f, b: align(f, b, 0, 8)),
        ("stride", lambda f, b: pool(f, b, 2, 0)),
        ("stride", lambda f, b: align(f, b, 2, -8.0)),
        ("samples", lambda f, b: align(f, b, 2, 8, 0)),
    ],
)
def test_what_is_refused(argument, call):
    with pytest.raises(ValueError, match=f"`{argument}` must"):
        call(random_features(), random_boxes())
