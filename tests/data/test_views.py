"""Views change what they say they change, one by one and many at once."""

import numpy as np
import pytest

from jaxvision.data.images import fit_image
from jaxvision.data.sources import ArraySource, read_items
from jaxvision.data.views import Fitted, Images, Subset


@pytest.fixture
def source():
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 10, 3), np.uint8)
    return ArraySource(images, [0, 1, 0, 1, 0, 1], ("cat", "dog"))


class AtOnce(ArraySource):
    """Notes which items are asked for together."""

    def __getitems__(self, indices):
        self.asked = list(indices)
        return [self[i] for i in indices]


def test_a_subset_is_the_rows_in_their_order(source):
    subset = Subset(source, [4, 1, 1])
    assert len(subset) == 3 and subset.classes == ("cat", "dog")
    np.testing.assert_array_equal(subset.labels, [0, 1, 1])
    for i, row in enumerate((4, 1, 1)):
        np.testing.assert_array_equal(subset[i]["image"], source.images[row])
        assert subset[i]["label"] == subset.labels[i]


def test_fitted_images_have_the_size_and_keep_the_rest(source):
    fitted = Fitted(source, 4, 6)
    assert len(fitted) == 6 and fitted.classes == source.classes
    for i in range(6):
        np.testing.assert_array_equal(fitted[i]["image"], fit_image(source.images[i], 4, 6))
        assert fitted[i]["label"] == source.labels[i]


def test_many_items_reach_the_source_in_one_call(source):
    together = AtOnce(source.images, source.labels)
    view = Fitted(Subset(together, [5, 3, 2]), 4, 4)
    items = read_items(view, [0, 2])
    assert together.asked == [5, 2]
    for item, i in zip(items, (0, 2), strict=True):
        np.testing.assert_array_equal(item["image"], view[i]["image"])
        assert item["label"] == view[i]["label"]


def test_images_are_the_images_alone(source):
    images = Images(source)
    assert len(images) == 6
    np.testing.assert_array_equal(images[2], source.images[2])
