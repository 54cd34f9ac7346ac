"""Images of any size through a network, piece by piece, with the answer of the whole image.

A pixel of the answer depends on the image's pixels up to a certain distance only, the radius of its
receptive field. So the answer can be put together from those for overlapping pieces, and is that
of the whole image, to rounding, where every piece is given the pixels that its part depends on.
One program is compiled, for all pieces have one size, and memory is that of one piece. The network
must act on each place alone: batch normalization by the batch's statistics, or a global pool, does
not.

overlap_tile        Ronneberger, Fischer & Brox, "U-Net: Convolutional Networks for Biomedical Image
                    Segmentation", MICCAI 2015, Figure 2 and section 3,
                    https://arxiv.org/abs/1505.04597. For valid convolutions, whose answer is
                    smaller than what they see by `margin` pixels on every side:

                        mirrored[i + margin, j + margin] = image[i, j], and mirrored around that
                        answer[tile at (y, x)] = apply(mirrored[y : y + tile + 2 margin, ...])

apply_in_windows    For padded convolutions, whose answer has the image's size. Windows lie inside
                    of the image, so that the padding stands where it would for the whole image;
                    where a window ends within the image, its padding makes the answer wrong up to
                    `halo` pixels from there, and these are taken from its neighbour.

A network that pools says the same of a moved image only if it moves by a multiple of the product of
its strides: pieces begin on such multiples.
"""

from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.hyperparameters import require_whole

Image = Float[Array, "h w c"] | Float[np.ndarray, "h w c"]
Apply = Callable[[Float[Array, "1 hw ww c"]], Array]


def overlap_tile(
    apply: Apply, image: Image, tile: int, margin: int, multiple: int = 1
) -> Float[np.ndarray, "h w k"]:
    """The answer of a network of valid convolutions for every pixel of an image.

    It equals that for the whole image, mirrored at its borders by `margin` pixels (and further to
    the right and below, up to where the last tile ends), if `multiple` is the network's stride.

    Args:
        apply: from [1, tile + 2 margin, tile + 2 margin, c] to [1, tile, tile, k]. It is called
            once for each tile; compile it.
        image: of any size.
        tile: pixels a side that one call gives an answer for.
        margin: pixels that it loses on every side: 92 for the paper's network.
        multiple: the product of the network's strides: 16 for the paper's network, whose tiles of
            388 pixels then begin at 0, 384, 768, ....

    Raises:
        ValueError: if a number is out of range, or an answer is not [1, tile, tile, k].
    """
    require_whole("tile", tile, low=1)
    require_whole("margin", margin, low=0, remedy="half of what the network takes off a side")
    require_whole("multiple", multiple, low=1, remedy="it is the product of the strides")
    step = tile // multiple * multiple
    if not step:
        raise ValueError(
            f"`tile` must be at least `multiple` = {multiple}, got {tile}: tiles begin on its "
            "multiples and must not leave gaps."
        )
    height, width, _ = image.shape
    # Where the tiles begin; all but the last are used up to where the next begins.
    tops, lefts = range(0, height, step), range(0, width, step)
    ends = tops[-1] + tile, lefts[-1] + tile
    mirrored = _mirrored(
        image,
        *((margin, end - side + margin) for end, side in zip(ends, (height, width), strict=True)),
    )
    answer, seen = None, tile + 2 * margin
    for top in tops:
        for left in lefts:
            piece = mirrored[top : top + seen, left : left + seen]
            part = _answer(apply, piece, tile, tile)
            if answer is None:
                answer = np.empty((*ends, part.shape[2]), part.dtype)
            answer[top : top + tile, left : left + tile] = part
    return np.ascontiguousarray(answer[:height, :width])


def apply_in_windows(
    apply: Apply, image: Image, window: int, halo: int, multiple: int = 1, scale: int = 1
) -> Float[np.ndarray, "hs ws k"]:
    """The answer of a network of padded convolutions for an image of any size.

    It equals that for the whole image if `halo` is at least the radius of the receptive field and
    `multiple` the network's stride. An image that is no larger than a window goes through whole.
    One whose sides are no multiples of `multiple` is mirrored to the right and below up to the next
    ones, and the answer is cut again.

    Args:
        apply: from [1, h, w, c] to [1, scale h, scale w, k], for sides h and w that are multiples
            of `multiple` and at most `window`. It is called once for each window; compile it.
        image: of any size.
        window: pixels a side, a multiple of `multiple`.
        halo: pixels at a window's border inside of the image whose answer is not used.
        multiple: the product of the network's strides: 2^depth for a U-Net.
        scale: how many times larger the answer is than the image.

    Returns:
        the answer [scale h, scale w, k].

    Raises:
        ValueError: if a number is out of range, `window` is no multiple of `multiple` or leaves
            nothing between its halos, or an answer is not of `scale` times the window's size.
    """
    require_whole("window", window, low=1)
    require_whole("halo", halo, low=0, remedy="it is the radius of the receptive field")
    require_whole("multiple", multiple, low=1, remedy="it is the product of the strides")
    require_whole("scale", scale, low=1, remedy="it is the answer's side by the image's")
    if window % multiple or window < 2 * halo + multiple:
        smallest = -(-(2 * halo + multiple) // multiple) * multiple
        raise ValueError(
            f"`window` must be a multiple of `multiple` = {multiple}, and at least {smallest} so "
            f"that something is left between halos of {halo} pixels, got {window}."
        )
    height, width, _ = image.shape
    below, right = -height % multiple, -width % multiple
    mirrored = _mirrored(image, (0, below), (0, right))
    hw, ww = min(window, height + below), min(window, width + right)
    answer = None
    for top, rows in _windows(height + below, hw, halo, multiple):
        for left, columns in _windows(width + right, ww, halo, multiple):
            piece = mirrored[top : top + hw, left : left + ww]
            part = _answer(apply, piece, scale * hw, scale * ww)
            if answer is None:
                sides = scale * (height + below), scale * (width + right)
                answer = np.empty((*sides, part.shape[2]), part.dtype)
            answer[_scaled(rows, 0, scale), _scaled(columns, 0, scale)] = part[
                _scaled(rows, top, scale), _scaled(columns, left, scale)
            ]
    return np.ascontiguousarray(answer[: scale * height, : scale * width])


def _windows(side: int, window: int, halo: int, multiple: int) -> Iterator[tuple[int, slice]]:
    """Where the windows along a side begin, and which of its pixels each has the answer for."""
    step = (window - 2 * halo) // multiple * multiple
    starts = [*range(0, side - window, step), side - window] if side > window else [0]
    # From a halo behind where the window begins up to a halo behind where the next one does.
    inner = [start + halo for start in starts[1:]]
    for start, first, end in zip(starts, [0, *inner], [*inner, side], strict=True):
        yield start, slice(first, end)


def _scaled(pixels: slice, origin: int, scale: int) -> slice:
    return slice(scale * (pixels.start - origin), scale * (pixels.stop - origin))


def _mirrored(image: Image, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """Mirrored at its outermost pixels, which are not repeated; to and fro if it is small."""
    return np.pad(np.asarray(image), (rows, columns, (0, 0)), mode="reflect")


def _answer(apply: Apply, piece: np.ndarray, height: int, width: int) -> np.ndarray:
    part = apply(jnp.asarray(piece)[None])
    if part.ndim != 4 or part.shape[:3] != (1, height, width):
        raise ValueError(
            f"`apply` must return [1, {height}, {width}, k] for images {(1, *piece.shape)}, got "
            f"{part.shape}: see what sizes the network takes, and give the sizes that fit it."
        )
    return np.asarray(part[0])
