"""`jaxvision filter`: a picture through a classic kernel."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array, Float

USED = {
    "box": ("size",),
    "binomial": ("size",),
    "gaussian": ("size", "sigma"),
    "laplacian4": ("amount",),
    "laplacian8": ("amount",),
    "sobel": ("amount",),
    "sobel_x": ("amount",),
    "sobel_y": ("amount",),
    "sharpen": ("amount",),
    "unsharp": ("size", "sigma", "amount"),
}
"""The options that each kernel has a use for."""

SMOOTH = ("box", "binomial", "gaussian")
LARGEST_AMOUNT = 1000
LARGEST_GRADIENT = 20**0.5  # of Sobel's kernels, on pixels between 0 and 1


def filter_image(
    image: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="IMAGE")],
    *,
    kernel: Literal[
        "box",
        "binomial",
        "gaussian",
        "laplacian4",
        "laplacian8",
        "sobel",
        "sobel_x",
        "sobel_y",
        "sharpen",
        "unsharp",
    ],
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="PATH")] = None,
    size: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
    sigma: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None,
    amount: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None,
    force: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Filter a picture by a classic kernel: smooth it, sharpen it, or show its edges.

    Each channel by itself; beyond the border its outermost pixels are repeated. sobel is the
    gradient's length, black where there is none. sobel_x, sobel_y and the Laplacians are above and
    below zero: zero is grey, and white and black are the most there can be, which with --amount
    they are sooner. What is brighter than white, or darker than black, is cut off, and counted.

    Args:
        image: A picture of any size and kind.
        kernel: box, binomial: --size; gaussian: --size, --sigma; unsharp: all; others: --amount.
        out: The picture to write, .png, .jpg or .webp; by default named after IMAGE and the kernel.
        size: Pixels a side, an odd number; by default 3, or all within 4 --sigma.
        sigma: Standard deviation of the Gaussian in pixels; by default 1.
        amount: How much sharper, or how many times the contrast of edges; by default 1.
        force: Replace OUT if it exists.
    """
    given = {"size": size, "sigma": sigma, "amount": amount}
    _check_options(kernel, {name: value for name, value in given.items() if value is not None})
    sigma, amount = 1.0 if sigma is None else sigma, 1.0 if amount is None else amount

    import numpy as np

    from jaxvision.style.files import FORMATS, check_free, free_name, load_picture, save_picture

    out = free_name(Path(f"{image.stem}-{kernel}.png")) if out is None else out
    if out.suffix.lower() not in FORMATS:
        raise ValueError(f"`--out` must end in {', '.join(FORMATS)}, got {out}")
    check_free(out, [image], force=force)
    picture = load_picture(image)
    if (picture == picture[:, :, :1]).all():
        picture = picture[:, :, :1]  # grey stays grey
    filtered = _filtered(picture, kernel, size, sigma, amount)
    levels = np.rint(255 * filtered)
    outside = np.mean((levels < 0) | (levels > 255))
    save_picture(out, np.clip(filtered, 0, 1))
    (h, w, _) = picture.shape
    clipped = "" if kernel in SMOOTH else f", {100 * outside:.1f} % of the values cut off"
    print(f"{image} -> {out}  ({w} x {h} pixels{clipped})")


def _check_options(kernel: str, given: dict[str, int | float]) -> None:
    unused = [name for name in given if name not in USED[kernel]]
    if unused:
        users = ", ".join(name for name, used in USED.items() if unused[0] in used)
        raise ValueError(
            f"`--{unused[0]}` has no use with `--kernel {kernel}`, but with {users}: leave it out"
        )
    size, sigma, amount = (given.get(name, 1) for name in ("size", "sigma", "amount"))
    if size < 1 or size % 2 == 0:
        raise ValueError(
            f"`--size` must be an odd number from 1 on, got {size}: an even one would move the "
            "picture by half a pixel"
        )
    if not 0 < sigma < float("inf"):
        raise ValueError(f"`--sigma` must be above 0, got {sigma}")
    if not 0 <= amount <= LARGEST_AMOUNT:
        raise ValueError(
            f"`--amount` must be in [0, {LARGEST_AMOUNT}], got {amount}: with 1000 nearly all is "
            "black or white already"
        )


def _filtered(
    picture: "Float[np.ndarray, 'h w c']",
    kernel: str,
    size: int | None,
    sigma: float,
    amount: float,
) -> "Float[np.ndarray, 'h w c']":
    """The picture through the kernel, as it is shown, where that is within [0, 1]."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jaxvision.ops import filters, kernels

    window = None
    if kernel in (*SMOOTH, "unsharp"):
        window = _window(kernel, size, sigma, longest=max(picture.shape[:2]))

    def signed(images: "Array", weights: "Array") -> "Array":
        # The weights sum to 0: between -largest and largest for pixels between 0 and 1.
        largest = jnp.maximum(weights, 0).sum()
        return 0.5 + amount * filters.filter_image(images, weights) / (2 * largest)

    through = {
        **dict.fromkeys(SMOOTH, lambda x: filters.filter_separable(x, window, window)),
        "laplacian4": lambda x: signed(x, kernels.laplacian(4)),
        "laplacian8": lambda x: signed(x, kernels.laplacian(8)),
        "sobel": lambda x: amount * filters.gradient_magnitude(x) / LARGEST_GRADIENT,
        "sobel_x": lambda x: signed(x, kernels.sobel_x()),
        "sobel_y": lambda x: signed(x, kernels.sobel_y()),
        "sharpen": lambda x: filters.filter_image(x, kernels.sharpen(amount)),
        "unsharp": lambda x: filters.unsharp_mask(x, window, amount),
    }[kernel]
    return np.asarray(jax.jit(through)(jnp.asarray(picture)[None])[0])


def _window(kernel: str, size: int | None, sigma: float, longest: int) -> "Array":
    """The weights of a blur along one axis."""
    from jaxvision.ops import kernels

    wide = kernel in ("gaussian", "unsharp")
    if size is None:
        # A sigma beyond the picture is refused below: 4 of it make too large a window already.
        size = kernels.gaussian_size(min(sigma, longest)) if wide else 3
    if size > 2 * longest + 1:
        raise ValueError(
            f"`--size`, of a Gaussian 8 `--sigma`, must be at most {2 * longest + 1} for a picture "
            f"with a side of {longest}, got {size}: choose a smaller one"
        )
    return kernels.gaussian(sigma, size) if wide else getattr(kernels, kernel)(size)
