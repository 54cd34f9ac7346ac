"""Draws of few examples, their means and intervals, and the picture of them."""

import numpy as np
import pytest
from scipy.stats import t as student

from jaxvision.transfer import FewShot, draw_shots, few_shot_curve, plot_few_shot

LABELS = np.random.default_rng(0).integers(0, 4, 100)


def test_a_draw_has_so_many_of_each_class_and_fewer_are_among_more():
    before = set()
    for shots in (1, 3, 10):
        rows = draw_shots(LABELS, shots, seed=3)
        assert np.all(np.bincount(LABELS[rows]) == shots) and np.all(np.diff(rows) > 0)
        assert before < set(rows)
        before = set(rows)
    assert set(draw_shots(LABELS, 3, seed=4)) != set(draw_shots(LABELS, 3, seed=3))


def test_too_many_or_too_few_are_refused():
    fewest = int(np.bincount(LABELS).min())
    assert len(draw_shots(LABELS, fewest, 0)) == 4 * fewest
    for shots in (0, fewest + 1):
        with pytest.raises(ValueError, match=rf"`shots` must be in \[1, {fewest}\], .*class"):
            draw_shots(LABELS, shots, seed=0)
    for shots, draws in (((), 3), ((1,), 0)):
        with pytest.raises(ValueError, match="`shots` and `draws` must be at least one"):
            few_shot_curve(lambda rows, seed: 0.5, LABELS, shots, draws)


def test_the_curve_is_of_every_draw_with_its_own_rows_and_seed():
    seen = []

    def learn(rows, seed):
        seen.append((len(rows), tuple(rows), seed))
        return len(rows) / 100 + seed / 1000

    curve = few_shot_curve(learn, LABELS, (1, 5), draws=3)
    assert [(n, seed) for n, _, seed in seen] == [(4, 0), (4, 1), (4, 2), (20, 0), (20, 1), (20, 2)]
    assert len({rows for _, rows, _ in seen}) == 6
    np.testing.assert_allclose(curve.accuracies, [[0.04, 0.041, 0.042], [0.2, 0.201, 0.202]])
    np.testing.assert_allclose(curve.mean, [0.041, 0.201])


def test_the_interval_is_students():
    accuracies = np.random.default_rng(1).uniform(size=(2, 6))
    curve = FewShot(np.array([1, 2]), accuracies)
    for level in (0.95, 0.5):
        low, high = student.interval(
            level, 5, accuracies.mean(1), accuracies.std(1, ddof=1) / np.sqrt(6)
        )
        np.testing.assert_allclose(curve.mean - curve.margin(level), low)
        np.testing.assert_allclose(curve.mean + curve.margin(level), high)
    assert np.all(np.isnan(FewShot(np.array([1]), accuracies[:1, :1]).margin()))


def test_the_picture_has_a_line_and_a_band_for_each_curve():
    curves = {
        name: FewShot(np.array([1, 5, 20]), np.random.default_rng(i).uniform(size=(3, 4)))
        for i, name in enumerate(("from scratch", "frozen"))
    }
    curves["a ridge classifier on what the last of the convolutions sees"] = curves["frozen"]
    figure = plot_few_shot(curves)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert axes.get_legend().get_window_extent().x1 < figure.bbox.x1  # whole, however long
    for line, band, curve in zip(axes.lines, axes.collections, curves.values(), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [1, 5, 20])
        np.testing.assert_allclose(line.get_ydata(), 100 * curve.mean)
        edges = band.get_paths()[0].vertices[:, 1]
        np.testing.assert_allclose(edges.max(), 100 * (curve.mean + curve.margin()).max())
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(curves)
    assert axes.get_legend().get_title().get_text() == "mean of 4, 95 %"
    for wrong in ({}, dict.fromkeys(map(str, range(8)), curves["frozen"])):
        with pytest.raises(ValueError, match=f"`curves` must be 1 to 7, got {len(wrong)}"):
            plot_few_shot(wrong)
