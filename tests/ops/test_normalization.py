"""Normalisation: exact statistics, and their application to anything but the training set."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.normalization import (
    Normalization,
    center_per_sample,
    instance_norm,
    instance_norm_relu,
    normalization_of,
    standardize_per_sample,
)
from tests.ops.agreement import assert_forms_agree, random_arrays


def test_the_training_set_has_mean_0_and_std_1_in_every_channel():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 6, 3), np.uint8)
    images[..., 1] //= 3
    normalized = np.asarray(normalization_of([images])(jnp.array(images)), np.float64)
    np.testing.assert_allclose(normalized.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.std(axis=(0, 1, 2)), 1, rtol=1e-6)


def test_statistics_equal_numpy_in_double_precision_however_the_images_are_divided():
    images = np.random.default_rng(1).integers(0, 256, (30, 5, 7, 3), np.uint8)
    whole, parts = normalization_of([images]), normalization_of(np.split(images, [7, 8, 20]))
    assert whole == parts == normalization_of(iter(images))
    np.testing.assert_allclose(
        whole.mean, images.mean(axis=(0, 1, 2), dtype=np.float64), rtol=1e-14
    )
    np.testing.assert_allclose(whole.std, images.std(axis=(0, 1, 2), dtype=np.float64), rtol=1e-12)


def test_by_hand():
    normalization = normalization_of([np.array([[[0], [10]]], np.uint8)])
    assert normalization == Normalization(mean=(5.0,), std=(5.0,))
    np.testing.assert_array_equal(
        normalization(jnp.array([[[[0], [20]]]], jnp.uint8)), [[[[-1.0], [3.0]]]]
    )


def test_a_constant_channel_is_centred_and_not_divided_by_zero():
    normalization = normalization_of([np.full((2, 4, 4, 1), 7, np.uint8)])
    assert normalization == Normalization((7.0,), (1.0,))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"`images` must hold at least one image"):
        normalization_of([])
    with pytest.raises(ValueError, match=r"`images` must have 1 channel\(s\).*got 3"):
        Normalization((0.0,), (1.0,))(jnp.zeros((1, 2, 2, 3)))


def test_each_image_by_its_own_statistics_by_hand():
    images = jnp.array([[1, 3], [10, 50]], jnp.uint8).reshape(2, 1, 2, 1)
    np.testing.assert_array_equal(
        center_per_sample(images).reshape(2, 2), [[-1.0, 1.0], [-20.0, 20.0]]
    )
    # Variances 1 and 400, with eps 24: divided by 5 and by sqrt 424.
    np.testing.assert_allclose(
        standardize_per_sample(images, eps=24.0).reshape(2, 2),
        [[-0.2, 0.2], [-20 / 424**0.5, 20 / 424**0.5]],
        rtol=1e-6,
    )


def test_each_image_has_mean_0_and_std_1_whatever_the_others_are():
    images = np.random.default_rng(0).uniform(0, 255, (5, 6, 7, 3)).astype(np.float32)
    normalized = standardize_per_sample(jnp.array(images), eps=0.0)
    np.testing.assert_allclose(normalized.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.std(axis=(1, 2, 3)), 1, rtol=1e-6)
    own = images.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(center_per_sample(jnp.array(images)), images - own, atol=1e-4)
    # Brightness and contrast are gone: a x + b is x.
    np.testing.assert_allclose(
        standardize_per_sample(jnp.array(0.5 * images + 20), eps=0.0), normalized, atol=1e-5
    )
    alone = standardize_per_sample(jnp.array(images[2:3]), eps=0.0)
    np.testing.assert_array_equal(alone[0], normalized[2])


def test_a_constant_image_becomes_0_and_has_a_gradient():
    flat = jnp.full((1, 3, 3, 1), 9.0)
    np.testing.assert_array_equal(standardize_per_sample(flat), 0 * flat)
    gradient = jax.grad(lambda x: (standardize_per_sample(x) ** 2).sum())(flat)
    np.testing.assert_array_equal(gradient, 0 * flat)


# --- instance normalization


BOTH = pytest.mark.parametrize("compute", [instance_norm, instance_norm_relu])
EPSILON = 1e-3


def by_numpy(x, scale, bias):
    """Equation 3 of Ulyanov et al. in float64, one image and one channel at a time."""
    y = np.empty_like(x)
    for t, i in np.ndindex(x.shape[0], x.shape[3]):
        values = x[t, :, :, i]
        y[t, :, :, i] = scale[i] * (values - values.mean()) / np.sqrt(values.var() + EPSILON)
        y[t, :, :, i] += bias[i]
    return y


def test_instance_norm_by_hand():
    # Means 2 and 30, variances 1 and 100, to which 3 and 300 are added.
    x = jnp.array([[1.0, 3.0], [20.0, 40.0]]).reshape(2, 1, 2, 1)
    y = instance_norm(x[:1], jnp.array([4.0]), jnp.array([5.0]), 3.0)
    np.testing.assert_allclose(y.ravel(), [3.0, 7.0], rtol=1e-6)
    y = instance_norm_relu(x[1:], jnp.array([4.0]), jnp.array([1.0]), 300.0)
    np.testing.assert_allclose(y.ravel(), [0.0, 3.0], rtol=1e-6)


@BOTH
@pytest.mark.parametrize("shape", [(3, 5, 6, 2), (1, 17, 9, 3), (2, 1, 1, 4)], ids=str)
def test_instance_norm_equals_numpy_in_both_forms(compute, shape):
    x, scale, bias = random_arrays(shape, shape[-1:], shape[-1:])
    y, *_ = assert_forms_agree(partial(compute, epsilon=EPSILON), (x, scale, bias), rtol=1e-11)
    expected = by_numpy(x, scale, bias)
    if compute is instance_norm_relu:
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_instance_norm_takes_brightness_and_contrast_out_of_each_image():
    x, scale, bias = (jnp.float32(a) for a in random_arrays((2, 6, 7, 3), (3,), (3,)))
    changed = jnp.stack([3 * x[0] + 2, 0.5 * x[1] - 1])
    np.testing.assert_allclose(
        instance_norm(changed, scale, bias), instance_norm(x, scale, bias), atol=1e-3
    )


@pytest.mark.parity
def test_instance_norm_follows_pytorch_in_value_and_gradient():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, scale, bias, g = (
        np.float32(a) for a in random_arrays((2, 5, 7, 3), (3,), (3,), (2, 5, 7, 3))
    )
    to_theirs, to_ours = (0, 3, 1, 2), (0, 2, 3, 1)
    theirs = [torch.tensor(a, requires_grad=True) for a in (x.transpose(to_theirs), scale, bias)]
    output = torch.nn.functional.instance_norm(
        theirs[0], weight=theirs[1], bias=theirs[2], eps=EPSILON
    )
    output.backward(torch.tensor(g.transpose(to_theirs)))
    y, pull_back = jax.vjp(partial(instance_norm, epsilon=EPSILON), x, scale, bias)
    np.testing.assert_allclose(y, output.detach().numpy().transpose(to_ours), atol=2e-6)
    gradient, *others = pull_back(g)
    # Differences of sums of 35 terms of the order of g.
    np.testing.assert_allclose(gradient, theirs[0].grad.numpy().transpose(to_ours), atol=2e-5)
    for ours, their in zip(others, theirs[1:], strict=True):
        np.testing.assert_allclose(ours, their.grad.numpy(), atol=2e-5)
