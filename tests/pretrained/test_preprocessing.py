"""What weights expect: sizes by hand, pixels by hand, and the order of channels."""

import numpy as np
import pytest

from jaxvision.pretrained.preprocessing import CAFFE, IMAGENET, IMAGENET_232, Preprocessing


def gradient(height, width):
    """An image whose red is its column and whose green its row, from 0 to 255."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = 255 * columns / (width - 1), 255 * rows / (height - 1)
    return np.stack([red, green, np.full((height, width), 7)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (300, 500), (500, 300), (224, 224)])
@pytest.mark.parametrize("preprocessing", [IMAGENET, IMAGENET_232])
def test_takes_the_middle_of_the_resized_image(preprocessing, height, width):
    fitted = preprocessing.fit(gradient(height, width))
    assert fitted.shape == (224, 224, 3)
    assert fitted.dtype == np.uint8
    # The middle stays the middle, and both sides see the same share of it.
    np.testing.assert_allclose(fitted.mean(axis=(0, 1)), [127.5, 127.5, 7], atol=1.5)
    seen = fitted[..., :2].max(axis=(0, 1)).astype(float) - fitted[..., :2].min(axis=(0, 1))
    shares = 224 / preprocessing.resize * min(height, width) / np.array([width, height])
    np.testing.assert_allclose(seen / 255, shares, atol=0.02)


def test_an_image_of_the_right_size_is_not_touched():
    image = gradient(224, 224)
    same = IMAGENET._replace(resize=224)
    np.testing.assert_array_equal(same.fit(image), image)


def test_normalises_by_hand():
    pixels = np.array([[[[0, 255, 128]]]], np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (pixels / 255 - mean) / std
    np.testing.assert_allclose(IMAGENET.normalize(pixels), expected, rtol=1e-5)


def test_caffes_channels_are_blue_green_red():
    pixels = np.array([[[[10, 20, 30]]]], np.uint8)
    expected = [[[[30 - 103.939, 20 - 116.779, 10 - 123.68]]]]
    np.testing.assert_allclose(CAFFE.normalize(pixels), expected, rtol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize(("height", "width"), [(300, 500), (427, 640), (640, 427), (257, 259)])
def test_sizes_and_pixels_are_torchvisions(height, width, torchvision):
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    transforms = torchvision.transforms
    theirs = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    expected = np.asarray(theirs(Image.fromarray(image)))
    np.testing.assert_array_equal(IMAGENET.fit(image), expected)


def test_is_plain_data():
    assert Preprocessing(*IMAGENET) == IMAGENET
