"""An image in pieces has the answer of the whole image: of real networks, and where it has not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.models.dncnn import DnCNN
from jaxvision.models.espcn import ESPCN
from jaxvision.models.unet import PaddedUNet, UNet
from jaxvision.ops.tiled_inference import apply_in_windows, overlap_tile
from tests.models.tracing import traced
from tests.ops.agreement import QUICK


def photo(height, width, channels=1, seed=0):
    return np.random.default_rng(seed).normal(size=(height, width, channels))


def network(model, channels=1, seed=0):
    """The model in float64 with weights drawn at random, compiled; it counts its programs."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[-1].key == "kernel":
            scale = (2 / np.prod(leaf.shape[:-1])) ** 0.5
            return jnp.asarray(scale * random.normal(size=leaf.shape))
        return jnp.asarray(random.uniform(0.5, 1.5, leaf.shape))  # a variance among them

    variables = jax.tree.map_with_path(draw, traced(model, (1, 188, 188, channels))[1])
    shapes = []

    @partial(jax.jit, compiler_options=QUICK)
    def apply(images):
        shapes.append(images.shape)
        return model.apply(variables, images, train=False)[0]

    apply.shapes = shapes
    return apply


def mirrored(image, before, after):
    """By rows and columns looked up one by one, to and fro between the outermost pixels."""
    lines = []
    for side, end in zip(image.shape, after, strict=False):
        period = max(2 * (side - 1), 1)
        at = [i % period for i in range(-before, side + end)]
        lines.append([min(i, period - i) for i in at])
    return image[np.ix_(*lines)]


def relative(ours, whole):
    assert ours.shape == whole.shape
    return np.abs(ours - whole).max() / np.abs(whole).max()


# --- overlapping tiles, for valid convolutions


@pytest.mark.parametrize(
    ("depth", "margin", "tile", "size", "whole"),
    [
        # Tiles of 4 s - 28 pixels: 4, 8, ....
        (2, 20, 8, (36, 28), (36, 28)),
        (2, 20, 12, (29, 18), (32, 20)),
        # Tiles of 8 s + 4 pixels, of which all but the last begin 8 s pixels after the one before.
        (3, 44, 20, (36, 44), (36, 44)),
    ],
)
def test_a_u_net_in_overlapping_tiles_is_that_of_the_whole_mirrored_image(
    depth, margin, tile, size, whole
):
    with jax.enable_x64(True):
        apply = network(UNet(3, width=2, depth=depth))
        image = photo(*size)
        ours = overlap_tile(apply, image, tile, margin, multiple=2**depth)
        assert apply.shapes == [(1, tile + 2 * margin, tile + 2 * margin, 1)]
        beyond = [margin + side - own for side, own in zip(whole, size, strict=True)]
        expected = apply(mirrored(image, margin, beyond)[None])[0, : size[0], : size[1]]
        assert relative(ours, expected) < 1e-13


def test_tiles_that_begin_off_the_networks_stride_are_not_exact():
    """The paper's 388 is no multiple of 16, and neither is 20 one of 8."""
    with jax.enable_x64(True):
        apply = network(UNet(3, width=2, depth=3))
        image = photo(36, 44)
        expected = overlap_tile(apply, image, 20, 44, multiple=8)
        assert relative(overlap_tile(apply, image, 20, 44), expected) > 1e-2


def test_by_hand_a_tile_is_given_the_image_mirrored_around_it():
    image = np.arange(1.0, 4)[None, :, None].repeat(2, axis=0)  # rows 1 2 3
    seen = []

    def middle(piece):
        seen.append(np.asarray(piece)[0, 1, :, 0].tolist())
        return piece[:, 2:-2, 2:-2]

    ours = overlap_tile(middle, image, 2, 2)
    np.testing.assert_array_equal(ours, image)
    assert seen == [[3, 2, 1, 2, 3, 2], [1, 2, 3, 2, 1, 2]]


def a_filter(images, size=3, stride=1):
    """A valid convolution with weights that are all different."""
    kernel = jnp.asarray(np.random.default_rng(3).normal(size=(size, size, 2, 4)), images.dtype)
    return jax.lax.conv_general_dilated(
        images, kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 13), width=st.integers(1, 13), tile=st.integers(1, 6))
def test_tiles_of_any_size_cover_an_image_of_any_size(height, width, tile):
    image = photo(height, width, 2).astype(np.float32)
    ours = overlap_tile(partial(a_filter, size=5), image, tile, 2)
    expected = a_filter(mirrored(image, 2, (2, 2))[None], size=5)[0]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


# --- windows, for padded convolutions


def in_windows(apply, image, scale=1, **sizes):
    """(relative difference to the whole image at once, how many programs the windows needed)."""
    ours = apply_in_windows(apply, image, scale=scale, **sizes)
    programs = len(apply.shapes)
    return relative(ours, np.asarray(apply(image[None])[0])), programs


# The radius of what a padded U-Net of depth 2 sees: 2 + 4 + 8 + 4 + 2 pixels by its convolutions,
# and up to 3 by the place within a cell of 4 pixels.
RADIUS = 23


@pytest.mark.parametrize(("height", "width", "window"), [(96, 76, 64), (76, 60, 52)])
def test_a_padded_u_net_in_windows_is_that_of_the_whole_image(height, width, window):
    with jax.enable_x64(True):
        apply = network(PaddedUNet(3, width=2, depth=2))
        image = photo(height, width)
        sizes = {"window": window, "multiple": 4}
        error, programs = in_windows(apply, image, **sizes, halo=RADIUS)
        assert error < 1e-13 and programs == 1
        # Too small a halo, and windows that do not begin on a multiple of 4, are not exact.
        assert in_windows(apply, image, **sizes, halo=12)[0] > 1e-6
        odd = {"window": window + 1, "multiple": 1, "halo": RADIUS}
        assert in_windows(apply, image, **odd)[0] > 1e-3


def test_an_image_that_is_no_multiple_is_mirrored_up_to_one_and_cut_again():
    with jax.enable_x64(True):
        apply = network(PaddedUNet(3, width=2, depth=2))
        image = photo(74, 61)
        ours = apply_in_windows(apply, image, 52, RADIUS, 4)
        expected = apply(mirrored(image, 0, (2, 3))[None])[0, :74, :61]
        assert relative(ours, expected) < 1e-13
        # The network itself would repeat the edge.
        assert relative(ours, np.asarray(apply(image[None])[0])) > 1e-4


def test_a_denoiser_in_windows_is_that_of_the_whole_image():
    with jax.enable_x64(True):
        apply = network(DnCNN(depth=5, width=4), channels=3)
        image = photo(40, 31, 3)
        error, programs = in_windows(apply, image, window=18, halo=5)
        assert error < 1e-13 and programs == 1
        assert in_windows(apply, image, window=18, halo=4)[0] > 1e-5


def test_super_resolution_in_windows_is_that_of_the_whole_image():
    with jax.enable_x64(True):
        apply = network(ESPCN(factor=2, widths=(6, 5)))
        image = photo(33, 20)
        error, programs = in_windows(apply, image, scale=2, window=13, halo=4)
        assert error < 1e-13 and programs == 1
        assert in_windows(apply, image, scale=2, window=13, halo=3)[0] > 1e-5


def test_an_image_no_larger_than_a_window_goes_through_whole():
    with jax.enable_x64(True):
        apply = network(DnCNN(depth=3, width=2))
        for size in ((9, 9), (4, 9)):
            image = photo(*size)
            # No halo at all, and yet exact.
            assert in_windows(apply, image, window=9, halo=0) == (0.0, 1)
            assert set(apply.shapes) == {(1, *size, 1)}
            apply.shapes.clear()


def test_of_an_image_that_is_only_wide_the_windows_are_of_its_height():
    with jax.enable_x64(True):
        apply = network(DnCNN(depth=3, width=2))
        error, _ = in_windows(apply, photo(6, 40), window=12, halo=3)
        assert error < 1e-13 and apply.shapes[0] == (1, 6, 12, 1)


@settings(deadline=None, max_examples=30)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    halo=st.integers(0, 2),
    cells=st.integers(1, 3),
    multiple=st.integers(1, 3),
    scale=st.integers(1, 2),
)
def test_windows_of_any_size_cover_an_image_of_any_size(
    height, width, halo, cells, multiple, scale
):
    window = (cells + -(-2 * halo // multiple)) * multiple
    image = photo(height, width).astype(np.float32)
    tops = []

    def enlarge(piece):
        tops.append(piece.shape)
        large = np.repeat(np.repeat(np.array(piece), scale, axis=1), scale, axis=2)
        # What is within the halo is spoilt, but for the image's own border.
        inner = np.full_like(large, np.nan)
        known = {value: at for at, value in np.ndenumerate(image[:, :, 0])}
        row, column = known[piece[0, 0, 0, 0].item()]
        _, h, w, _ = piece.shape
        first_row, first_column = halo * (row > 0), halo * (column > 0)
        last_row = h - halo * (row + h < height)
        last_column = w - halo * (column + w < width)
        part = np.s_[
            :,
            scale * first_row : scale * last_row,
            scale * first_column : scale * last_column,
        ]
        inner[part] = large[part]
        assert row % multiple == 0 and column % multiple == 0
        return inner

    ours = apply_in_windows(enlarge, image, window, halo, multiple, scale)
    np.testing.assert_array_equal(ours, np.kron(image, np.ones((scale, scale, 1), np.float32)))
    assert len(set(tops)) == 1


# --- bad input


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"tile": 0, "margin": 2}, "`tile` must be a whole number from 1 on, got 0"),
        ({"tile": 4, "margin": -1}, "`margin` must be a whole number from 0 on, got -1"),
        ({"tile": 4, "margin": 2, "multiple": 0}, "`multiple` must be a whole number from 1"),
        ({"tile": 4, "margin": 2, "multiple": 5}, "`tile` must be at least `multiple` = 5, got 4"),
        (
            {"tile": 4, "margin": 3},
            r"`apply` must return \[1, 4, 4, k\] for images \(1, 10, 10, 2\), got \(1, 6, 6, 2\)",
        ),
    ],
)
def test_tiles_that_do_not_fit_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        overlap_tile(lambda piece: piece[:, 2:-2, 2:-2], photo(6, 7, 2), **sizes)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"window": 0, "halo": 0}, "`window` must be a whole number from 1 on, got 0"),
        ({"window": 4, "halo": -1}, "`halo` must be a whole number from 0 on, got -1; it is the"),
        ({"window": 4, "halo": 1, "multiple": 0}, "`multiple` must be a whole number from 1"),
        ({"window": 4, "halo": 1, "scale": 0}, "`scale` must be a whole number from 1 on, got 0"),
        ({"window": 6, "halo": 3}, "`window` must be .* at least 7 .* halos of 3 pixels, got 6"),
        ({"window": 10, "halo": 2, "multiple": 4}, "a multiple of `multiple` = 4, and at least 8"),
        (
            {"window": 4, "halo": 1, "scale": 2},
            r"`apply` must return \[1, 8, 8, k\] for images \(1, 4, 4, 2\), got \(1, 4, 4, 2\)",
        ),
    ],
)
def test_windows_that_do_not_fit_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        apply_in_windows(lambda piece: piece, photo(6, 7, 2), **sizes)
