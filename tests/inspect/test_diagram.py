"""The diagram has a block for every array, an arrow for every edge, and can be read."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyArrowPatch, Polygon

from jaxvision.inspect import plot_network, summarize, summarize_model
from jaxvision.models.lenet import LeNet5
from jaxvision.models.resnet import resnet50
from jaxvision.models.vgg import vgg16

IMAGES = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
FACES = 3  # of a box that one sees


def widen(x, channels):
    return jax.nn.relu(x @ jnp.ones((x.shape[-1], channels)))


def halve(x):
    return lax.slice(x, (0, 0, 0, 0), x.shape, (1, 2, 2, 1))


def blocks(figure):
    """The front of each box as (left, bottom, width, height), in the order they were drawn."""
    fronts = [p.get_extents() for p in figure.axes[0].patches if isinstance(p, Polygon)][::FACES]
    places = [(box.x0, box.y0, box.width, box.height) for box in fronts]
    return np.round(np.array(places) / figure.dpi, 6)


def arrows(figure):
    found = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    return [arrow.get_linestyle() for arrow in found]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_block_is_as_high_as_its_rows_and_as_wide_as_its_channels():
    def fn(x):
        a = widen(x, 16)
        b = halve(a)
        c = widen(b, 64)
        return {"a": a, "b": b, "c": c, "vector": c.mean((1, 2))}

    image, a, b, c, vector = blocks(plot_network(summarize(fn, IMAGES)))
    heights, widths = ([block[i] for block in (image, a, b, c, vector)] for i in (3, 2))
    assert heights[0] == heights[1] > heights[2] + 0.1 and heights[3] > heights[4] + 0.1
    assert heights[2] == heights[3] and widths[1] == widths[2] and widths[3] == widths[4]
    assert widths[1] > widths[0] + 0.05 and widths[3] > widths[2] + 0.05
    # Of twice the rows or channels the same is added: logarithms.
    e = plot_network(summarize(lambda x: {"d": halve(halve(x)), "e": widen(x, 256)}, IMAGES))
    _, quarter, wide = blocks(e)
    assert heights[0] - heights[2] == pytest.approx(heights[2] - quarter[3])
    assert widths[3] - widths[1] == pytest.approx(wide[2] - widths[3])


def test_labels_say_what_the_summary_says():
    def fn(x):
        a = halve(widen(x, 16))
        return a.mean((1, 2)), {"first": a, "alias": a}

    found = texts(plot_network(summarize(fn, IMAGES), "a name"))
    assert found[0] == "a name: 0 parameters, 49.2 k multiply-accumulates"
    assert found[2:4] == ["image", "32 x 32 x 3"]
    assert found[4:8] == ["first", "(alias)", "16 x 16 x 16", "sees 1 / 2"]
    assert found[8:] == ["output", "16"]


def test_an_arrow_leads_along_every_edge():
    chain = summarize(lambda x: {"a": (a := halve(x)), "b": halve(a)}, IMAGES)
    assert arrows(plot_network(chain)) == ["-", "-"]

    def branched(x):
        a = halve(x)
        return {"a": a, "side": a.mean((1, 2)), "b": a + halve(x) * 2, "c": jnp.ones(3)}

    # image -> a -> side, and over them a -> b and image -> b.
    assert arrows(plot_network(summarize(branched, IMAGES))) == ["-"] * 4


def test_residual_connections_are_dashed_and_branches_fork():
    def fn(x):
        x = widen(x, 16)
        features = {"stem": x}
        x = features["block"] = x + widen(x, 16)
        features["branches"] = jnp.concatenate([x, widen(x, 16)], -1)
        return features

    figure = plot_network(summarize(fn, IMAGES))
    assert arrows(figure) == ["-", "-", "--", "-", "-", "-"]
    assert "dashed" in texts(figure)[1] and "fork" in texts(figure)[1]
    # A skip over a named feature is an arc of its own, and no fork.
    skip = summarize(
        lambda x: {"a": (a := widen(x, 8)), "b": jnp.concatenate([x, widen(a, 8)], -1)}, IMAGES
    )
    assert arrows(plot_network(skip)) == ["-"] * 3
    plain = plot_network(summarize(lambda x: {"a": halve(x)}, IMAGES))
    assert "dashed" not in texts(plain)[1] and "fork" not in texts(plain)[1]


def long(x):
    features = {"first": x + 1}
    for i in range(40):
        x = features[f"block{i}"] = x + widen(x, 3)
    features["last"] = x + features["first"]
    return features


def test_a_long_network_is_broken_into_rows_of_one_slide():
    figure = plot_network(summarize(long, IMAGES))
    width, _ = figure.get_size_inches()
    assert 10 < width < 17
    rows = {round(bottom, 2) for _, bottom, _, _ in blocks(figure)}
    assert len(rows) > 2
    assert len(blocks(figure)) == 43
    # An edge that skips rows is written at its end.
    assert "from first" in texts(figure)


NETWORKS = {
    "lenet5": lambda: summarize_model(LeNet5(10), (32, 32, 1)),
    "vgg16": lambda: summarize_model(vgg16(num_classes=1000), (224, 224, 3)),
    "resnet50": lambda: summarize_model(resnet50(num_classes=1000), (224, 224, 3)),
    "long": lambda: summarize(long, IMAGES),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_label_covers_another_or_leaves_the_paper(name):
    figure = plot_network(NETWORKS[name](), name)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_is_saved(tmp_path, suffix):
    path = tmp_path / f"network.{suffix}"
    plot_network(summarize(lambda x: {"$a_1": halve(x)}, IMAGES)).savefig(path)
    assert path.stat().st_size > 1000
