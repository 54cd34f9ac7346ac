"""The strongest activations of a data set against a sort of all of them, and their patches."""

import jax
import numpy as np
import pytest

from jaxvision.inspect import summarize
from jaxvision.inspect.features import Feature
from jaxvision.inspect.pictures import activating_patches, most_activating, plot_patches
from jaxvision.inspect.pictures.activations import Strongest
from tests.inspect.pictures.small import convolutional, draw


def batches_of(images, size):
    """The last one padded with images that would win."""
    for start in range(0, len(images), size):
        part = np.asarray(images[start : start + size])
        padding = np.full((size - len(part), *part.shape[1:]), 1e3, np.float32)
        yield {"image": np.concatenate([part, padding]), "mask": np.arange(size) < len(part)}


@pytest.mark.parametrize("size", [4, 13])
def test_the_running_best_are_the_best_of_a_sort(size):
    network, images = convolutional(), draw(0, 13, 6, 4, 3)
    found = most_activating(network, batches_of(images, size), "relu2", [3, 0], 5)
    value = np.asarray(jax.jit(network)(images)[1]["relu2"])[..., [3, 0]]
    for m in range(2):
        best = value[..., m].max(axis=(1, 2))
        order = np.argsort(-best, kind="stable")[:5]
        np.testing.assert_array_equal(found.images[m], order)
        np.testing.assert_allclose(found.values[m], best[order], rtol=1e-5)
        units = value[found.images[m], found.rows[m], found.columns[m], m]
        np.testing.assert_allclose(units, found.values[m], rtol=1e-5)
    assert found.channels.tolist() == [3, 0]


def test_of_equals_the_first_and_a_dense_feature_has_one_place():
    images = np.array([1, 3, 3, 2, 3], np.float32).reshape(5, 1, 1, 1)

    def network(images):
        return images[:, 0, 0], {"dense": images[:, 0, 0]}

    batches = [{"image": images[:2]}, {"image": images[2:]}]  # without masks
    found = most_activating(network, batches, "dense", [0], 4)
    assert found.images.tolist() == [[1, 2, 4, 3]] and found.values.tolist() == [[3, 3, 3, 2]]
    assert found.rows.tolist() == found.columns.tolist() == [[0, 0, 0, 0]]


def feature(size, stride, offset):
    return Feature("f", (1, 9, 9, 1), (size,) * 2, (stride,) * 2, (offset,) * 2, *(0,) * 3, (), ())


def strongest(rows, columns):
    shape = np.shape(rows)
    return Strongest(
        np.arange(shape[0]), np.ones(shape), np.zeros(shape, int), np.array(rows), np.array(columns)
    )


def test_a_patch_is_the_receptive_field_inside_the_image():
    image = np.arange(10 * 8, dtype=np.uint8).reshape(10, 8, 1)
    places = strongest([[0, 2, 4]], [[0, 1, 3]])
    # Units see 4 pixels from -1 + 2 i on: rows -1..2, 3..6, 7..10; columns -1..2, 1..4, 5..8.
    (patches,) = activating_patches([image], places, feature(4, 2, -1))
    np.testing.assert_array_equal(patches[0], image[0:3, 0:3])
    np.testing.assert_array_equal(patches[1], image[3:7, 1:5])
    np.testing.assert_array_equal(patches[2], image[7:10, 5:8])
    ((whole, *_),) = activating_patches(image[None], places, feature(None, None, None))
    np.testing.assert_array_equal(whole, image)


def test_the_patch_of_a_unit_decides_it():
    """Around the patch that the summary says, everything may change; inside, nothing may."""
    network = convolutional()
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), np.uint8)
    batches = [{"image": images.astype(np.float32)}]
    found = most_activating(network, batches, "relu2", [1], 2)
    (field,) = (f for f in summarize(network, draw(0, 1, 20, 20, 3)).features if f.name == "relu2")
    assert field.receptive_field == (8, 8)
    for n, patch in enumerate(activating_patches(images, found, field)[0]):
        y, x = found.rows[0, n], found.columns[0, n]
        changed = np.zeros((1, 20, 20, 3), np.float32)
        units = zip(field.offset, (y, x), field.stride, strict=True)
        top, left = (max(0, int(offset + i * stride)) for offset, i, stride in units)
        changed[0, top : top + patch.shape[0], left : left + patch.shape[1]] = patch
        value = jax.jit(network)(changed)[1]["relu2"][0, y, x, 1]
        np.testing.assert_allclose(value, found.values[0, n], rtol=1e-5)


def test_the_figure_has_a_row_a_channel_with_activations():
    image = np.zeros((10, 8, 3), np.uint8)
    places = strongest([[0, 2, 4], [1, 1, 1]], [[0, 1, 3], [1, 1, 1]])
    figure = plot_patches(activating_patches([image], places, feature(4, 2, -1)), places)
    assert len(figure.axes) == 6
    words = [text.get_text() for text in figure.texts]
    assert "channel 0" in words and "channel 1" in words and words.count("1") == 6
    with pytest.raises(ValueError, match=r"`patches` must be 3 for each of 2 channels, got \[1\]"):
        plot_patches([[image]], places)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature": "relu9"}, "`feature` is unknown: 'relu9'"),
        ({"channels": [0, 5]}, "`channel` must be from 0 to 4 for `relu2`, got 5"),
        ({"channels": [-1]}, "`channels` must be at least one, from 0 on, got"),
        ({"channels": []}, "`channels` must be at least one, from 0 on, got"),
        ({"count": 0}, "`count` must be a whole number from 1 on, got 0"),
        ({"count": 4}, "`count` must be at most the number of images, got 4 of 3"),
    ],
)
def test_what_is_not_there_is_named(options, message):
    options = {"feature": "relu2", "channels": [0], "count": 1} | options
    with pytest.raises(ValueError, match=message):
        most_activating(convolutional(), [{"image": draw(0, 3, 4, 4, 3)}], **options)
