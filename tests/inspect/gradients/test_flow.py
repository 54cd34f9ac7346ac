"""The gradient of each layer: its size, its order, and the bound that a sigmoid puts on it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.inspect.gradients import gradient_flow, plot_gradient_flow
from jaxvision.inspect.picture import SMALL

DEPTH, WIDTH = 6, 5


def test_the_root_mean_square_of_a_layer_is_over_all_its_arrays():
    grads = {"conv": {"kernel": jnp.asarray([[3.0, 0], [0, 0]]), "bias": jnp.asarray([4.0])}}
    found = gradient_flow({**grads, "bias": jnp.asarray([2.0, -2.0])})
    assert found == {"conv": np.sqrt(25 / 5), "params": 2.0}
    assert gradient_flow(jnp.asarray([3.0, 4.0])) == {"params": np.sqrt(12.5)}


def test_layers_are_in_natural_order_or_in_that_given():
    one = {"kernel": jnp.ones(1)}
    grads = {"stem": one, "stage1": {"block10": one, "block9": one}, "conv10": one, "conv2": one}
    natural = ["conv2", "conv10", "stage1/block9", "stage1/block10", "stem"]
    assert list(gradient_flow(grads)) == natural
    found = gradient_flow(grads, order=["stem", "conv10", "conv2", "stage1"])
    assert list(found) == ["stem", "conv10", "conv2", "stage1/block9", "stage1/block10"]
    with pytest.raises(ValueError, match="nothing for 'conv10'"):
        gradient_flow(grads, order=["conv1", "conv2", "stage1", "stem"])


def test_float16_does_not_overflow():
    assert gradient_flow({"a": {"k": jnp.full(3, 1e4, jnp.float16)}})["a"] == 1e4


def deep_gradients(activation, weights, x):
    """Of the sum of a deep network's outputs by what is added before each activation."""

    def loss(shifts):
        y = x
        for weight, name in zip(weights, shifts, strict=True):
            y = activation(weight @ y + shifts[name]["bias"])
        return jnp.sum(y)

    shifts = {f"layer{i}": {"bias": jnp.zeros(WIDTH)} for i in range(DEPTH)}
    return jax.grad(loss)(shifts)


COMPILED = jax.jit(lambda weights, x: deep_gradients(jax.nn.sigmoid, weights, x))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**16), st.floats(0, 4))
def test_a_sigmoid_takes_three_quarters_at_each_layer_at_least(seed, spread):
    # With weights that keep lengths, the gradient's is at most 1/4 of that of the layer behind.
    random = np.random.default_rng(seed)
    weights = [np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0] for _ in range(DEPTH)]
    grads = COMPILED(np.float32(weights), np.float32(spread * random.normal(size=WIDTH)))
    rms = np.array(list(gradient_flow(grads).values()))
    assert (rms[:-1] <= rms[1:] / 4 * (1 + 1e-5)).all()
    assert rms[0] <= 0.25**DEPTH * (1 + 1e-5)
    assert rms[0] > 0


def test_the_figure():
    depths = np.arange(30)
    flows = {
        "sigmoid": {f"layer{i}": 0.2 ** (30.0 - i) for i in depths},
        "ReLU": {f"layer{i}": 0.9 ** (30.0 - i) for i in depths},
        "residual": {f"block{i}": 0.1 for i in depths[:20]},
    }
    figure = plot_gradient_flow(flows)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert [line.get_label() for line in axes.lines] == list(flows)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), list(flows["sigmoid"].values()))
    assert axes.get_xlabel() == "layer"
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_few_layers_of_one_name_are_written_and_a_line_ends_where_there_is_no_gradient():
    names = ("c1", "c3", "c5", "f6", "a very long name of a layer")
    flow = dict(zip(names, (0.0, np.nan, 0.1, 1, 2.0), strict=True))
    figure = plot_gradient_flow({"dead": flow, "alive": dict.fromkeys(names, 1.0)})
    (axes,) = figure.axes
    assert axes.get_xticklabels()[0].get_text() == "c1"
    assert all(label.get_fontsize() >= SMALL for label in axes.get_xticklabels())
    assert np.isnan(axes.lines[0].get_ydata()[:2]).all()
    figure.draw_without_rendering()
    window = figure.bbox
    for label in axes.get_xticklabels():
        assert label.get_window_extent().y0 >= window.y0


@pytest.mark.parametrize(
    ("flows", "says"),
    [({}, "layers for each"), ({"a": {}}, "layers for each"), ({"a": {"b": 0.0}}, "not 0")],
)
def test_figures_of_nothing_are_refused(flows, says):
    with pytest.raises(ValueError, match=says):
        plot_gradient_flow(flows)


def test_no_gradients_are_refused():
    with pytest.raises(ValueError, match="at least one array"):
        gradient_flow({})
