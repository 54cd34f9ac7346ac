"""The affine map by hand, against SciPy and torchvision, and by what holds for every map."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.resampling import (
    affine_matrix,
    affine_points,
    affine_resample,
    affine_resample_nearest,
)

BLACK = jnp.zeros(3)


def matrix(x=0.0, y=0.0, scale=1.0, rotation=0.0, shear=0.0):
    return affine_matrix(
        jnp.array([x, y], jnp.float32), *jnp.array([scale, rotation, shear], jnp.float32)
    )


def random_image(height=9, width=7, channels=3, seed=0):
    pixels = np.random.default_rng(seed).uniform(0, 255, (height, width, channels))
    return jnp.asarray(pixels, jnp.float32)


def waves(side, channels=3):
    """A smooth image: half a period across, so that linear interpolation is nearly exact."""
    y, x = np.mgrid[:side, :side] / side
    planes = [100 + 50 * np.sin(3 * x + k) + 40 * np.cos(2 * y - k) for k in range(channels)]
    return jnp.asarray(np.stack(planes, axis=-1), jnp.float32)


def sources(matrix, height, width):
    """Where each pixel comes from, in double precision and by a general inverse: SciPy's terms."""
    m = np.asarray(matrix, np.float64)
    swapped = m[::-1, [1, 0]]  # rows before columns
    inverse = np.linalg.inv(swapped)
    middle = np.array([height - 1, width - 1]) / 2
    return inverse, middle - inverse @ (middle + m[::-1, 2])


def by_scipy(image, matrix, mode, order=1, cval=0.0):
    inverse, offset = sources(matrix, *image.shape[:2])
    planes = np.moveaxis(np.asarray(image, np.float64), -1, 0)
    moved = [
        scipy.ndimage.affine_transform(plane, inverse, offset, order=order, mode=mode, cval=cval)
        for plane in planes
    ]
    return np.stack(moved, axis=-1)


def test_half_a_pixel_by_hand():
    image = jnp.array([0.0, 10.0, 30.0]).reshape(1, 3, 1)
    moved = affine_resample(image, matrix(x=0.5), jnp.array([100.0]))
    np.testing.assert_array_equal(moved.ravel(), [50, 5, 20])
    moved = affine_resample(image, matrix(x=0.5), "edge")
    np.testing.assert_array_equal(moved.ravel(), [0, 5, 20])
    moved = affine_resample(image, matrix(x=-0.25), "edge")
    np.testing.assert_array_equal(moved.ravel(), [2.5, 15, 30])


def test_a_matrix_by_hand():
    # tan 45 = 1 to the last bit but one; 90 degrees are exact.
    np.testing.assert_allclose(
        matrix(x=3, y=4, scale=2, rotation=90, shear=45), [[0, -2, 3], [2, -2, 4]], atol=1e-6
    )
    np.testing.assert_array_equal(matrix(rotation=-90, scale=0.5), [[0, 0.5, 0], [-0.5, 0, 0]])


def test_a_rotation_is_that_of_numpy_at_any_angle():
    degrees = np.arange(-400, 400, 7.25)
    one, none = jnp.float32(1), jnp.float32(0)
    rotate = jax.vmap(lambda angle: affine_matrix(jnp.zeros(2), one, angle, none)[:, :2])
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    expected = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=1)
    np.testing.assert_allclose(rotate(jnp.asarray(degrees, jnp.float32)), expected, atol=3e-7)


def test_a_point_by_hand():
    # The middle of 6 x 4 is (3, 2); (5, 2) is 2 to its right, and after a quarter turn 2 below it.
    points = affine_points(jnp.array([[5.0, 2.0], [3.0, 2.0]]), matrix(1, 0, 1, 90), 4, 6)
    np.testing.assert_array_equal(points, [[4, 4], [4, 2]])


@pytest.mark.parametrize("fill", ["edge", BLACK + 7])
@pytest.mark.parametrize("shape", [(9, 7, 3), (8, 8, 1), (1, 5, 2), (5, 1, 2), (1, 1, 1)])
def test_the_identity_is_the_identity_to_the_bit(shape, fill):
    image = random_image(*shape)
    fill = fill if isinstance(fill, str) else fill[: shape[2]].repeat(3)[: shape[2]]
    np.testing.assert_array_equal(affine_resample(image, matrix(), fill), image)
    points = jnp.asarray(np.random.default_rng(0).uniform(0, 99, (50, 2)), jnp.float32)
    np.testing.assert_array_equal(affine_points(points, matrix(), *shape[:2]), points)


@pytest.mark.parametrize("fill", ["edge", BLACK])
@pytest.mark.parametrize("turns", [-3, -1, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("side", [6, 7])
def test_quarter_turns_are_those_of_numpy_to_the_bit(turns, side, fill):
    image = random_image(side, side)
    moved = affine_resample(image, matrix(rotation=90 * turns), fill)
    np.testing.assert_array_equal(moved, np.rot90(image, -turns))
    classes = jnp.arange(side**2, dtype=jnp.int32).reshape(side, side)
    outside = fill if isinstance(fill, str) else jnp.array(0)
    moved = affine_resample_nearest(classes, matrix(rotation=90 * turns), outside)
    np.testing.assert_array_equal(moved, np.rot90(classes, -turns))


@pytest.mark.parametrize(("x", "y"), list(itertools.product((-2, 0, 3), (-9, 1))))
def test_whole_shifts_move_pixels_and_fill_to_the_bit(x, y):
    image, color = random_image(), jnp.array([1.0, 2.5, 255.0])
    classes = jnp.arange(63, dtype=jnp.uint8).reshape(9, 7)
    rows, columns = np.arange(9)[:, None] - y, np.arange(7)[None] - x
    inside = (rows >= 0) & (rows < 9) & (columns >= 0) & (columns < 7)
    found = np.clip(rows, 0, 8), np.clip(columns, 0, 6)
    m = matrix(x, y)
    np.testing.assert_array_equal(affine_resample(image, m, "edge"), image[found])
    np.testing.assert_array_equal(
        affine_resample(image, m, color),
        jnp.where(inside[..., None], image[found], color[None, None]),
    )
    np.testing.assert_array_equal(affine_resample_nearest(classes, m, "edge"), classes[found])
    moved = affine_resample_nearest(classes, m, jnp.array(200))
    np.testing.assert_array_equal(moved, np.where(inside, classes[found], 200))
    assert moved.dtype == jnp.uint8


MAPS = [
    {"x": 1.3, "y": -2.6},
    {"scale": 1.7},
    {"scale": 0.6},
    {"rotation": 31.0},
    {"rotation": -147.0},
    {"shear": 20.0},
    {"x": -2.2, "y": 0.7, "scale": 1.2, "rotation": 200.0, "shear": -35.0},
]


@pytest.mark.parametrize("how", MAPS, ids=str)
def test_equals_scipy(how):
    image, m = random_image(13, 10), matrix(**how)
    # Coordinates near 10 are known to 1e-6 in float32, and neighbours differ by up to 255.
    np.testing.assert_allclose(
        affine_resample(image, m, "edge"), by_scipy(image, m, "nearest"), atol=2e-3
    )
    np.testing.assert_allclose(
        affine_resample(image, m, BLACK + 90),
        by_scipy(image, m, "grid-constant", cval=90.0),
        atol=2e-3,
    )


@pytest.mark.parametrize("how", MAPS, ids=str)
def test_the_nearest_class_equals_scipy(how):
    classes, m = jnp.arange(130, dtype=jnp.int32).reshape(13, 10), matrix(**how)
    for fill, mode in (("edge", "nearest"), (jnp.array(200), "grid-constant")):
        expected = by_scipy(classes[:, :, None], m, mode, order=0, cval=200.0)[:, :, 0]
        np.testing.assert_array_equal(affine_resample_nearest(classes, m, fill), expected)


@pytest.mark.parity
@pytest.mark.parametrize("how", MAPS, ids=str)
def test_equals_torchvision(how, torchvision):
    import torch
    from torchvision.transforms import functional

    image, how = (
        random_image(13, 10),
        {"x": 0.0, "y": 0.0, "scale": 1.0, "rotation": 0.0, "shear": 0.0} | how,
    )
    # torchvision rounds no shift of a tensor, but its signature wants whole pixels.
    shift = [float(round(how["x"])), float(round(how["y"]))]
    theirs = functional.affine(
        torch.tensor(np.asarray(image)).permute(2, 0, 1),
        angle=how["rotation"],
        translate=shift,
        scale=how["scale"],
        shear=[how["shear"], 0.0],
        interpolation=functional.InterpolationMode.BILINEAR,
    ).permute(1, 2, 0)
    ours = affine_resample(image, matrix(**how | {"x": shift[0], "y": shift[1]}), BLACK)
    # torchvision's grid is in units of half an image, in float32.
    np.testing.assert_allclose(ours, theirs, atol=1e-2)


@settings(deadline=None, max_examples=20)
@given(
    x=st.floats(-4, 4),
    y=st.floats(-4, 4),
    scale=st.floats(0.8, 1.25),
    rotation=st.floats(-180, 180),
    shear=st.floats(-20, 20),
)
def test_points_move_as_the_image_does(x, y, scale, rotation, shear):
    # A plane's value is linear, so that interpolation is exact: it tells where a pixel came from.
    m = matrix(x, y, scale, rotation, shear)
    rows, columns = np.mgrid[:33, :33] + 0.5
    places = jnp.asarray(np.stack([columns, rows], axis=-1), jnp.float32)
    came_from = affine_resample(places, m, jnp.array([-1e9] * 2))
    inside = np.asarray((came_from > 0).all(axis=-1))
    assert inside.mean() > 0.3
    moved = affine_points(came_from[inside], m, 33, 33)
    np.testing.assert_allclose(moved, places[inside], atol=2e-4)


def test_there_and_back_is_nearly_the_identity_on_a_smooth_image():
    image = waves(48)
    there = affine_resample(image, matrix(rotation=25), "edge")
    back = affine_resample(there, matrix(rotation=-25), "edge")
    # Linear interpolation errs by h^2/8 f'' = 450 / 48^2 / 8 = 0.024, each way and in each axis.
    np.testing.assert_allclose(back[12:36, 12:36], image[12:36, 12:36], atol=0.1)


def test_a_constant_image_stays_and_its_mass_moves_with_the_scale():
    constant = jnp.full((16, 16, 1), 77.0)
    moved = affine_resample(constant, matrix(0.3, 0.2, 0.7, 40, 10), "edge")
    np.testing.assert_allclose(moved, constant, rtol=3e-7)  # three roundings
    # Shrunk to half, the image covers a quarter of the area.
    small = affine_resample(constant, matrix(scale=0.5), jnp.zeros(1))
    np.testing.assert_allclose(small.sum(), constant.sum() / 4, rtol=1e-5)


def test_jit_and_vmap_change_nothing():
    images = jnp.stack([random_image(seed=i) for i in range(4)])
    ms = jnp.stack([matrix(rotation=10.0 * i, shear=i, x=i / 3) for i in range(4)])
    for fill in ("edge", BLACK + 3):
        together = jax.jit(jax.vmap(lambda i, m, fill=fill: affine_resample(i, m, fill)))(
            images, ms
        )
        for image, m, moved in zip(images, ms, together, strict=True):
            # Fused multiply-adds move a coordinate by an ulp, 5e-7 of a pixel, times 255.
            np.testing.assert_allclose(moved, affine_resample(image, m, fill), atol=1e-3)


def test_gradients_are_those_of_finite_differences():
    image, m = waves(10), matrix(0.3, -0.4, 1.1, 17, 5)
    weights = random_image(10, 10, seed=5) / 255

    def value(image, m, fill):
        return (weights * affine_resample(image, m, fill)).sum()

    _, tangent = jax.jvp(value, (image, m, BLACK), (0 * image + 1, 0 * m, BLACK))
    # Linear in the image: its derivative along 1 is the same of an image of ones.
    np.testing.assert_allclose(tangent, value(jnp.ones_like(image), m, BLACK), rtol=1e-5)
    gradient = jax.grad(value, argnums=1)(image, m, BLACK)
    step = 1e-2
    for i, j in itertools.product(range(2), range(3)):
        ahead, behind = (value(image, m.at[i, j].add(s), BLACK) for s in (step / 10, -step / 10))
        slope = (ahead - behind) / (2 * step / 10)
        # Piecewise linear in the shift: the step crosses pixel borders here and there.
        np.testing.assert_allclose(
            gradient[i, j], slope, rtol=0.05, atol=0.02 * abs(gradient).max()
        )
    np.testing.assert_array_equal(
        jax.grad(lambda i: affine_resample(i, matrix(), "edge").sum())(image), jnp.ones_like(image)
    )


def test_a_matrix_without_an_inverse_gives_nan_and_no_image():
    assert np.isnan(affine_resample(random_image(), jnp.zeros((2, 3)), BLACK)).all()
