"""The pictures show the numbers that went in, whole and legible, and leave no trace behind."""

import inspect
import io
import itertools
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from jaxvision.inspect import plot_confusion, plot_curves, plot_mistakes

WORDS = ["ant", "black-and-tan coonhound of the hills", "bee", "American carpenter ant", "$5_bill"]


def history_of(epochs, loss=lambda epoch: 2.0 / epoch, accuracy=lambda epoch: 1 - 0.5 / epoch):
    return [
        {
            "epoch": epoch,
            "train": {"loss": loss(epoch), "accuracy": accuracy(epoch)},
            "validation": {"loss": 1.1 * loss(epoch), "accuracy": 0.9 * accuracy(epoch)},
        }
        for epoch in epochs
    ]


def confusion_of(count, seed=0):
    matrix = np.random.default_rng(seed).poisson(0.3, (count, count))
    return matrix + 20 * np.eye(count, dtype=int), [f"{WORDS[i % 5]} {i}" for i in range(count)]


def evaluation_of(count, size=(8, 8, 1), wrong=None, classes=("zero", "one", "two")):
    """Images of which the first `wrong` are mistaken, in no order of confidence."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(classes), count)
    off = np.where(np.arange(count) < (count if wrong is None else wrong), 1, 0)
    return {
        "images": rng.integers(0, 256, (count, *size), dtype=np.uint8),
        "labels": labels,
        "predictions": (labels + off) % len(classes),
        "probabilities": rng.permutation(np.linspace(0.35, 0.99, count)).astype(np.float32),
        "classes": list(classes),
    }


PICTURES = {
    "curves": lambda: plot_curves(history_of(range(1, 31)), best_epoch=30),
    "curves-one-epoch": lambda: plot_curves(history_of([1]), best_epoch=1),
    "curves-early-best": lambda: plot_curves(history_of(range(1, 31)), best_epoch=1),
    "curves-late-best": lambda: plot_curves(history_of(range(1, 2001)), best_epoch=2000),
    "curves-diverged": lambda: plot_curves(history_of([1, 2], loss=lambda _: np.nan)),
    "confusion-2": lambda: plot_confusion(1000 * confusion_of(2)[0], ["ant", "bee"]),
    "confusion-10": lambda: plot_confusion(*confusion_of(10)),
    "confusion-20": lambda: plot_confusion(
        12345 * confusion_of(20)[0], [str(i) for i in range(20)]
    ),
    "confusion-200": lambda: plot_confusion(*confusion_of(200)),
    "mistakes": lambda: plot_mistakes(**evaluation_of(99)),
    "mistakes-one": lambda: plot_mistakes(**evaluation_of(9, wrong=1)),
    "mistakes-none": lambda: plot_mistakes(**evaluation_of(9, wrong=0)),
    "mistakes-wide": lambda: plot_mistakes(**evaluation_of(7, size=(60, 200, 3))),
    "mistakes-long": lambda: plot_mistakes(**evaluation_of(6, size=(96, 96, 3), classes=WORDS)),
}
each_picture = pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)


def written(figure):
    """Every text that is drawn, with its place in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    hidden = {
        text
        for axes in figure.axes
        for axis, (low, high) in [
            (axes.xaxis, sorted(axes.get_xlim())),
            (axes.yaxis, sorted(axes.get_ylim())),
        ]
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high
        for text in (tick.label1, tick.label2)
    }
    texts = [text for text in texts if text.get_visible() and text not in hidden]
    return [(text, text.get_window_extent(canvas.get_renderer())) for text in texts]


def pixels(figure):
    stream = io.BytesIO()
    figure.savefig(stream)
    return np.asarray(Image.open(stream).convert("L"))


@each_picture
def test_nothing_is_cut_off_too_small_or_written_over(make):
    figure = make()
    texts = written(figure)
    for text, box in texts:
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        assert text.get_fontsize() >= 10, text
    upright = [(text, box) for text, box in texts if text.get_rotation() % 90 == 0]
    for (one, a), (other, b) in itertools.combinations(upright, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        up = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0.5 or up <= 0.5, (one, other)


@each_picture
def test_is_saved_as_a_png_that_is_not_blank(make, tmp_path):
    figure = make()
    figure.savefig(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        assert image.width >= 180 and image.height >= 150
        grey = np.asarray(image.convert("L"))
    assert grey.max() == 255 and 0.001 < (grey < 128).mean() < 0.999


def test_a_dollar_in_a_name_is_a_dollar():
    names = [r"$\frac$", "$5_bill$"]  # the first is no formula, and would raise where one is read
    for figure in (
        plot_confusion(np.eye(2, dtype=int), names),
        plot_mistakes(**evaluation_of(2, classes=names)),
    ):
        assert any(names[0] in text.get_text() for text, _ in written(figure))


def test_a_notebook_shows_the_file_that_would_be_saved():
    figure, file = plot_curves(history_of([1, 2])), io.BytesIO()
    figure.savefig(file)
    assert figure._repr_png_() == file.getvalue()


@pytest.mark.parametrize("name", ["curves", "confusion-10", "mistakes-wide", "mistakes-none"])
def test_the_users_settings_are_neither_changed_nor_followed(name):
    expected = pixels(PICTURES[name]())
    hostile = {
        "axes.facecolor": "black",
        "axes.grid": True,
        "axes.labelsize": 25,
        "axes.titlesize": 3,
        "figure.constrained_layout.use": True,
        "figure.dpi": 40,
        "figure.facecolor": "black",
        "font.size": 4,
        "image.origin": "lower",
        "lines.marker": "x",
        "savefig.facecolor": "black",
        "text.color": "white",
        "text.usetex": True,
        "xtick.color": "white",
        "xtick.labelsize": 30,
        "ytick.labelcolor": "red",
    }
    with matplotlib.rc_context(hostile):
        before = dict(matplotlib.rcParams)
        figure = PICTURES[name]()
        assert dict(matplotlib.rcParams) == before
        np.testing.assert_array_equal(pixels(figure), expected)
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported_and_matplotlib_not_before_it_is_needed():
    program = """
import sys
import jaxvision.inspect
assert "matplotlib" not in sys.modules
one = {"loss": 0.5, "accuracy": 0.5}
history = [{"epoch": 1, "train": one, "validation": one}]
jaxvision.inspect.plot_curves(history).savefig(sys.argv[1])
assert "matplotlib.figure" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, "/dev/null"], check=True)


# ---- curves


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


# ---- confusion matrix


def test_cells_hold_the_counts_and_colours_the_shares_of_the_row():
    matrix = np.array([[6, 2, 0], [0, 0, 0], [1, 0, 9]])  # the second class does not occur
    axes, _ = plot_confusion(matrix, ["a", "b", "c"]).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "6", (1, 0): "2", (0, 2): "1", (2, 2): "9"}  # (column, row)
    expected = [[0.75, 0.25, 0], [0, 0, 0], [0.1, 0, 0.9]]
    np.testing.assert_allclose(axes.images[0].get_array(), expected, rtol=1e-12)
    assert axes.images[0].get_clim() == (0, 1)
    assert axes.get_title("left") == "Accuracy 83.3 % (15 of 18)"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert axes.get_ylim() == (2.5, -0.5)  # the first class is on top


def test_counts_stand_out_from_every_colour():
    # Shares from 1/400 to 1, both dark and light, against the exact formula of WCAG 2.1.
    matrix = np.diag(np.linspace(1, 400, 20).astype(int))
    matrix[:, 0] += 400 - matrix.sum(axis=1)
    axes, _ = plot_confusion(matrix, [str(i) for i in range(20)]).axes

    def luminance(color):
        c = np.array(matplotlib.colors.to_rgb(color))
        return np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [
            0.2126, 0.7152, 0.0722
        ]  # fmt: skip

    colors = axes.images[0].to_rgba(axes.images[0].get_array())
    for text in axes.texts:
        column, row = text.get_position()
        light = sorted([luminance(text.get_color()), luminance(colors[row, column])])
        assert (light[1] + 0.05) / (light[0] + 0.05) > 4.5
    assert {text.get_color() for text in axes.texts} == {"black", "white"}


@pytest.mark.parametrize(("count", "step"), [(21, 1), (100, 5), (200, 5)])
def test_many_classes_have_thinned_names_and_no_counts(count, step):
    matrix, classes = confusion_of(count)
    axes, _ = plot_confusion(matrix, classes).axes
    assert not axes.texts
    for axis in (axes.xaxis, axes.yaxis):
        np.testing.assert_array_equal(axis.get_ticklocs(), range(0, count, step))
        for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True):
            name, shown = classes[place], label.get_text()
            assert name.startswith(shown.rstrip("…")) and len(shown) <= 24
            assert (shown == name) == (len(name) <= 24)


@pytest.mark.parametrize(
    ("classes", "angle"), [("ab", 0), (["", " "], 0), (["a", "a long name" * 3], 45)]
)
def test_names_turn_only_where_they_would_collide(classes, angle):
    axes, _ = plot_confusion(np.eye(2, dtype=int), list(classes)).axes
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {angle}


# ---- mistakes


def test_tiles_are_the_most_confident_mistakes_in_order():
    data = evaluation_of(40, wrong=30)
    figure = plot_mistakes(**data, most=9)
    expected = sorted(range(30), key=lambda i: -data["probabilities"][i])[:9]
    assert len(figure.axes) == 9
    for axes, i in zip(figure.axes, expected, strict=True):
        np.testing.assert_array_equal(
            np.squeeze(axes.images[0].get_array()), data["images"][i, ..., 0]
        )
        true, predicted = (data["classes"][data[key][i]] for key in ("labels", "predictions"))
        assert axes.get_title() == f"{true} → {predicted}, {100 * data['probabilities'][i]:.0f} %"
        assert axes.images[0].get_clim() == (0, 255)  # a dim image stays dim
    heading = "The 9 most confident of 30 mistakes among 40 images"
    assert [text.get_text() for text in figure.texts] == [heading]


@pytest.mark.parametrize(
    ("wrong", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (7, 3, 3), (25, 5, 5)]
)
def test_the_grid_is_as_large_as_it_must_be(wrong, columns, rows):
    figure = plot_mistakes(**evaluation_of(30, wrong=wrong))
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == wrong
    assert len({round(box.x0, 6) for box in boxes}) == columns
    assert len({round(box.y0, 6) for box in boxes}) == rows
    assert (
        figure.texts[0].get_text().startswith("1 mistake " if wrong == 1 else f"{wrong} mistakes")
    )


def test_no_mistakes_are_said_in_words():
    figure = plot_mistakes(**evaluation_of(12, wrong=0))
    assert [text.get_text() for text in figure.texts] == ["No mistakes among 12 images"]
    assert not figure.axes


@pytest.mark.parametrize(
    ("size", "interpolation"),
    [((8, 8, 1), "nearest"), ((32, 32, 3), "nearest"), ((240, 320, 3), "auto")],
)
def test_small_images_keep_their_pixels_and_all_their_proportions(size, interpolation):
    figure = plot_mistakes(**evaluation_of(4, size=size))
    for axes in figure.axes:
        assert axes.images[0].get_interpolation() == interpolation
        box = axes.get_window_extent()
        np.testing.assert_allclose(box.height / box.width, size[0] / size[1], rtol=1e-9)


def test_colour_images_keep_their_colours():
    data = evaluation_of(1, size=(8, 8, 3))
    (axes,) = plot_mistakes(**data).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), data["images"][0])


def test_long_names_are_shortened_and_break_after_the_arrow():
    data = evaluation_of(1, classes=["black-and-tan coonhound of the hills", "American robin"])
    data.update(labels=np.array([0]), predictions=np.array([1]), probabilities=np.array([0.97]))
    (axes,) = plot_mistakes(**data).axes
    assert axes.get_title() == "black-and-tan coonh… →\nAmerican robin, 97 %"


# ---- bad arguments; `unwrap` takes away the types' own check, which users do not run


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


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (
            np.ones((2, 3), int),
            r"`matrix` must be square, .* 2 `classes`, got shape \(2, 3\): pass",
        ),
        (np.ones((3, 3), int), r"`matrix` .* each of the 2 `classes`, got shape \(3, 3\)"),
        (np.ones(4, int), r"`matrix` must be square, .* got shape \(4,\)"),
        (np.array([[3, -1], [0, 2]]), "`matrix` must hold counts, .* got int64 from -1 to 3: pass"),
        (np.zeros((2, 2), int), "`matrix` must hold counts, .* not all 0, got int64 from 0 to 0"),
        (np.eye(2), "`matrix` must hold counts, .* got float64 .* not normalised"),
    ],
)
def test_plot_confusion_names_the_bad_argument(matrix, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(plot_confusion)(matrix, ["a", "b"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"images": np.zeros((4, 8, 8, 1))},
            r"`images` must be uint8 .* got float64 \[4, 8, 8, 1\]",
        ),
        ({"images": np.zeros((4, 8, 8), np.uint8)}, r"`images` .* got uint8 \[4, 8, 8\]: undo"),
        ({"images": np.zeros((4, 8, 8, 2), np.uint8)}, r"`images` .* c = 1 or 3, got uint8 \[4, 8"),
        ({"images": np.zeros((0, 8, 8, 1), np.uint8)}, "`images` must hold at least one image"),
        (
            {"labels": np.zeros(3, int)},
            r"`labels` must have one .* 4 `images`, got shape \(3,\): p",
        ),
        ({"predictions": np.zeros(5, int)}, r"`predictions` must have .*, got shape \(5,\)"),
        ({"probabilities": np.zeros(5)}, r"`probabilities` must have .*, got shape \(5,\)"),
        ({"labels": np.array([0, 1, 3, 2])}, r"`labels` must be in \[0, 2\], got 3 for image 2: "),
        ({"predictions": np.array([-1, 0, 0, 0])}, r"`predictions` must be .* got -1 for image 0"),
        (
            {"probabilities": np.array([0, 1, 2.5, 0])},
            r"`probabilities` .* \[0, 1\], got 2.5 for im",
        ),
        ({"probabilities": np.array([0, np.nan, 0, 0])}, "`probabilities` .* got nan for image 1"),
        ({"most": 0}, "`most` must be at least 1, got 0"),
    ],
)
def test_plot_mistakes_names_the_bad_argument(change, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(plot_mistakes)(**{**evaluation_of(4), **change})
