"""An image seen through an affine map of the plane: one look-up of four pixels for every pixel.

Coordinates are continuous and count pixels: x to the right, y downwards, pixel i covers [i, i + 1)
and has its centre at i + 1/2. With m = (w/2, h/2), the image's middle, a matrix [M | t] moves what
is seen at p to

    p' = M (p - m) + m + t
       = p + (M - I)(p - m) + t

The second form is the one computed: where M = I and t = 0 it is p, to the last bit. The output at
p' is the input at p, so for each output pixel's centre q

    p = q + (N - I)(q - m) - N t,    N = M^-1

and the value at p is interpolated linearly in x and then in y between the centres of the four
pixels around it (bilinear). Outside are the edge's pixels, repeated, or one colour, into which the
image passes between its last centre and one pixel beyond it (SciPy's "grid-constant", PyTorch's
padding of `grid_sample`).

`resample` is given any p for each output pixel, where pixel i has its centre at i.

It is a sample and no average: an image scaled down to less than half is aliased.
"""

from typing import Literal, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer

Matrix: TypeAlias = Float[Array, "2 3"]


def affine_matrix(
    shift: Float[Array, " 2"],
    scale: Float[Array, ""],
    rotation: Float[Array, ""],
    shear: Float[Array, ""],
) -> Matrix:
    """[M | t] that shears along x, rotates and scales about the image's middle, and then shifts.

        M = scale [ cos r  -sin r ] [ 1  -tan s ]
                  [ sin r   cos r ] [ 0       1 ]

    Those are torchvision's signs: as y points down, a positive rotation is clockwise, and a
    positive shear moves the lower half to the left. Multiples of 90 degrees are exact.

    Args:
        shift: t = (x, y), in pixels.
        scale: above 1 enlarges.
        rotation: r, in degrees.
        shear: s, in degrees, in (-90, 90).
    """
    cos, sin = _cos_sin(rotation)
    tan = jnp.tan(jnp.deg2rad(shear))
    rows = [[cos, -cos * tan - sin], [sin, -sin * tan + cos]]
    linear = scale * jnp.stack([jnp.stack(row) for row in rows])
    return jnp.concatenate([linear, shift[:, None]], axis=1)


def affine_points(
    points: Float[Array, "*n 2"], matrix: Matrix, height: int, width: int
) -> Float[Array, "*n 2"]:
    """Moves points (x, y), in pixels, as `affine_resample` moves an image of `height` x `width`."""
    (a, b, x_shift), (c, d, y_shift) = matrix
    x, y = points[..., 0], points[..., 1]
    right, down = x - width / 2, y - height / 2
    return jnp.stack(
        [
            x + ((a - 1) * right + b * down + x_shift),
            y + (c * right + (d - 1) * down + y_shift),
        ],
        axis=-1,
    )


def affine_resample(
    image: Float[Array, "h w c"], matrix: Matrix, fill: Literal["edge"] | Float[Array, " c"]
) -> Float[Array, "h w c"]:
    """Moves what is seen in an image by `matrix`, interpolating linearly.

    Differentiable in the image, the matrix and the colour. A matrix without an inverse gives NaN.

    Args:
        image: any values.
        matrix: [M | t], from the input to the output (`affine_matrix`).
        fill: what is outside of the image: its edge's pixels, or a colour.
    """
    return resample(image, *_sources(matrix, *image.shape[:2]), fill)


def affine_resample_nearest(
    classes: Integer[Array, "h w"], matrix: Matrix, fill: Literal["edge"] | Integer[Array, ""]
) -> Integer[Array, "h w"]:
    """Moves a segmentation as `affine_resample` an image: each pixel takes the nearest one's class.

    Args:
        classes: a number a pixel.
        matrix: as for `affine_resample`.
        fill: what is outside of the image: its edge's pixels, or a class.
    """
    return resample_nearest(classes, *_sources(matrix, *classes.shape), fill)


def resample(
    image: Float[Array, "h w c"],
    y: Float[Array, "h w"],
    x: Float[Array, "h w"],
    fill: Literal["edge"] | Float[Array, " c"],
) -> Float[Array, "h w c"]:
    """Shows at each output pixel what is seen at a place of its own, interpolating linearly.

    Args:
        image: any values.
        y: the row that each output pixel shows, in which pixel i has its centre at i.
        x: the column, likewise.
        fill: what is outside of the image: its edge's pixels, or a colour.
    """
    h, w, c = image.shape
    row, down = _cell(y, h)
    column, right = _cell(x, w)
    # Pixels as rows of one table: a look-up then copies the c channels that lie side by side.
    table, first = image.reshape(h * w, c), row * w + column
    below, beside = w * (h > 1), int(w > 1)  # an image of one row is its own next row
    # Each is written once: XLA's CPU compiler would look up again what is called for again.
    upper_left, upper_right, lower_left, lower_right = (
        table.at[first + offset].get(mode="promise_in_bounds")
        for offset in (0, beside, below, below + beside)
    )
    # This form, and not a + x (b - a), gives a at x = 0 and b at x = 1 to the bit.
    upper = (1 - right) * upper_left + right * upper_right
    lower = (1 - right) * lower_left + right * lower_right
    inner = (1 - down) * upper + down * lower
    if isinstance(fill, str):
        return inner
    # Beyond the border `inner` is the edge, repeated: what a pixel's distance from it leaves.
    seen = ((1 - _beyond(y, h)) * (1 - _beyond(x, w)))[:, :, None]
    return seen * inner + (1 - seen) * fill.astype(image.dtype)[None, None]


def resample_nearest(
    classes: Integer[Array, "h w"],
    y: Float[Array, "h w"],
    x: Float[Array, "h w"],
    fill: Literal["edge"] | Integer[Array, ""],
) -> Integer[Array, "h w"]:
    """Shows at each pixel the class of the pixel nearest to its place; arguments of `resample`."""
    h, w = classes.shape
    y, x = jnp.floor(y + 0.5), jnp.floor(x + 0.5)
    row, column = jnp.clip(y, 0, h - 1), jnp.clip(x, 0, w - 1)
    nearest = classes[row.astype(jnp.int32), column.astype(jnp.int32)]
    if isinstance(fill, str):
        return nearest
    return jnp.where((y == row) & (x == column), nearest, fill.astype(classes.dtype))


def _cos_sin(degrees: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    # Quarter turns are taken apart: 90 degrees in radians is no number of float32, and its cosine
    # would not be 0.
    quarters = jnp.round(degrees / 90)
    angle = jnp.deg2rad(degrees - 90 * quarters)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turn = quarters.astype(jnp.int32) % 4
    return jnp.stack([cos, -sin, -cos, sin])[turn], jnp.stack([sin, cos, -sin, -cos])[turn]


def _sources(matrix: Matrix, height: int, width: int) -> tuple[Array, Array]:
    """For each output pixel the row and the column, [h, w] each and no whole numbers, it shows."""
    (a, b, x_shift), (c, d, y_shift) = matrix
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    row = jnp.arange(height, dtype=jnp.float32)[:, None]
    column = jnp.arange(width, dtype=jnp.float32)[None, :]
    down, right = row - (height - 1) / 2, column - (width - 1) / 2  # q - m
    return (
        row + (c * right + (d - 1) * down - (c * x_shift + d * y_shift)),
        column + ((a - 1) * right + b * down - (a * x_shift + b * y_shift)),
    )


def _cell(source: Float[Array, "h w"], size: int) -> tuple[Int[Array, "h w"], Array]:
    """The pixel before `source`, and how far behind it `source` is, [h, w, 1]."""
    source = jnp.clip(source, 0, size - 1)
    before = jnp.minimum(jnp.floor(source), max(size - 2, 0))
    return before.astype(jnp.int32), (source - before)[:, :, None]


def _beyond(source: Float[Array, "h w"], size: int) -> Float[Array, "h w"]:
    """How far outside of the image's outermost centres `source` is, at most 1."""
    return jnp.clip(jnp.maximum(-source, source - (size - 1)), 0, 1)
