"""Which form is built, and that a compiled function follows the choice."""

import jax
import jax.numpy as jnp
import pytest

from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.grouped_conv import MAX_BLOCKS
from jaxvision.ops.platform import CPU, PLAIN, form, prefers_cpu_form
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


@pytest.mark.parametrize(("window", "small"), [(5, True), (6, False)])
def test_only_small_windows_are_taken_apart(window, small):
    with form(CPU):
        text = program(lambda x: max_pool(x, window, 1), jnp.zeros((1, 8, 8, 1)))
    assert ("reduce_window" not in text) == small
