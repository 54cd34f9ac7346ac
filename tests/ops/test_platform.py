"""Which form is built, and that a compiled function follows the choice."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.grouped_conv import MAX_BLOCKS
from jaxvision.ops.platform import (
    CPU,
    PLAIN,
    _compiles_with,
    compiler_options,
    form,
    prefers_cpu_form,
)
from jaxvision.ops.pooling import max_pool


def program(function, *arguments):
    return str(jax.make_jaxpr(function)(*arguments))


def test_the_platform_decides_unless_one_is_chosen():
    assert prefers_cpu_form() == (jax.default_backend() == "cpu")
    with form(PLAIN):
        assert not prefers_cpu_form()
        with form(CPU):
            assert prefers_cpu_form()
        assert not prefers_cpu_form()


def test_a_jitted_function_is_traced_again_in_another_form():
    pool = jax.jit(lambda x: max_pool(x, 2, 2))
    x = jnp.zeros((1, 4, 4, 1))
    with form(CPU):
        assert "reduce_window" not in program(pool, x)
    with form(PLAIN):
        assert "reduce_window" in program(pool, x)


@pytest.mark.parametrize(
    ("width", "groups", "convolutions"), [(1, 64, 0), (4, 32, 4), (64, 2, 2), (32, 32, 0)]
)
def test_groups_on_a_cpu_are_few_dense_convolutions_or_none(width, groups, convolutions):
    x = jnp.zeros((1, 4, 4, width * groups))
    kernel = jnp.zeros((3, 3, width, width * groups))
    assert convolutions <= MAX_BLOCKS
    with form(CPU):
        text = program(lambda x, kernel: conv2d(x, kernel, groups=groups), x, kernel)
    assert text.count(" = conv_general_dilated[") == convolutions
    assert text.count("feature_group_count=1\n") == convolutions


def operands(operation, shape, kernel, dtype=jnp.float32, **settings):
    """The shapes of the operands of each `operation` that `conv2d` becomes."""
    arguments = jnp.zeros(shape, dtype), jnp.zeros(kernel, dtype)
    with form(CPU):
        text = jax.jit(partial(conv2d, **settings)).lower(*arguments).as_text()
    found = re.findall(rf"stablehlo.{operation}.* : \(tensor<(.+)x\w+>, tensor<(.+)x\w+>\)", text)
    return [tuple(tuple(map(int, shape.split("x"))) for shape in shapes) for shapes in found]


@pytest.mark.parametrize(
    ("side", "n", "m", "settings", "tiled"),
    [
        (8, 32, 32, {}, True),
        (8, 31, 33, {}, False),
        (8, 33, 31, {}, False),
        (8, 32, 32, {"stride": (1, 2)}, False),
        (8, 32, 32, {"dilation": (2, 1)}, False),
        (8, 32, 32, {"padding": ((1, 1), (3, 0))}, False),
        (8, 32, 48, {}, True),
        (8, 32, 49, {}, False),
        (8, 49, 32, {}, False),
        (8, 32, 32, {"dtype": jnp.bfloat16}, False),
    ],
)
def test_tiles_are_for_many_channels_and_enough_pixels(side, n, m, settings, tiled):
    settings = {"padding": ((1, 1), (1, 1))} | settings
    arguments = (1, side, side, n), (3, 3, n, m)
    assert len(operands("convolution", *arguments, **settings)) == (not tiled)
    products = [((36, 9), (9, n * m)), ((36, 4, n), (36, n, m))] if tiled else []
    assert operands("dot_general", *arguments, **settings) == products


@pytest.mark.parametrize(
    ("width", "n", "m", "wide"),
    [
        (32, 1, 6, (5, 2, 4, 24)),  # 28 outputs in a row: 4 at once, though 5 would fit
        (26, 1, 6, (5, 2, 5, 30)),  # 22: two would divide them, but that is too few
        (32, 8, 16, (5, 3, 16, 32)),
        (32, 9, 16, (5, 5, 9, 16)),
        (32, 8, 17, (5, 5, 8, 17)),
    ],
)
def test_few_channels_become_many(width, n, m, wide):
    ((_, kernel),) = operands("convolution", (1, 32, width, n), (5, 5, n, m))
    assert kernel == wide


def test_a_narrow_convolution_is_no_wider_than_the_image():
    ((_, kernel),) = operands("convolution", (1, 4, 4, 1), (3, 3, 1, 1))
    assert kernel == (3, 2, 2, 2)


def test_compiler_options_are_for_a_cpu_whose_compiler_knows_them(monkeypatch):
    known = compiler_options()
    if jax.default_backend() == "cpu":
        assert jax.jit(jnp.sin, compiler_options=known)(0.0) == 0.0
        assert known and not _compiles_with({"xla_cpu_no_such_option": "1"})
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options.__wrapped__() == {}


@pytest.mark.parametrize(("window", "small"), [(5, True), (6, False)])
def test_only_small_windows_are_taken_apart(window, small):
    with form(CPU):
        text = program(lambda x: max_pool(x, window, 1), jnp.zeros((1, 8, 8, 1)))
    assert ("reduce_window" not in text) == small
