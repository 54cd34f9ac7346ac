"""The formulas of one layer, against XLA's own shapes and the course's worked examples."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxvision.inspect import (
    conv_macs,
    conv_output_size,
    conv_parameters,
    dense_parameters,
    pool_output_size,
    receptive_field,
)
from jaxvision.ops.pooling import ceil_padding

small = st.integers(1, 5)


@given(
    size=st.integers(1, 40),
    kernel=small,
    stride=small,
    dilation=small,
    padding=st.sampled_from(["valid", "same", "full"]) | small | st.tuples(small, small),
)
@settings(max_examples=60, deadline=None)
def test_output_sizes_are_those_of_xla(size, kernel, stride, dilation, padding):
    extent = dilation * (kernel - 1) + 1
    explicit = {"full": (extent - 1, extent - 1)}.get(padding, padding)
    if isinstance(explicit, int):
        explicit = (explicit, explicit)
    theirs = explicit.upper() if isinstance(explicit, str) else (explicit,)
    (_, _, expected) = jax.eval_shape(
        lambda x, w: lax.conv_general_dilated(x, w, (stride,), theirs, rhs_dilation=(dilation,)),
        jnp.zeros((1, 1, size)),
        jnp.zeros((1, 1, kernel)),
    ).shape
    if expected == 0:
        with pytest.raises(ValueError, match="`size` must leave room for a window"):
            conv_output_size(size, kernel, stride=stride, dilation=dilation, padding=padding)
        return
    ours = conv_output_size(size, kernel, stride=stride, dilation=dilation, padding=padding)
    assert ours == expected


def test_output_sizes_of_the_course():
    assert conv_output_size(5, 3, padding=1) == 5
    assert conv_output_size(512, 3, stride=2, padding="same") == 256
    assert conv_output_size(256, 1) == 256
    assert conv_output_size(32, 5) == 28 and pool_output_size(28, 2) == 14  # LeNet-5
    assert conv_output_size(227, 11, stride=4) == 55  # AlexNet, and 224 would not do:
    assert (224 - 11) % 4 and pool_output_size(55, 3, stride=2) == 27
    (rows, _) = ceil_padding(112, 112, window=3, stride=2)
    assert pool_output_size(112, 3, stride=2, padding=rows) == 56  # GoogLeNet


def test_parameters_of_the_course():
    assert conv_parameters(5, 1, 6) == 156
    assert dense_parameters(32 * 32, 28 * 28 * 6) == 4_821_600
    assert conv_parameters(7, 16, 16) == 12_560
    assert 3 * conv_parameters(3, 16, 16) == 6_960
    # 512 x 512 x 3, 3x3 with stride 2 to 16 channels, 1x1 to 8
    assert conv_parameters(3, 3, 16) + conv_parameters(1, 16, 8) == 448 + 136
    assert conv_macs(256, 3, 3, 16) + conv_macs(256, 1, 16, 8) == 256 * 256 * (432 + 128)


def test_parameters_and_macs_of_groups_rectangles_and_no_bias():
    assert conv_parameters((1, 7), 6, 4, groups=2) == (7 * 3 + 1) * 4
    assert conv_parameters((1, 7), 6, 4, groups=2, bias=False) == 7 * 3 * 4
    assert conv_macs((5, 9), (1, 7), 6, 4, groups=2) == 5 * 9 * 7 * 3 * 4
    assert dense_parameters(7, 5, bias=False) == 35


def test_receptive_fields_add_up():
    assert receptive_field([]) == 1
    assert receptive_field([(3, 1)] * 3) == receptive_field([(7, 1)]) == 7
    assert receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)]) == 16  # LeNet-5 up to s4
    vgg16 = [layer for depth in (2, 2, 3, 3, 3) for layer in [(3, 1)] * depth + [(2, 2)]]
    assert receptive_field(vgg16) == 212


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_output_size(5, 0), "`kernel` must be at least 1, got 0"),
        (lambda: conv_output_size(5, 3, stride=0), "`stride` must be at least 1"),
        (lambda: conv_output_size(5, 3, dilation=-1), "`dilation` must be at least 1"),
        (lambda: conv_output_size(0, 3), "`size` must be at least 1"),
        (lambda: conv_output_size(5, 3, padding=-1), "`padding` must be .* got -1"),
        (lambda: conv_output_size(5, 3, padding=(1, -1)), r"`padding` must be .* got \(1, -1\)"),
        (lambda: conv_output_size(5, 7), "room for a window of 7 pixels, got 5 and 0"),
        (lambda: conv_parameters(3, 6, 4, groups=3), "`groups` must divide .* got 3 for 6"),
        (lambda: conv_macs(5, 3, 5, 4, groups=2), "`groups` must divide"),
    ],
)
def test_names_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
