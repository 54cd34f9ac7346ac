"""Many numbers an image, shown as a point on a plane: what is alike is meant to be close.

    PCA     x - mean = U diag(s) V^T by singular values; coordinates U diag(s) of the largest

(Pearson, 1901; Hotelling, 1933.) A projection: distances on the plane are never larger than true
ones, and `shares`, s_i^2 / sum s^2, says how much of the squared distances is left. The sign of a
direction is no property of the data: it is chosen so that the largest entry of V is positive.

    t-SNE   van der Maaten & Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008

moves the points until their neighbours are those in the many dimensions (scikit-learn's, by
Barnes-Hut). Distances between clusters, their sizes and the axes mean nothing.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer, UInt8

from jaxvision.hyperparameters import Scalar, require, require_whole
from jaxvision.inspect.picture import COLORS, Picture, house_style, shorten, text_width
from jaxvision.inspect.pictures.labelled_points import check_points

MARKERS = "os^Dv"  # with the colours, one for each of 40 classes
SIDE = 5.0  # inches


def embed_pca(
    features: Float[np.ndarray, "n d"], dimensions: int = 2
) -> tuple[Float[np.ndarray, "n dimensions"], Float[np.ndarray, " dimensions"]]:
    """The coordinates along the directions in which the features vary most.

    Args:
        features: a row an image: pixels, or what a layer returns, flattened.
        dimensions: how many directions, at most min(n - 1, d).

    Returns:
        the coordinates, and the share of the variance along each direction, in falling order.

    Raises:
        ValueError: if a feature is not finite, there are too few of them or of rows, or all rows
            are the same.
    """
    require_whole("dimensions", dimensions, low=1)
    _check_features(features, least=dimensions + 1)
    if dimensions > features.shape[1]:
        raise ValueError(
            f"`dimensions` must be at most the {features.shape[1]} features of a row, got "
            f"{dimensions}."
        )
    centered = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    left, scales, directions = np.linalg.svd(centered, full_matrices=False)
    if not scales[0] > 1e-12 * np.abs(features).max():
        raise ValueError("`features` must vary, got all rows the same: there is nothing to see.")
    largest = np.argmax(np.abs(directions), axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1, 1)
    points = (left * (signs * scales))[:, :dimensions]
    return points, (scales**2 / np.sum(scales**2))[:dimensions]


def embed_tsne(
    features: Float[np.ndarray, "n d"], perplexity: Scalar = 30.0
) -> Float[np.ndarray, "n 2"]:
    """Places on a plane where neighbours are the features' neighbours.

    It starts from the PCA, so there is nothing random, and no seed.

    Args:
        features: a row an image, as for `embed_pca`; hundreds a row are better reduced by it first.
        perplexity: how many neighbours a row is taken to have, in (0, n).

    Raises:
        ValueError: if a feature is not finite, there are fewer than three rows, or `perplexity` is
            out of range.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    _check_features(features, least=3)
    require("perplexity", perplexity, "(0, inf)", "it is a number of neighbours")
    if not perplexity < len(features):
        raise ValueError(
            f"`perplexity` must be below the number of rows, {len(features)}, got {perplexity}; "
            "it is a number of neighbours, of which a third of the rows are many."
        )
    # Its own start by PCA is drawn at random where there are many features.
    columns = min(2, features.shape[1])
    start = np.zeros((len(features), 2), np.float32)
    start[:, :columns] = embed_pca(features, columns)[0]
    start *= 1e-4 / start[:, 0].std()
    method = TSNE(2, perplexity=float(perplexity), init=start)
    # Threads sum in any order, and wait for each other a thousand times over.
    with threadpool_limits(1):
        return method.fit_transform(features.astype(np.float32)).astype(np.float64)


@house_style
def plot_embedding(
    points: Float[np.ndarray, "n 2"],
    labels: Integer[np.ndarray, " _n"],
    classes: Sequence[str],
    title: str = "",
    thumbnails: UInt8[np.ndarray, "_n h w c"] | None = None,
    most: int = 60,
) -> Picture:
    """Draws points on a plane, coloured by class, with a legend, or some of them as images.

    Where there are up to eight classes, colours tell them apart; beyond, markers change too.

    Args:
        points: from `embed_pca` or `embed_tsne`.
        labels: indices into `classes`.
        classes: the names.
        title: of the figure.
        thumbnails: the images, grey or RGB; `most` of them that do not overlap are drawn over their
            points, each framed in the colour of its class.
        most: the largest number of thumbnails.

    Raises:
        ValueError: if there are no points, one is not finite, a label is not an index of `classes`,
            there is not one for each point, or the thumbnails are not so many, in grey or RGB.
    """
    check_points("points", points, labels, classes)
    if thumbnails is not None and (
        thumbnails.shape[-1] not in (1, 3) or len(thumbnails) != len(points)
    ):
        raise ValueError(
            f"`thumbnails` must be grey or RGB (c = 1 or 3), one for each of the {len(points)} "
            f"`points`, got shape {list(thumbnails.shape)}."
        )
    require_whole("most", most, low=1)
    names = [shorten(name, 20) for name in classes]
    present = np.unique(labels).tolist()
    beside = 0.5 + max(text_width(names[label], 11) for label in present)
    columns = -(-len(present) // 20)
    figure = Picture(figsize=(0.25 + SIDE + 0.2 + columns * (beside + 0.15), 0.2 + SIDE + 0.4))
    axes = figure.place(0.25, 0.2, SIDE, SIDE)
    size = np.clip(60 / np.sqrt(len(points)) ** 0.7, 2.2, 8)
    for label in present:
        color, marker = _look(label)
        axes.plot(
            *points[labels == label].T, marker, ms=size, color=color, mec="white", mew=0.1 * size,
            alpha=0.85, label=names[label],
        )  # fmt: skip
    _frame(axes, points)
    axes.set_title(title, loc="left")
    if thumbnails is not None:
        _draw_thumbnails(axes, points, labels, thumbnails, most)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, borderaxespad=0, ncols=columns,
        markerscale=max(1.0, 7 / size), handletextpad=0.3, handlelength=1.2, columnspacing=0.8,
    )  # fmt: skip
    return figure


def _look(label: int) -> tuple[str, str]:
    return COLORS[label % len(COLORS)], MARKERS[label // len(COLORS) % len(MARKERS)]


def _frame(axes, points: np.ndarray) -> None:
    """One scale for both directions: distances are what is looked at."""
    centre = (points.max(axis=0) + points.min(axis=0)) / 2
    half = 0.54 * max(np.ptp(points, axis=0).max(), 1e-12)
    axes.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True)


def _draw_thumbnails(axes, points, labels, thumbnails, most: int) -> None:
    """In an order without regard to class, each where none is yet."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    inches = (points - [left, low]) / [right - left, high - low] * SIDE
    h, w = thumbnails.shape[1:3]
    width, height = 0.36 * np.array([w, h]) / max(h, w)
    room = np.array([width, height]) + 0.06
    chosen: list[int] = []
    for i in np.random.default_rng(0).permutation(len(points)):
        # Whole on the panel, and clear of those before.
        inside = ((inches[i] > room / 2) & (inches[i] < SIDE - room / 2)).all()
        clear = (np.abs(inches[chosen] - inches[i]) > room).any(axis=1).all() if chosen else True
        if inside and clear:
            chosen.append(int(i))
        if len(chosen) == most:
            break
    for i in chosen:
        x, y = inches[i] / SIDE
        inset = axes.inset_axes(
            (x - width / SIDE / 2, y - height / SIDE / 2, width / SIDE, height / SIDE), zorder=5
        )
        inset.imshow(thumbnails[i], cmap="gray", vmin=0, vmax=255, aspect="auto", origin="upper")
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color=_look(int(labels[i]))[0], linewidth=2)


def _check_features(features: np.ndarray, least: int) -> None:
    if len(features) < least or not features.shape[1]:
        raise ValueError(
            f"`features` must have at least {least} rows and a column, got shape "
            f"{list(features.shape)}: pass the features of more images."
        )
    if not (finite := np.isfinite(features).all(axis=1)).all():
        raise ValueError(
            f"`features` must be finite, got row {int(np.argmin(finite))} that is not: look for "
            "NaN in the network, or leave such rows out."
        )
