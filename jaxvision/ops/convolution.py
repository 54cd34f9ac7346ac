"""Convolution and correlation as they are defined, in one and two dimensions, with channels.

Goodfellow, Bengio & Courville, "Deep Learning", MIT Press 2016, sections 9.1 and 9.5: equation 9.5
is the convolution, 9.6 the correlation, 9.8 has channels and a stride. Along each axis, with stride
s, dilation d, and x 0 outside of its range,

    correlate   z[i, m] = sum_{k, c} kernel[k, c, m] x[s i + d k - before, c] + bias[m]
    convolve    z[i, m] = sum_{k, c} kernel[k, c, m] x[s i - d k + after, c] + bias[m]

`convolve` runs through the kernel backwards: it is `correlate` with the kernel reversed along every
axis of space (not of channels). Deep learning calls `correlate` a convolution; where the kernel is
learned the two differ in nothing but its orientation. What the reversal buys is algebra:
convolution commutes and associates, correlation does neither.

The mode says how far the kernel, of extent K = d (k - 1) + 1, may reach over the ends of x [n]:

    mode     before         after          z, without a stride
    valid    0              0 or K - 1     n - K + 1      all of the kernel lies on x
    same     (K - 1) // 2   K // 2         n              as many as x has
    full     K - 1          K - 1 or 0     n + K - 1      some of the kernel lies on x

Before and after are the zeros that x gets at its two ends, but for `after` in the equation of
`convolve`, which is K - 1 - before: K - 1, K // 2 and 0. In the mode same, a kernel of an even
extent needs one zero more at one end: here that is the right, and the bottom. SciPy and NumPy
take the left and the top; theirs is ours of both arguments reversed, reversed. A stride of s keeps
every s-th output from the first; libraries that lay their zeros by the stride (TensorFlow's SAME)
begin elsewhere.

These are the definitions, for one's own eyes and for checks: sums are in full precision on every
device. The networks' convolution, which is `correlate` again, is in `jaxvision.ops.conv2d`.
"""

from typing import Literal, TypeAlias

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Mode: TypeAlias = Literal["valid", "same", "full"]
PerAxis: TypeAlias = int | tuple[int, ...]
"""A number for all axes of space, or one for each."""

Signal: TypeAlias = (
    Float[Array, " n"] | Float[Array, "h w"] | Float[Array, "b n c"] | Float[Array, "b h w c"]
)
Kernel: TypeAlias = (
    Float[Array, " k"]
    | Float[Array, "kh kw"]
    | Float[Array, "k c_group m"]
    | Float[Array, "kh kw c_group m"]
)
Output: TypeAlias = (
    Float[Array, " ns"] | Float[Array, "hs ws"] | Float[Array, "b ns m"] | Float[Array, "b hs ws m"]
)

AXES = {1: ("NHC", "HIO", "NHC"), 2: ("NHWC", "HWIO", "NHWC")}
SPACE = {1: 1, 2: 2, 3: 1, 4: 2}  # rank -> axes of space


def correlate(
    x: Signal,
    kernel: Kernel,
    bias: Float[Array, " m"] | None = None,
    *,
    mode: Mode = "valid",
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Output:
    """Lays the kernel on x as it is, everywhere: what deep learning calls a convolution.

    Args:
        x: a signal [n] or an image [h, w]; or a batch with channels, [b, n, c] or [b, h, w, c].
        kernel: of the same rank and dtype: [k] or [kh, kw]; or [k, c / groups, m] or
            [kh, kw, c / groups, m].
        bias: added to each of m output channels.
        mode: where the kernel may lie; the module says what each means.
        stride: distance between two outputs, in elements of x.
        dilation: distance between two elements of the kernel, in elements of x.
        groups: equal parts of the channels that do not see each other.

    Raises:
        ValueError: if an argument is out of range, shapes do not fit, or the mode is "valid" and
            the kernel reaches over x.
    """
    space, strides, dilations = check_arguments(x, kernel, mode, stride, dilation, groups)
    plain = x.ndim == space
    if bias is not None and (plain or bias.shape != kernel.shape[-1:]):
        rule = "be None without channels" if plain else f"have {kernel.shape[-1]} elements"
        raise ValueError(f"`bias` must {rule}, got shape {list(bias.shape)}: one an output channel")
    if plain:
        x, kernel = x[None, ..., None], kernel[..., None, None]
    z = lax.conv_general_dilated(
        x,
        kernel,
        strides,
        zeros_of(mode, kernel.shape[:space], dilations),
        rhs_dilation=dilations,
        dimension_numbers=AXES[space],
        feature_group_count=groups,
        precision=lax.Precision.HIGHEST,
    )
    if bias is not None:
        z = z + jnp.expand_dims(bias, range(z.ndim - 1))
    return z[0, ..., 0] if plain else z


def convolve(
    x: Signal,
    kernel: Kernel,
    bias: Float[Array, " m"] | None = None,
    *,
    mode: Mode = "valid",
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Output:
    """Convolves, as mathematics has it: `correlate` with the kernel reversed.

    >>> print(convolve(jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 10.0]), mode="full"))
    [ 1. 12. 23. 30.]

    Arguments and errors are those of `correlate`.
    """
    settings = {"mode": mode, "stride": stride, "dilation": dilation, "groups": groups}
    return correlate(x, reverse(kernel), bias, **settings)


def reverse(kernel: Kernel) -> Kernel:
    """The kernel, or a signal without channels, with every axis of space running backwards."""
    return jnp.flip(kernel, axis=range(SPACE[kernel.ndim]))


def zeros_of(
    mode: Mode, window: tuple[int, ...], dilations: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis: the zeros that a mode lays at the ends of x.

    Args:
        mode: as for `correlate`.
        window: elements of the kernel along each axis.
        dilations: distance between them on x.

    Raises:
        ValueError: if there is no such mode.
    """
    reaches = [d * (k - 1) for k, d in zip(window, dilations, strict=True)]
    pairs = {
        "valid": [(0, 0) for _ in reaches],
        "same": [(reach // 2, reach - reach // 2) for reach in reaches],
        "full": [(reach, reach) for reach in reaches],
    }
    if mode not in pairs:
        raise ValueError(f"`mode` must be valid, same or full, got {mode!r}.")
    return tuple(pairs[mode])


def check_arguments(
    x: Signal, kernel: Kernel, mode: Mode, stride: PerAxis, dilation: PerAxis, groups: int
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Returns (axes of space, strides, dilations); the arguments are those of `correlate`.

    Raises:
        ValueError: as `correlate` promises.
    """
    if x.ndim != kernel.ndim or x.ndim not in SPACE:
        raise ValueError(
            "`x` and `kernel` must be of one rank from 1 to 4, got shapes "
            f"{list(x.shape)} and {list(kernel.shape)}: [n] with [k], [h, w] with [kh, kw], "
            "[b, n, c] with [k, c, m], [b, h, w, c] with [kh, kw, c, m]."
        )
    space = SPACE[x.ndim]
    strides, dilations = per_axis("stride", stride, space), per_axis("dilation", dilation, space)
    window = kernel.shape[:space]
    if 0 in window:
        raise ValueError(f"`kernel` must have an element along each axis, got shape {window}.")
    plain = x.ndim == space
    if groups < 1 or (plain and groups != 1):
        rule = "1 without channels" if plain else "at least 1"
        raise ValueError(f"`groups` must be {rule}, got {groups}.")
    if not plain:
        c, c_group, m = x.shape[-1], *kernel.shape[space:]
        if c_group * groups != c or m % groups:
            raise ValueError(
                f"`kernel` must see c / groups = {c} / {groups} channels and make a multiple of "
                f"{groups}, got {c_group} and {m}: its shape ends in [c / groups, m]."
            )
    sides = x.shape if plain else x.shape[1:-1]
    extents = tuple(d * (k - 1) + 1 for k, d in zip(window, dilations, strict=True))
    if mode == "valid" and any(map(int.__gt__, extents, sides)):
        raise ValueError(
            f"`x` must be as large as the kernel for the mode valid, got {list(sides)} for a "
            f"kernel that extends over {list(extents)}: use the mode same or full."
        )
    return space, strides, dilations


def per_axis(name: str, value: PerAxis, space: int) -> tuple[int, ...]:
    """The value for each axis of space, of which there are `space`; `name` is for the message.

    Raises:
        ValueError: if it is below 1, or there are not as many as axes.
    """
    values = (value,) * space if isinstance(value, int) else tuple(value)
    if len(values) != space or min(values) < 1:
        raise ValueError(
            f"`{name}` must be at least 1, one number or one for each of {space} axes, got {value}."
        )
    return values
