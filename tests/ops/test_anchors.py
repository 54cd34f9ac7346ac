"""Anchors by hand, against NumPy loops and torchvision, and by what holds for all of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.anchors import anchors
from jaxvision.ops.boxes import area, xyxy_to_cxcywh


def by_loops(height, width, stride, sizes, ratios):
    found = []
    for i in range(height):
        for j in range(width):
            for size in sizes:
                for ratio in ratios:
                    x, y = (j + 0.5) * stride[1], (i + 0.5) * stride[0]
                    w, h = size / ratio**0.5, size * ratio**0.5
                    found.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return np.array(found)


def test_one_place_by_hand():
    # Centre (8, 8); of size 32 a square, and one four times as high as wide: 16 x 64.
    np.testing.assert_array_equal(
        anchors(1, 1, 16, (32, 8), (1, 4)),
        [[-8, -8, 24, 24], [0, -24, 16, 40], [4, 4, 12, 12], [6, 0, 10, 16]],
    )


@pytest.mark.parametrize("stride", [8, (4, 16)])
def test_equals_loops(stride):
    found = anchors(3, 5, stride, (10, 20.5, 40), (0.5, 1, 2))
    assert found.shape == (3 * 5 * 9, 4) and found.dtype == jnp.float32
    expected = by_loops(3, 5, (8, 8) if stride == 8 else stride, (10, 20.5, 40), (0.5, 1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parity
def test_equals_torchvision(torchvision):
    import torch
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.image_list import ImageList

    sizes, ratios = (32, 64), (0.25, 1.0, 4.0)  # sides are whole: it rounds nothing
    images = ImageList(torch.zeros(1, 3, 64, 96), [(64, 96)])
    theirs = AnchorGenerator((sizes,), (ratios,))(images, [torch.zeros(1, 8, 4, 6)])[0]
    # Its order is of ratios and then of sizes, and its first centre is the corner.
    theirs = theirs.reshape(4, 6, 3, 2, 4).transpose(2, 3).reshape(-1, 4) + 8
    np.testing.assert_array_equal(anchors(4, 6, 16, sizes, ratios), theirs)


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    stride=st.tuples(st.integers(1, 32), st.integers(1, 32)),
    sizes=st.lists(st.floats(1, 200), min_size=1, max_size=3),
    ratios=st.lists(st.floats(0.2, 5), min_size=1, max_size=3),
)
def test_areas_ratios_and_centres(height, width, stride, sizes, ratios):
    found = anchors(height, width, stride, sizes, ratios)
    shape = (height, width, len(sizes), len(ratios))
    x, y, w, h = np.moveaxis(np.asarray(xyxy_to_cxcywh(found)), -1, 0).reshape(4, *shape)
    each = np.ones(shape)
    np.testing.assert_allclose(
        np.asarray(area(found)).reshape(shape), each * np.square(sizes)[:, None], rtol=2e-3
    )
    np.testing.assert_allclose(h / w, each * ratios, rtol=2e-3)
    # Neighbours are a stride apart, and as far from the border of the map as from one another.
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    np.testing.assert_allclose(y, each * stride[0] * rows[:, None, None, None], atol=1e-3)
    np.testing.assert_allclose(x, each * stride[1] * columns[:, None, None], atol=1e-3)


def test_they_are_constants_of_a_program():
    made = jax.jit(lambda: anchors(2, 2, 4, (8,), (1,)))()
    np.testing.assert_array_equal(made, anchors(2, 2, 4, (8,), (1,)))


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("height", {"height": 0}),
        ("width", {"width": -1}),
        ("stride", {"stride": 0}),
        ("stride", {"stride": (8, 0)}),
        ("sizes", {"sizes": ()}),
        ("sizes", {"sizes": (32, 0)}),
        ("ratios", {"ratios": ()}),
        ("ratios", {"ratios": (-1.0,)}),
    ],
)
def test_what_is_no_anchor(argument, change):
    right = {"height": 2, "width": 3, "stride": 8, "sizes": (32,), "ratios": (1,)}
    with pytest.raises(ValueError, match=f"`{argument}` must"):
        anchors(**right | change)
