"""The curves are the history, as it was."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from jaxvision.inspect import plot_curves
from tests.inspect.made_up import history_of


def test_the_curves_are_the_history():
    history = history_of([3, 4, 7, 8])
    loss, accuracy = plot_curves(history).axes
    for axes, metric, scale in [(loss, "loss", 1), (accuracy, "accuracy", 100)]:
        assert [line.get_label() for line in axes.lines] == ["train", "validation"]
        assert len({line.get_color() for line in axes.lines}) == 2
        for line in axes.lines:
            np.testing.assert_array_equal(line.get_xdata(), [3, 4, 7, 8])
            values = [scale * entry[line.get_label()][metric] for entry in history]
            np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-12)
    assert [axes.get_title("left") for axes in (loss, accuracy)] == ["Loss", "Accuracy (%)"]
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == [
        "train",
        "validation",
    ]


def test_the_legend_hides_no_data():
    figure = plot_curves(history_of(range(1, 31)))
    FigureCanvasAgg(figure).draw()
    accuracy = figure.axes[1]
    assert accuracy.get_legend().get_window_extent().y0 > accuracy.get_window_extent().y1


@pytest.mark.parametrize(
    ("smallest", "largest", "scale"),
    [(0.5, 4.0, "linear"), (0.1, 4.0, "log"), (1e-6, 4.0, "log"), (0.0, 4.0, "linear")],
)
def test_the_loss_is_logarithmic_over_more_than_a_decade(smallest, largest, scale):
    history = history_of([1, 2], loss={1: largest, 2: smallest}.get)
    loss, accuracy = plot_curves(history).axes
    assert loss.get_yscale() == scale and accuracy.get_yscale() == "linear"
    low, high = loss.get_ylim()
    assert low < smallest and high > largest
    ticks = [tick for tick in loss.get_yticks() if low <= tick <= high]
    assert 3 <= len(ticks) <= 10


def test_the_best_epoch_is_marked_in_both_panels():
    for axes in plot_curves(history_of(range(1, 31)), best_epoch=17).axes:
        (mark,) = [line for line in axes.lines if line.get_label() not in ("train", "validation")]
        np.testing.assert_array_equal(mark.get_xdata(), [17, 17])
        assert mark.get_zorder() < axes.lines[0].get_zorder()
        assert [text.get_text() for text in axes.texts] == ["best: epoch 17"]


@pytest.mark.parametrize("count", [1, 2, 7, 30, 200])
def test_epoch_ticks_are_whole_epochs(count):
    for axes in plot_curves(history_of(range(1, count + 1))).axes:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == int(tick) and 1 <= tick <= count for tick in ticks)


def test_a_single_epoch_is_seen():
    for axes in plot_curves(history_of([1])).axes:
        assert all(line.get_marker() == "o" for line in axes.lines)


def test_values_that_are_not_finite_leave_a_gap_and_are_counted():
    history = history_of(range(1, 6), loss=lambda epoch: {3: np.nan, 4: np.inf}.get(epoch, 1.0))
    loss, accuracy = plot_curves(history).axes
    assert loss.get_xlabel() == "epoch (4 values not finite)"
    assert accuracy.get_xlabel() == "epoch"
    for line in loss.lines:
        np.testing.assert_array_equal(np.isnan(line.get_ydata()), [0, 0, 1, 1, 0])


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_the_accuracy_axis_ends_at_0_and_100_and_does_not_magnify_noise(value):
    history = history_of([1, 2], accuracy=lambda epoch: value + (0.5 - value) * 1e-6 * epoch)
    for entry in history:
        entry["validation"] = entry["train"]
    low, high = plot_curves(history).axes[1].get_ylim()
    assert -0.3 <= low < 100 * value < high <= 100.3
    assert high - low > 1


def changed(entry, **parts):
    return [*history_of([1, 2]), {**history_of([3])[0], **parts}] if entry else []


@pytest.mark.parametrize(
    ("history", "best_epoch", "message"),
    [
        ([], None, "`history` must hold at least one epoch, got none: train first"),
        (history_of([2, 1]), None, "`history` must be in the order .*, got 1 after 2: sort it"),
        (history_of([1, 1]), None, "`history` must be .* each once, got 1 after 1"),
        (changed(1, train={"loss": 1.0}), None, "`history` .* got one without 'accuracy': add it"),
        ([{"epoch": 1, "train": {}}], None, "`history` must have epoch, .* without 'loss'"),
        (history_of([1], accuracy=lambda _: 97.0), None, r"\[0, 1\], got 97 for train: pass frac"),
        (history_of([1, 2]), 0, "`best_epoch` must be .* has 1 to 2, got 0: pass the value"),
    ],
)
def test_plot_curves_names_the_bad_argument(history, best_epoch, message):
    with pytest.raises(ValueError, match=message):
        plot_curves(history, best_epoch)
