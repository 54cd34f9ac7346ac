"""The flat program and what it counts, on functions small enough to count by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxvision.inspect import conv_macs
from jaxvision.inspect.program import find_sources, read_program

ROW = jax.ShapeDtypeStruct((1, 6), jnp.float32)
IMAGE = jax.ShapeDtypeStruct((1, 9, 8, 4), jnp.float32)
SQUARE = np.ones((6, 6), np.float32)


def macs(fn, *shapes):
    return sum(operation.macs for operation in read_program(fn, *shapes).operations)


def conv(x, kernel, *, groups=1, stride=(1, 1), padding="VALID", **options):
    inputs, outputs = x.shape[-1] // groups, 6
    return lax.conv_general_dilated(
        x,
        jnp.ones((*kernel, inputs, outputs)),
        stride,
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
        **options,
    )


def test_counts_convolutions_as_the_formula_does():
    assert macs(lambda x: conv(x, (3, 2)), IMAGE) == conv_macs((7, 7), (3, 2), 4, 6)
    assert macs(lambda x: conv(x, (3, 2), groups=2), IMAGE) == conv_macs(
        (7, 7), (3, 2), 4, 6, groups=2
    )
    dilated = macs(lambda x: conv(x, (3, 2), rhs_dilation=(2, 3), stride=(2, 1)), IMAGE)
    assert dilated == conv_macs((3, 5), (3, 2), 4, 6)
    padded = macs(lambda x: conv(x, (3, 3), padding="SAME"), IMAGE)
    assert padded == conv_macs((9, 8), 3, 4, 6)


def test_a_transposed_convolution_multiplies_each_pixel_by_the_kernel_once():
    def enlarge(x):
        return conv(x, (2, 2), padding=((1, 1), (1, 1)), lhs_dilation=(2, 2))

    assert macs(enlarge, IMAGE) == 9 * 8 * 2 * 2 * 4 * 6


def test_counts_matrix_products_with_their_batch():
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((5, 2, 3), (5, 3, 7))]
    assert macs(lambda a, b: a @ b, *shapes) == 5 * 2 * 3 * 7
    assert macs(lambda a, b: jnp.einsum("bij,bjk->k", a, b), *shapes) >= 5 * 3 * 7


def test_calls_leave_nothing_but_what_they_call():
    @jax.jit
    @jax.checkpoint
    def layer(x):
        return jax.nn.relu(jnp.sin(x) @ SQUARE)

    program = read_program(lambda x: layer(layer(x)), ROW)
    names = [operation.name for operation in program.operations]
    assert names == ["sin", "dot_general", "max"] * 2


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_is_its_rounds(reverse):
    def scan(x, weights):
        return lax.scan(lambda x, w: (x @ w, x.sum()), x, weights, reverse=reverse)

    weights = jax.ShapeDtypeStruct((5, 6, 6), jnp.float32)
    program = read_program(scan, ROW, weights)
    assert macs(scan, ROW, weights) == 5 * 36
    slices = [o.params["start_indices"][0] for o in program.operations if o.name == "slice"]
    assert slices == list(range(5))[:: -1 if reverse else 1]
    # The sums are stacked by place and not by time: those of x itself come first, or last.
    found = find_sources(program, [o.outputs[0] for o in program.operations if o.macs])
    (stack,) = (operation for operation in program.operations if operation.name == "stack")
    depths = [bin(found[array]).count("1") for array in stack.inputs]
    assert depths == list(range(5))[:: -1 if reverse else 1]


def test_a_scan_of_no_rounds_gives_its_carry_back():
    program = read_program(lambda x: lax.scan(lambda x, w: (x, w), x, jnp.ones((0, 2))), ROW)
    assert program.outputs[0] == program.inputs[0]
    assert program.arrays[program.outputs[1]].shape == (0, 2)


def test_of_branches_the_dearest_counts():
    def branch(which, x):
        return lax.switch(which, [lambda x: x @ SQUARE, lambda x: x @ SQUARE @ SQUARE, jnp.sin], x)

    assert macs(branch, jax.ShapeDtypeStruct((), jnp.int32), ROW) == 2 * 36


def test_a_loop_of_unknown_length_is_refused_if_it_holds_layers():
    def until(x, layer):
        return lax.while_loop(lambda x: x.sum() < 1, layer, x)

    with pytest.raises(ValueError, match="its `while` holds convolutions or dense layers"):
        read_program(lambda x: until(x, jax.jit(lambda x: x @ SQUARE)), ROW)
    program = read_program(lambda x: until(x, lambda x: x + 1), ROW)
    assert [operation.name for operation in program.operations] == ["while"]


def test_no_operation_has_an_integer_of_numpy():
    program = read_program(lambda x: jnp.pad(jnp.split(x, 2, 1)[0], ((0, 0), (1, 2))), ROW)
    leaves = jax.tree.leaves([operation.params for operation in program.operations])
    assert not any(isinstance(leaf, np.integer) for leaf in leaves)


def test_sources_are_found_through_everything_or_up_to_the_next():
    program = read_program(lambda x, y: (x + y, jnp.sin(jnp.sin(x))), ROW, ROW)
    (x, y), (total, _) = program.inputs, program.outputs
    _, once, twice = (operation.outputs[0] for operation in program.operations)
    marked = [x, y, once]
    everything, nearest = (find_sources(program, marked, stop) for stop in ((), marked))
    assert everything[total] == nearest[total] == 1 << x | 1 << y
    assert everything[twice] == 1 << x | 1 << once
    assert nearest[twice] == 1 << once
