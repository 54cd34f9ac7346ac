"""All pictures: whole and legible, and they leave no trace behind."""

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
from tests.inspect.made_up import WORDS, confusion_of, evaluation_of, history_of

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
