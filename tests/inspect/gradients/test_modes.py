"""What a Jacobian costs by forward and by reverse mode: counts by hand, and how they grow."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.gradients import JacobianCosts, jacobian_costs, plot_mode_costs

HIDDEN = 16


def layers(x, outputs):
    """tanh(x A) B, from any number to any."""
    a = jnp.ones((x.size, HIDDEN))
    return jnp.tanh(x @ a) @ jnp.ones((HIDDEN, outputs))


def costs(inputs, outputs):
    return jacobian_costs(partial(layers, outputs=outputs), jnp.zeros(inputs))


def test_operations_of_a_square_by_hand():
    # Of sum x^2, forward: m columns of m products and additions; reverse: one row, 2 x.
    found = jacobian_costs(lambda x: jnp.sum(x**2), jnp.zeros(64))
    assert (found.inputs, found.outputs) == (64, 1)
    assert 64**2 <= found.forward <= 4 * 64**2
    assert found.reverse <= 4 * 64


def test_forward_costs_grow_with_the_inputs_and_reverse_with_the_outputs():
    base, wide, long = costs(8, 8), costs(64, 8), costs(8, 64)
    assert wide[:2] == (64, 8)
    # The pass itself grows with the inputs, too, by at most the same factor.
    assert wide.forward / base.forward > 8 > long.reverse / base.reverse / 8 > 0.7
    assert wide.forward > 4 * wide.reverse
    assert long.reverse > 4 * long.forward


def test_a_loss_is_cheap_in_reverse_mode_alone():
    found = costs(128, 1)
    assert found.forward > 30 * found.reverse


def test_nothing_is_run():
    huge = np.broadcast_to(np.float32(0), (4,))
    assert jacobian_costs(lambda x: x, jnp.asarray(huge)).inputs == 4


def test_the_figure():
    def some(rising, others, name):
        return [
            JacobianCosts(*((n, others) if name == "inputs" else (others, n)), 2.0 * n, 5.0)
            for n in rising
        ]

    figure = plot_mode_costs(some((1, 10, 100), 1, "inputs"), some((2, 4), 50, "outputs"))
    by_inputs, by_outputs = figure.axes
    assert by_inputs.get_title(loc="left") == "1 output"
    assert by_outputs.get_title(loc="left") == "50 inputs"
    assert by_inputs.get_xscale() == by_inputs.get_yscale() == "log"
    np.testing.assert_array_equal(by_inputs.lines[0].get_ydata(), [2, 20, 200])
    np.testing.assert_array_equal(by_outputs.lines[1].get_xdata(), [2, 4])
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_figures_of_other_series_are_refused():
    a, b, c = JacobianCosts(1, 1, 1, 1), JacobianCosts(2, 1, 1, 1), JacobianCosts(3, 2, 1, 1)
    for by_inputs in ([a], [b, a], [a, c]):
        with pytest.raises(ValueError, match="`by_inputs` must be at least two with rising inputs"):
            plot_mode_costs(by_inputs, [a, b])


@pytest.mark.parametrize("fn", [lambda x: (x, x), lambda x: x > 0])
def test_functions_that_have_no_jacobian_are_refused(fn):
    with pytest.raises(ValueError, match="one array of floating point"):
        jacobian_costs(fn, jnp.ones(2))
