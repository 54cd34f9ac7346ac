"""Effective receptive fields against convolutions of the kernels that they come from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect import summarize
from jaxvision.inspect.pictures import effective_receptive_field, plot_effective_field
from jaxvision.inspect.pictures.effective_field import central_side
from tests.inspect.pictures.small import convolutional, convolve, draw


def boxes(n):
    """n convolutions with a box of 3 x 3."""

    def network(images):
        x = images
        for _ in range(n):
            x = convolve(x, jnp.ones((3, 3, 1, 1)) / 9)
        return x.mean(axis=(1, 2)), {"last": x}

    return network


@pytest.mark.parametrize("n", [1, 4])
def test_of_equal_boxes_it_is_the_box_convolved_with_itself(n):
    """Luo et al., section 2.1: for n boxes of k it is the n-fold convolution, nearly Gaussian."""
    found = effective_receptive_field(boxes(n), "last", draw(0, 2, 11, 11, 1))
    line = np.ones(1)
    for _ in range(n):
        line = np.convolve(line, np.ones(3) / 3)
    expected = np.zeros((11, 11))
    expected[5 - n : 6 + n, 5 - n : 6 + n] = np.outer(line, line)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_magnitudes_are_taken_after_channels_of_the_feature_and_before_those_of_the_image():
    kernel = draw(0, 3, 3, 2, 4)

    def network(images):
        return jnp.zeros((len(images), 1)), {"conv": convolve(images, kernel)}

    found = effective_receptive_field(network, "conv", draw(1, 3, 5, 5, 2))
    expected = np.abs(np.asarray(kernel).sum(axis=3)).sum(axis=2)
    np.testing.assert_allclose(found[1:4, 1:4], expected / expected.sum(), rtol=1e-5)
    assert found[0].max() == 0


def test_images_are_averaged_and_it_lies_inside_the_receptive_field():
    network, images = convolutional(), draw(0, 3, 20, 20, 3)
    found = np.asarray(effective_receptive_field(network, "relu2", images))
    (field,) = (f for f in summarize(network, images).features if f.name == "relu2")
    start = [int(o + 5 * s) for o, s in zip(field.offset, field.stride, strict=True)]
    inside = np.zeros((20, 20), bool)
    inside[start[0] : start[0] + 8, start[1] : start[1] + 8] = True
    assert found[~inside].max() == 0 and found[inside].min() >= 0
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-5)

    @jax.jit
    def unscaled(image):
        middle = jax.grad(lambda x: network(x)[1]["relu2"][:, 5, 5].sum())(image[None])
        return jnp.abs(middle).sum(axis=(0, 3))

    mean = np.mean([unscaled(image) for image in images], axis=0)
    np.testing.assert_allclose(found, mean / mean.sum(), rtol=1e-4, atol=1e-7)


def test_the_square_that_holds_a_share():
    field = np.zeros((9, 9))
    field[3:6, 4:7] = 0.1  # around (4, 5): 9 of it, and 1 at a distance of 3
    field[1, 5] = 0.1
    assert central_side(field, (4, 5), 0.1) == 1
    assert central_side(field, (4, 5), 0.9) == 3
    assert central_side(field, (4, 5), 0.95) == 7
    assert central_side(field, (4, 5), 1.0) == 7


def test_the_figure_has_both_frames():
    images = draw(0, 1, 21, 21, 1)
    network = boxes(6)
    field = np.asarray(effective_receptive_field(network, "last", images))
    (theory,) = summarize(network, images).features
    figure = plot_effective_field(field, theory)
    (axes,) = figure.axes
    used, whole = axes.patches
    assert (whole.get_x(), whole.get_y(), whole.get_width()) == (3.5, 3.5, 13)
    # 6 boxes have variance 4 a side; 95 % in both directions is 2.24 deviations, +-4.5 pixels.
    assert used.get_width() == 9 and used.get_x() == used.get_y() == 5.5
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["95 % of it: 9 x 9 pixels", "receptive field: 13 x 13 pixels"]


def test_a_dead_middle_and_a_dense_feature_are_refused():
    network = convolutional()
    with pytest.raises(ValueError, match="`feature` must depend on the images in its middle"):
        effective_receptive_field(
            lambda x: (x[:, 0, 0], {"off": jax.nn.relu(-jnp.abs(x) - 1)}),
            "off",
            jnp.ones((1, 4, 4, 1)),
        )
    with pytest.raises(ValueError, match=r"`feature` must be \[b, h, w, c\], got 'pooled'"):
        effective_receptive_field(network, "pooled", jnp.ones((1, 8, 8, 3)))
