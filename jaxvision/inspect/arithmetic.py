"""The arithmetic of convolutions: how large the output, what it stores, costs and sees.

Along one axis, with n pixels in, window k, dilation d, stride s and p pixels of padding in all
(Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016,
https://arxiv.org/abs/1603.07285, relationships 6 and 15):

    pixels out         floor((n + p - (d (k - 1) + 1)) / s) + 1
    parameters         (k1 k2 inputs / groups + 1) outputs
    receptive field    1 + sum_l (k_l - 1) s_1 ... s_{l-1}

A multiply-accumulate (MAC) is one multiplication and the addition of its product. These are the
formulas of one layer; `summarize` reads a whole network off its program.
"""

import math
from collections.abc import Sequence
from typing import Literal

Padding = Literal["valid", "same", "full"] | int | tuple[int, int]
Window = int | tuple[int, int]


def conv_output_size(
    size: int, kernel: int, *, stride: int = 1, dilation: int = 1, padding: Padding = "valid"
) -> int:
    """Pixels along one axis of a convolution's output.

    >>> conv_output_size(224, 7, stride=2, padding=3)  # the first of ResNet-50
    112

    Args:
        size: pixels of the input along this axis.
        kernel: pixels of the window.
        stride: pixels from one window to the next.
        dilation: distance between the pixels that a window takes.
        padding: "valid", only windows inside the input; "same", as many as give ceil(size /
            stride); "full", every window that touches a pixel; pixels on both sides; or (before,
            after).

    Raises:
        ValueError: if an argument is not positive (`padding`: negative), `padding` is a word that
            is not one of the three, or no window fits.
    """
    for name, value in {
        "size": size,
        "kernel": kernel,
        "stride": stride,
        "dilation": dilation,
    }.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, got {value}: it counts pixels.")
    extent = dilation * (kernel - 1) + 1
    if padding == "same":
        return -(-size // stride)
    padded = size + sum(_both_sides(padding, extent))
    if padded < extent:
        raise ValueError(
            f"`size` must leave room for a window of {extent} pixels, got {size} and "
            f"{padded - size} of padding: enlarge the image, or pad it."
        )
    return (padded - extent) // stride + 1


def pool_output_size(
    size: int, window: int, *, stride: int | None = None, padding: Padding = "valid"
) -> int:
    """Pixels along one axis of a pool's output: windows side by side unless a stride is given.

    >>> pool_output_size(28, 2)
    14

    Args:
        size: pixels of the input along that axis.
        window: of the pool.
        stride: from one window to the next; by default `window`.
        padding: as for a convolution.
    """
    return conv_output_size(
        size, window, stride=window if stride is None else stride, padding=padding
    )


def conv_parameters(
    kernel: Window, inputs: int, outputs: int, *, groups: int = 1, bias: bool = True
) -> int:
    """Weights and biases of a convolution: (k1 k2 inputs / groups + 1) outputs.

    Three 3x3 layers see as much as one 7x7, and with 16 channels throughout they store 3 * (3 * 3
    * 16 + 1) * 16 = 6,960 numbers against (7 * 7 * 16 + 1) * 16 = 12,560. The ratio of 27 to 49
    holds for the weights alone.

    >>> 3 * conv_parameters(3, 16, 16), conv_parameters(7, 16, 16)
    (6960, 12560)

    Args:
        kernel: pixels a side, or (rows, columns).
        inputs: channels in.
        outputs: channels out.
        groups: parts of the channels that do not see each other.
        bias: whether each output has one.

    Raises:
        ValueError: if `groups` does not divide `inputs` and `outputs`.
    """
    return (
        math.prod(_sides(kernel)) * _inputs_of_a_group(inputs, outputs, groups) + bias
    ) * outputs


def conv_macs(
    output_size: Window, kernel: Window, inputs: int, outputs: int, *, groups: int = 1
) -> int:
    """Multiply-accumulates of a convolution, those with the padding's zeros included.

    Every output pixel of every channel is a sum of k1 k2 inputs / groups products; the bias is an
    addition and counts nothing.

    Args:
        output_size: pixels a side of the output, or (rows, columns).
        kernel: pixels a side, or (rows, columns).
        inputs: channels in.
        outputs: channels out.
        groups: parts of the channels that do not see each other.

    Raises:
        ValueError: if `groups` does not divide `inputs` and `outputs`.
    """
    weights = conv_parameters(kernel, inputs, outputs, groups=groups, bias=False)
    return math.prod(_sides(output_size)) * weights


def dense_parameters(inputs: int, outputs: int, *, bias: bool = True) -> int:
    """Weights and biases of a dense layer: (inputs + 1) outputs; its MACs are the weights.

    LeNet-5's first convolution stores 156 numbers. A dense layer from the same 32 x 32 pixels to
    the same 28 x 28 x 6 units stores 4,821,600 of them: 4.8 million, where the course's slide says
    4.9 million.

    >>> dense_parameters(32 * 32, 28 * 28 * 6)
    4821600

    Args:
        inputs: numbers that each unit sees.
        outputs: units.
        bias: whether each has one.
    """
    return (inputs + bias) * outputs


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Pixels along one axis that a unit after a chain of layers depends on.

    Args:
        layers: (window, stride) of each convolution or pool, the first one first. A dilated window
            counts from its first to its last pixel: dilation (k - 1) + 1.
    """
    field, step = 1, 1
    for window, stride in layers:
        field += (window - 1) * step
        step *= stride
    return field


def _both_sides(padding: Padding, extent: int) -> tuple[int, int]:
    match padding:
        case "valid":
            return 0, 0
        case "full":
            return extent - 1, extent - 1
        case int() if padding >= 0:
            return padding, padding
        case (int(), int()) if min(padding) >= 0:
            return padding
    raise ValueError(
        '`padding` must be "valid", "same", "full", pixels or (before, after), none of them '
        f"negative, got {padding!r}: crop the input instead of padding it by less than nothing."
    )


def _sides(window: Window) -> tuple[int, int]:
    return (window, window) if isinstance(window, int) else window


def _inputs_of_a_group(inputs: int, outputs: int, groups: int) -> int:
    if inputs % groups or outputs % groups:
        raise ValueError(
            f"`groups` must divide the channels, got {groups} for {inputs} in and {outputs} out: "
            "choose a common divisor of both."
        )
    return inputs // groups
