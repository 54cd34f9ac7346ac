"""What is drawn of calibration is what was counted, and nothing is written over."""

import itertools

import numpy as np
import pytest

from jaxvision.inspect import plot_coverage, plot_reliability
from jaxvision.ops.calibration import equal_width, reliability
from tests.inspect.test_picture import written

CONFIDENCE = np.array([0.3, 0.4, 0.6, 0.9, 1.0])
FOUND = reliability(CONFIDENCE, np.array([True, False, False, True, True]), equal_width(2))
LEVELS = np.array([0.25, 0.5, 0.75])


def test_bars_are_accuracies_with_the_gap_to_what_was_said_beside_them():
    axes, below = plot_reliability({"before": FOUND}).axes
    correct, gap = ([(b.get_x(), b.get_y(), b.get_height()) for b in c] for c in axes.containers)
    # (0, .5]: .35 said and 1/2 true; (.5, 1]: 2.5 / 3 said and 2/3 true.
    np.testing.assert_allclose(correct, [(0, 0, 50), (50, 0, 200 / 3)])
    np.testing.assert_allclose(gap, [(0, 35, 15), (50, 200 / 3, 50 / 3)])
    (said,) = axes.collections
    ends = [segment.tolist() for segment in said.get_segments()]
    np.testing.assert_allclose(ends, [[[0, 35], [50, 35]], [[50, 250 / 3], [100, 250 / 3]]])
    np.testing.assert_allclose([b.get_height() for b in below.patches], [40, 60])
    assert axes.get_title("left") == "before: ECE 16.0 %"  # (2 * 15 + 3 * 16.7) / 5
    assert below.get_xlabel() == "confidence (%)"


def test_an_empty_bin_has_no_bar():
    axes, below = plot_reliability(
        {"one": reliability(np.array([0.9]), np.array([True]), equal_width(3))}
    ).axes
    heights = [bar.get_height() for bar in axes.containers[0]]
    assert np.isnan(heights[:2]).all() and heights[2] == 100
    assert [bar.get_height() for bar in below.patches] == [0, 0, 100]


def test_coverage_is_drawn_over_the_levels_and_the_band_is_the_binomials():
    observed = {"one": np.array([0.2, 0.5, 0.9]), "two": np.array([0.1, 0.3, 0.4])}
    (axes,) = plot_coverage(LEVELS, observed, examples=100).axes
    diagonal, *lines = axes.lines
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    for line, (name, shares) in zip(lines, observed.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_xdata(), 100 * LEVELS)
        np.testing.assert_allclose(line.get_ydata(), 100 * shares)
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices
    middle = heights[np.isclose(heights[:, 0], 50)][:, 1]
    np.testing.assert_allclose(sorted(set(middle.round(6))), [50 - 9.8, 50 + 9.8])  # 1.96 * 5
    assert not plot_coverage(LEVELS, observed).axes[0].collections


@pytest.mark.parametrize(
    "make",
    [
        lambda: plot_reliability({"before": FOUND}),
        lambda: plot_reliability({"before a temperature of two": FOUND, "after": FOUND}),
        lambda: plot_coverage(LEVELS, {"one": LEVELS}),
        lambda: plot_coverage(LEVELS, {f"model {i}": LEVELS for i in range(9)}, 100),
    ],
)
def test_nothing_is_cut_off_or_written_over(make):
    figure = make()
    texts = written(figure)
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        assert text.get_fontsize() >= 10, text
    for (one, a), (other, b) in itertools.combinations(texts, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        assert across <= 0.5 or min(a.y1, b.y1) - max(a.y0, b.y0) <= 0.5, (one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_reliability({}), "`found` must hold a reliability of some examples"),
        (
            lambda: plot_reliability({"none": FOUND._replace(counts=0 * FOUND.counts)}),
            r"`found` must hold .* got \['none'\]",
        ),
        (lambda: plot_coverage(LEVELS, {}), "`observed` must have at least one name"),
        (lambda: plot_coverage(LEVELS, {"a": 2 * LEVELS}), "must be fractions, 3 each, got 'a'"),
        (lambda: plot_coverage(-LEVELS, {"a": LEVELS}), "must be fractions, 3 each, got 'levels'"),
        (lambda: plot_coverage(LEVELS[::-1], {"a": LEVELS}), "`levels` must ascend"),
        (lambda: plot_coverage(LEVELS[:0], {"a": LEVELS[:0]}), "`levels` must ascend, at least"),
        (lambda: plot_coverage(LEVELS, {"a": LEVELS}, 0), "`examples` must be a whole number"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
