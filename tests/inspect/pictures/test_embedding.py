"""PCA against scikit-learn and by hand, t-SNE's neighbours, and figures with every point in."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from jaxvision.inspect.pictures.embedding import embed_pca, embed_tsne, plot_embedding


@pytest.fixture(scope="module")
def features():
    """Three clusters of 20 in 5 dimensions, far apart."""
    random = np.random.default_rng(0)
    centres = 10 * np.eye(5)[:3]
    return (np.repeat(centres, 20, axis=0) + random.normal(size=(60, 5))).astype(np.float32)


def test_pca_by_hand():
    # Along (0.6, 0.8) by +-5, and across, (-0.8, 0.6), by +-1: shares 25 and 1 of 26.
    along, across = np.array([0.6, 0.8]), np.array([-0.8, 0.6])
    rows = 3.0 + np.stack([5 * along, -5 * along, across, -across])
    points, shares = embed_pca(rows)
    # 0.8 of (0.6, 0.8) is the largest entry and positive; of the other, -0.8: turned around.
    np.testing.assert_allclose(points, [[5, 0], [-5, 0], [0, -1], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(shares, [25 / 26, 1 / 26], rtol=1e-12)


def test_pca_equals_sklearn_up_to_signs_and_shifts_change_nothing(features):
    points, shares = embed_pca(features, 3)
    theirs = PCA(3, svd_solver="full").fit(features.astype(np.float64))
    np.testing.assert_allclose(
        np.abs(points), np.abs(theirs.transform(features)), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(shares, theirs.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(embed_pca(features + 1, 3)[0], points, atol=1e-4)


def test_all_directions_keep_all_distances_and_fewer_enlarge_none(features):
    def distances(rows):
        return np.linalg.norm(rows[:, None] - rows[None], axis=-1)

    whole, shares = embed_pca(features, 5)
    np.testing.assert_allclose(distances(whole), distances(features), atol=1e-5)
    assert shares.sum() == pytest.approx(1)
    assert (distances(embed_pca(features)[0]) <= distances(features) + 1e-5).all()


def test_tsne_keeps_neighbours_and_is_the_same_every_time(features):
    points = embed_tsne(features, perplexity=10)
    assert trustworthiness(features, points, n_neighbors=5) > 0.85
    clusters = points.reshape(3, 20, 2)
    centres = clusters.mean(axis=1)
    nearest = np.linalg.norm(points[:, None] - centres[None], axis=-1).argmin(axis=1)
    np.testing.assert_array_equal(nearest, np.repeat(np.arange(3), 20))
    np.testing.assert_array_equal(embed_tsne(features, perplexity=10), points)


@pytest.mark.parametrize("count", [3, 12])
def test_every_point_is_drawn_in_its_classes_colour_and_marker(features, count):
    labels = np.arange(60) % count
    points = features[:, :2].astype(np.float64)
    (axes,) = plot_embedding(points, labels, [f"class {i}" for i in range(20)], "PCA").axes
    assert axes.get_title("left") == "PCA"
    drawn = {line.get_label(): line for line in axes.lines}
    assert list(drawn) == [f"class {i}" for i in range(count)]
    for i, line in enumerate(drawn.values()):
        np.testing.assert_array_equal(line.get_xydata(), points[labels == i])
    assert len({(line.get_color(), line.get_marker()) for line in drawn.values()}) == count
    # One scale for both axes, and all points inside.
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    assert np.ptp(high - low) < 1e-6 and ((points > low) & (points < high)).all()


def test_thumbnails_lie_on_their_points_without_overlap(features):
    images = np.full((60, 4, 6, 1), 7, np.uint8) + np.arange(60, dtype=np.uint8).reshape(
        -1, 1, 1, 1
    )
    points, labels = features[:, :2].astype(np.float64), np.arange(60) % 3
    figure = plot_embedding(points, labels, ["a", "b", "c"], thumbnails=images, most=9)
    figure.canvas.draw()
    axes = figure.axes[0]
    insets = axes.child_axes
    assert 3 <= len(insets) <= 9
    boxes = [inset.get_window_extent() for inset in insets]
    for inset, box in zip(insets, boxes, strict=True):
        i = int(inset.images[0].get_array()[0, 0]) - 7
        centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
        np.testing.assert_allclose(axes.transData.transform(points[i]), centre, atol=0.5)
        color = axes.lines[labels[i]].get_color()
        assert inset.spines["left"].get_edgecolor()[:3] == pytest.approx(
            [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        )
        assert sum(box.overlaps(other) for other in boxes) == 1
        assert box.width / box.height == pytest.approx(1.5, rel=1e-6)


def test_what_has_no_embedding_is_named(features):
    with pytest.raises(ValueError, match=r"`features` must have at least 3 rows .* \[2, 5\]"):
        embed_pca(features[:2])
    with pytest.raises(ValueError, match="`features` must be finite, got row 7 that is not"):
        embed_tsne(np.where(np.arange(60)[:, None] == 7, np.nan, features))
    with pytest.raises(ValueError, match="`features` must vary, got all rows the same"):
        embed_pca(np.full((9, 4), 0.1))
    with pytest.raises(ValueError, match="`dimensions` must be at most the 5 features"):
        embed_pca(features, 6)
    with pytest.raises(ValueError, match="`perplexity` must be below the number of rows, 20, got"):
        embed_tsne(features[:20])
    with pytest.raises(ValueError, match=r"`perplexity` must be in \(0, inf\), got 0"):
        embed_tsne(features, perplexity=0)


def test_what_cannot_be_drawn_is_named(features):
    points, labels = features[:, :2].astype(np.float64), np.arange(60) % 3
    with pytest.raises(ValueError, match=r"`labels` of .* indices of the 2 `classes`, got 0 to 2"):
        plot_embedding(points, labels, ["a", "b"])
    with pytest.raises(ValueError, match=r"`labels` of .* one for each of the 60 .* \[59\]"):
        plot_embedding(points, labels[1:], ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"`points` must be .* finite, got 60, some"):
        plot_embedding(points * np.nan, labels, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"`thumbnails` must be grey or RGB .* \[60, 4, 4, 2\]"):
        thumbnails = np.zeros((60, 4, 4, 2), np.uint8)
        plot_embedding(points, labels, ["a", "b", "c"], thumbnails=thumbnails)
