"""How much of its receptive field a unit really uses: a Gaussian in the middle of it.

Luo, Li, Urtasun & Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural
Networks", NIPS 2016, sections 2.1 and 4, https://arxiv.org/abs/1701.04128. A pixel's share is how
much the unit y in the middle of a feature changes with it,

    E[i, j] = mean over images of sum_c |d (sum_k y_k) / d image[i, j, c]|,    scaled to sum E = 1

with k the feature's channels. The receptive field of n equal layers grows with n, and what is used
of it with sqrt(n).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.patches import Rectangle

from jaxvision.inspect.features import Feature
from jaxvision.inspect.picture import COLORS, Picture, house_style, shorten
from jaxvision.inspect.pictures.network import Network, run, spatial_feature_of

SHARE = 0.95  # of the whole that the square in the figure holds
SIDE = 3.6  # inches


def effective_receptive_field(
    network: Network, feature: str, images: Float[Array, "b h w c"]
) -> Float[Array, "h w"]:
    """The share of each pixel in what the middle of a feature is.

    Args:
        network: images -> (logits, features).
        feature: its name.
        images: to average over; the paper takes noise as well as photographs.

    Raises:
        ValueError: if there is no such feature, it has no rows and columns, or its middle does not
            depend on the images, as behind ReLUs that are all off.
    """

    @jax.jit
    def compute(images):
        def middle(images):
            value = spatial_feature_of(run(network, images)[1], feature)
            _, rows, columns, _ = value.shape
            return value[:, rows // 2, columns // 2].sum()

        field = jnp.abs(jax.grad(middle)(images)).sum(axis=-1).mean(axis=0)
        return field / field.sum()

    found = compute(images)
    if not isinstance(found, jax.core.Tracer) and not np.isfinite(found).all():
        raise ValueError(
            f"`feature` must depend on the images in its middle, and {feature!r} has no gradient "
            "there: take other images, or a feature before its ReLUs go off."
        )
    return found


def central_side(field: Float[np.ndarray, "h w"], place: tuple[int, int], share: float) -> int:
    """Pixels a side of the smallest square around `place` that holds the `share` of a field."""
    away = np.maximum(*(abs(i - at) for i, at in zip(np.indices(field.shape), place, strict=True)))
    held = np.cumsum(np.bincount(away.ravel(), field.ravel()))
    return 2 * int(np.searchsorted(held, share * held[-1] * (1 - 1e-9))) + 1


@house_style
def plot_effective_field(field: Float[np.ndarray, "h w"], theory: Feature) -> Picture:
    """Draws an effective receptive field, with a frame around the whole receptive field.

    A second frame is around the smallest square that has 95 % of it.

    Args:
        field: of `effective_receptive_field`.
        theory: the same feature, one of `summarize(...).features` for images of that size.
    """
    h, w = field.shape
    middle = [theory.shape[1] // 2, theory.shape[2] // 2]
    sizes = [
        side if size is None else size
        for side, size in zip((h, w), theory.receptive_field, strict=True)
    ]
    starts = [
        0 if offset is None or stride is None else int(offset + unit * stride)
        for unit, stride, offset in zip(middle, theory.stride, theory.offset, strict=True)
    ]
    place = tuple(
        min(start + size // 2, side - 1)
        for start, size, side in zip(starts, sizes, (h, w), strict=True)
    )
    used = central_side(field, place, SHARE)
    wide, high = (SIDE * side / max(h, w) for side in (w, h))
    figure = Picture(figsize=(max(wide, 3.6) + 0.2, high + 0.95))
    axes = figure.place(0.1, 0.1, wide, high)
    axes.imshow(
        field / field.max(), cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto"
    )
    axes.set(xticks=[], yticks=[], xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5))
    for name, color, (top, left), (rows, columns) in (
        (f"{100 * SHARE:.0f} % of it", COLORS[5], [at - used // 2 for at in place], (used, used)),
        ("receptive field", COLORS[4], starts, sizes),
    ):
        label = f"{name}: {rows} x {columns} pixels"
        axes.add_patch(
            Rectangle(
                (left - 0.5, top - 0.5), columns, rows, fill=False, ec=color, lw=2, label=label
            )
        )
    figure.text(
        0.1 / figure.get_figwidth(),
        1 - 0.17 / figure.get_figheight(),
        shorten(theory.name, 36),
        size=12,
        va="center",
    )
    figure.legend(
        *axes.get_legend_handles_labels(), loc="upper left", frameon=False, labelspacing=0.2,
        bbox_to_anchor=(0, 1 - 0.27 / figure.get_figheight()), borderaxespad=0.1, handlelength=1.2,
    )  # fmt: skip
    return figure
