"""Gradient pictures against closed forms of linear networks, loops, and PyTorch's hooks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.pictures import (
    deconvolution,
    grad_cam,
    guided_backpropagation,
    guided_grad_cam,
    saliency,
)
from jaxvision.ops.upsampling import upsample_bilinear
from tests.inspect.pictures.small import convolutional, convolve, draw, linear


def test_the_saliency_of_a_linear_network_is_its_weights():
    weights, images = draw(0, 4, 5, 3, 6), draw(1, 2, 4, 5, 3)
    network = linear(weights)
    found = saliency(network, images, np.array([2, 5]))
    expected = np.abs(weights).max(axis=2)[..., [2, 5]].transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    classes = np.einsum("bhwc,hwck->bk", images, weights).argmax(axis=1)
    np.testing.assert_array_equal(saliency(network, images), saliency(network, images, classes))


def test_without_biases_the_gradient_times_the_image_is_the_logit():
    """Completeness: such a network with ReLUs is homogeneous of degree 1, so Euler's theorem."""
    first, head = draw(0, 3, 3, 1, 4), draw(1, 4, 3)

    def network(images):
        return jax.nn.relu(convolve(images, first)).mean(axis=(1, 2)) @ head, {}

    images = draw(2, 3, 6, 6, 1)
    found = saliency(network, images, np.array([0, 1, 2]))
    # One channel: the saliency is the gradient but for its sign, which is found by moving a pixel.
    gradient = jax.jit(jax.jacrev(lambda images: network(images)[0]))(images)
    logits = jax.jit(network)(images)[0]
    for i in range(3):
        own = np.asarray(gradient)[i, i, i, ..., 0]
        np.testing.assert_allclose(found[i], np.abs(own), rtol=1e-5, atol=1e-6)
        total = (own * np.asarray(images)[i, ..., 0]).sum()
        np.testing.assert_allclose(total, logits[i, i], rtol=1e-4)


def test_guided_backpropagation_by_hand():
    """y = relu(relu(x) @ [[1, -1], [1, 1]]) @ [[1], [-2]]: of x = (3, 1, off) in each order."""
    hidden, head = jnp.array([[1.0, -1], [1, 1]]), jnp.array([[1.0], [-2]])

    def network(images):
        x = jax.nn.relu(images.reshape(len(images), 2))
        return jax.nn.relu(x @ hidden) @ head, {}

    images = jnp.array([[3.0, 1], [1, 3], [-1, 2]]).reshape(3, 1, 2, 1)
    # Hidden sums (4, -2), (4, 2), (2, 2). Plain: (1, 1), (1 + 2, 1 - 2), (off, 1 - 2). Guided: the
    # second unit's -2 never passes, so (1, 1) where the first layer is on.
    plain = saliency(network, images, np.zeros(3, int))
    assert plain.reshape(3, 2).tolist() == [[1, 1], [3, 1], [0, 1]]
    guided = guided_backpropagation(network, images, np.zeros(3, int))
    assert guided.reshape(3, 2).tolist() == [[1, 1], [1, 1], [0, 1]]


def test_deconvolution_by_loops():
    """One ReLU: the kernel's positive part of the way back, times the activation, where it was."""
    kernel, images = draw(0, 3, 3, 2, 4), draw(1, 3, 7, 6, 2)

    def network(images):
        x = jax.nn.relu(convolve(images, kernel))
        return x.mean(axis=(1, 2)), {"relu": x}

    found = deconvolution(network, images, "relu", 1)
    value = np.asarray(jax.jit(network)(images)[1]["relu"])[..., 1]
    for image in range(3):
        y, x = np.unravel_index(value[image].argmax(), value[image].shape)
        expected = np.zeros((9, 8, 2))
        expected[y : y + 3, x : x + 3] = value[image, y, x] * kernel[..., 1]
        np.testing.assert_allclose(found[image], expected[1:-1, 1:-1], rtol=1e-5, atol=1e-6)


def test_deconvolution_goes_through_units_that_are_off():
    """Where guided backpropagation stops."""
    weights = jnp.array([[3.0, 0.0], [2.0, 0.0]])

    def network(images):
        hidden = jax.nn.relu(images.reshape(len(images), 2) * jnp.array([[1.0, -0.5]]) + 2)
        hidden = jax.nn.relu(hidden - 1.5)
        x = jax.nn.relu(hidden @ weights)
        return x, {"dense": x}

    # x = (-1, 2): sums (1, 1) - 1.5 are off both; so the unit is off, and nothing goes back.
    images = jnp.array([-1.0, 2]).reshape(1, 1, 2, 1)
    assert deconvolution(network, images, "dense", 0).reshape(2).tolist() == [0, 0]
    # x = (-1, 0): (1, 2) - 1.5 is (off, 0.5), the unit 2 * 0.5 = 1; back go 3 and 2, through the
    # unit that is off too, and then 3 * 1 and 2 * -0.5.
    images = jnp.array([-1.0, 0]).reshape(1, 1, 2, 1)
    assert deconvolution(network, images, "dense", 0).reshape(2).tolist() == [3, -1]


def test_deconvolution_of_a_dense_feature_and_of_a_dead_channel():
    weights = jnp.array([[1.0, -1.0], [2.0, -1.0]])

    def network(images):
        x = jax.nn.relu(images.reshape(len(images), 2) @ weights)
        return x, {"dense": x}

    images = jnp.array([3.0, 4]).reshape(1, 1, 2, 1)
    assert deconvolution(network, images, "dense", 0).reshape(2).tolist() == [11, 22]
    assert deconvolution(network, images, "dense", 1).reshape(2).tolist() == [0, 0]


def test_grad_cam_of_an_averaging_network_is_the_class_activation_map():
    """Zhou et al. 2016: sum_k W_k A_k, up to ReLU, 1/Z and the size of the image."""
    network, images, classes = convolutional(), draw(9, 2, 8, 12, 3), np.array([1, 3])
    _, _, _, head = network.weights
    feature = jax.jit(network)(images)[1]["relu2"]
    cam = np.einsum("bijk,kb->bij", feature, head[:, classes]) / (4 * 6)
    assert (cam < 0).any() and (cam > 0).any()
    expected = upsample_bilinear(
        jnp.maximum(jnp.asarray(cam, jnp.float32), 0)[..., None], 8, 12, align_corners=False
    )
    found = grad_cam(network, images, "relu2", classes)
    np.testing.assert_allclose(found, expected[..., 0], rtol=1e-5, atol=1e-6)


def test_grad_cam_where_the_derivative_differs_from_place_to_place():
    """Equations 1 and 2 on what follows the pool, written out."""
    network, images, classes = convolutional(), draw(9, 2, 8, 8, 3), np.array([2, 0])
    _, second, bias, head = network.weights

    @jax.jit
    def value_and_gradient(images):
        def logit(value):
            x = jax.nn.relu(convolve(value, second) + bias.reshape(1, 1, 1, -1))
            return (x.mean(axis=(1, 2)) @ head)[jnp.arange(2), classes].sum()

        value = network(images)[1]["pool1"]
        return value, jax.grad(logit)(value)

    value, gradient = map(np.asarray, value_and_gradient(images))
    assert gradient.std(axis=(1, 2)).min() > 1e-3
    located = np.einsum("bijk,bk->bij", value, gradient.mean(axis=(1, 2)))
    expected = upsample_bilinear(
        jnp.maximum(jnp.asarray(located), 0)[..., None], 8, 8, align_corners=False
    )
    found = grad_cam(network, images, "pool1", classes)
    np.testing.assert_allclose(found, expected[..., 0], rtol=1e-4, atol=1e-6)


def test_guided_grad_cam_is_the_product_and_all_four_are_of_each_image_alone():
    network, images, classes = convolutional(), draw(9, 2, 8, 8, 3), np.array([2, 0])
    found = guided_grad_cam(network, images, "pool1", classes)
    where = grad_cam(network, images, "pool1", classes)
    fine = guided_backpropagation(network, images, classes)
    np.testing.assert_allclose(found, where[..., None] * fine, rtol=1e-6)
    alone = guided_grad_cam(network, images[1:], "pool1", classes[1:])
    np.testing.assert_allclose(found[1:], alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parity
def test_parity_with_hooks_in_pytorch():
    """Guided backpropagation and Grad-CAM as PyTorch code has them: by backward hooks."""
    torch = pytest.importorskip("torch")
    network, images, classes = convolutional(), draw(9, 2, 8, 8, 3), np.array([2, 0])
    first, second, bias, head = (torch.tensor(np.array(w)) for w in network.weights)
    functional = torch.nn.functional

    class Guided(torch.nn.Module):
        guided = False

        def forward(self, x):
            y = functional.relu(x)
            if self.guided:
                y.register_hook(lambda g: g.clamp(min=0))
            return y

    relu, kept = Guided(), {}

    def theirs(x):
        x = relu(functional.conv2d(x, first.permute(3, 2, 0, 1), padding=1))
        x = functional.max_pool2d(x, 2)
        x = relu(functional.conv2d(x, second.permute(3, 2, 0, 1), bias, padding=1))
        x.retain_grad()
        kept["relu2"] = x
        return x.mean(dim=(2, 3)) @ head

    def backward(guided):
        relu.guided = guided
        x = torch.tensor(np.array(images)).permute(0, 3, 1, 2).requires_grad_()
        theirs(x)[range(2), classes].sum().backward()
        return x.grad.permute(0, 2, 3, 1).numpy()

    np.testing.assert_allclose(
        saliency(network, images, classes), np.abs(backward(False)).max(axis=3), atol=1e-6
    )
    value = kept["relu2"]
    cam = functional.relu((value.grad.mean(dim=(2, 3), keepdim=True) * value).sum(1, keepdim=True))
    cam = functional.interpolate(cam, size=(8, 8), mode="bilinear").detach().numpy()[:, 0]
    np.testing.assert_allclose(grad_cam(network, images, "relu2", classes), cam, atol=1e-6)
    np.testing.assert_allclose(
        guided_backpropagation(network, images, classes), backward(True), atol=1e-6
    )


@pytest.mark.parity
def test_parity_with_a_deconvolutional_network_in_pytorch():
    """Zeiler & Fergus' own construction: transposed convolutions, unpooling by switches, ReLUs."""
    torch = pytest.importorskip("torch")
    network, images = convolutional(), draw(9, 4, 8, 8, 3)
    first, second, bias, _ = (torch.tensor(np.array(w)) for w in network.weights)
    functional = torch.nn.functional
    first, second = (kernel.permute(3, 2, 0, 1) for kernel in (first, second))
    x = functional.relu(
        functional.conv2d(torch.tensor(np.array(images)).permute(0, 3, 1, 2), first, padding=1)
    )
    pooled, switches = functional.max_pool2d(x, 2, return_indices=True)
    top = functional.relu(functional.conv2d(pooled, second, bias, padding=1))
    kept = torch.where(top == top[:, 3].amax(dim=(1, 2)).reshape(4, 1, 1, 1), top, 0)
    back = functional.conv_transpose2d(functional.relu(kept), second, padding=1)
    back = functional.max_unpool2d(back, switches, 2)
    back = functional.conv_transpose2d(functional.relu(back), first, padding=1)
    found = deconvolution(network, images, "relu2", 3)
    np.testing.assert_allclose(found, back.permute(0, 2, 3, 1).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda n, x: saliency(n, x, np.array([0, 4])),
            r"`classes` must be one of 0 to 3 .*\[0, 4",
        ),
        (lambda n, x: saliency(n, x, np.array([-1, 0])), "`classes` must be one of 0 to 3"),
        (lambda n, x: grad_cam(n, x, "pooled"), r"`feature` .* got 'pooled' of .*relu1, pool1, r"),
        (lambda n, x: grad_cam(n, x, "relu3"), "`feature` is unknown: 'relu3'. Did you mean"),
        (lambda n, x: deconvolution(n, x, "relu1", 5), "`channel` must be from 0 to 4 for `relu1`"),
        (lambda n, x: saliency(lambda x: (x, {}), x), r"`network` must return logits \[b, k\]"),
    ],
)
def test_what_is_not_there_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(convolutional(), draw(9, 2, 8, 8, 3))


def test_compiled_by_whoever_calls_it_more_often():
    network, images = convolutional(), draw(9, 2, 8, 8, 3)
    compiled = jax.jit(lambda images, classes: saliency(network, images, classes))
    classes = jnp.array([2, 0])
    np.testing.assert_allclose(
        compiled(images, classes), saliency(network, images, classes), rtol=1e-5, atol=1e-6
    )
