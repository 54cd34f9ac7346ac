"""Wrong derivatives are found and named, kinks are told from them, and right ones pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect.gradients import check_gradients

ROW = jnp.linspace(-1, 1, 5)
PARAMS = {"layer": {"kernel": ROW[:4].reshape(2, 2) + 0.1, "bias": jnp.asarray([0.4, -0.3])}}


def network(params, activation):
    x = jnp.asarray([0.3, -0.6], params["layer"]["kernel"].dtype)
    return jnp.sum(activation(x @ params["layer"]["kernel"] + params["layer"]["bias"]) ** 2)


def with_vjp(slope):
    """A sine whose custom VJP is `slope`."""
    sine = jax.custom_vjp(jnp.sin)
    sine.defvjp(lambda x: (jnp.sin(x), x), lambda x, dy: (slope(x) * dy,))
    return sine


def with_jvp(slope):
    sine = jax.custom_jvp(jnp.sin)
    sine.defjvp(lambda x, dx: (jnp.sin(*x), slope(*x) * dx[0]))
    return sine


@pytest.mark.parametrize("activation", [jnp.sin, jax.nn.sigmoid, with_jvp(jnp.cos)])
def test_right_gradients_pass(activation):
    check = check_gradients(lambda p: network(p, activation), PARAMS)
    assert (check.verdict, check.kinks, check.failures) == ("passes", (), ())
    assert len(check.elements) == 6 and check.forward_mode
    # Richardson's differences in float64 are good for far more than the tolerance.
    assert check.worst.error < 1e-9


def test_a_right_custom_vjp_passes_without_forward_mode():
    check = check_gradients(lambda p: network(p, with_vjp(jnp.cos)), PARAMS)
    assert check.verdict == "passes"
    assert not check.forward_mode and all(e.forward is None for e in check.elements)
    assert "Forward mode is left out" in str(check)


def test_a_wrong_custom_vjp_is_caught_and_its_leaf_named():
    wrong = with_vjp(lambda x: 1.01 * jnp.cos(x))

    def fn(p):
        return jnp.sum(wrong(p["b"])) + jnp.sum(jnp.sin(p["a"])) + jnp.sum(p["c"] ** 2)

    check = check_gradients(fn, {"a": ROW, "b": ROW[:2], "c": ROW[:3]})
    assert check.verdict == "fails"
    assert {(e.path, e.verdict) for e in check.failures} == {("b", "differs")}
    assert len(check.failures) == 2
    np.testing.assert_allclose(check.worst.error, 0.01 / 1.01, rtol=1e-6)
    np.testing.assert_allclose(check.worst.differences, np.cos(check.worst.index[0] / 2 - 1), 1e-7)
    assert "a wrong custom VJP" in str(check)


def test_a_vjp_that_is_wrong_in_one_element_is_caught_and_it_is_named():
    at = jnp.zeros((3, 4)).at[1, 2].set(1)
    wrong = with_vjp(lambda x: jnp.cos(x) * (1 + 1e-5 * at))
    params = {"other": ROW, "conv": {"kernel": jnp.linspace(0, 1, 12).reshape(3, 4)}}

    def fn(p):
        return jnp.sum(wrong(p["conv"]["kernel"])) * jnp.sum(jnp.cos(p["other"]))

    check = check_gradients(fn, params)
    (failure,) = check.failures
    assert failure == check.worst
    assert (failure.path, failure.index) == ("conv/kernel", (1, 2))
    assert failure.name == "conv/kernel[1, 2]" and "conv/kernel[1, 2]" in str(check)
    np.testing.assert_allclose(failure.error, 1e-5, rtol=1e-2)
    assert check_gradients(fn, params, tolerance=2e-5).verdict == "passes"


def test_a_wrong_custom_jvp_is_wrong_in_both_modes():
    check = check_gradients(lambda x: jnp.sum(with_jvp(jnp.sin)(x)), ROW)
    assert check.verdict == "fails" and check.forward_mode
    assert {e.verdict for e in check.failures} == {"differs"}
    assert "a wrong custom JVP" in str(check)


def test_modes_that_disagree_are_told_apart():
    # A linear function, y = 3 x, whose transpose is stated as 6 x.
    def fn(x):
        y = jax.lax.custom_linear_solve(
            lambda y: y / 3, x, lambda _, x: 3 * x, transpose_solve=lambda _, dy: 6 * dy
        )
        return jnp.sum(y**2)

    check = check_gradients(fn, ROW[:2])
    assert {e.verdict for e in check.failures} == {"modes disagree"}
    assert "Reverse mode is the one that is off" in str(check)


def test_relu_at_exactly_0_is_a_kink_and_no_failure():
    check = check_gradients(lambda x: jnp.sum(jax.nn.relu(x) * (1 + x)), ROW)
    assert [e.name for e in check.kinks] == ["params[2]"]
    assert (check.verdict, len(check.elements)) == ("passes", 5)
    assert "Kinks, where no gradient is the right one: params[2]." in str(check)
    (kink,) = check.kinks
    assert (kink.reverse, kink.error) == (0, 1)  # half the slope, by differences
    np.testing.assert_allclose(kink.differences, 0.5, rtol=1e-3)


def test_a_kink_anywhere_in_the_step_is_one():
    shares = np.array([0, 1 / 8, 1 / 6, 1 / 3, 0.45, 0.55, 0.8])
    kinks = 0.5 + 1e-3 * np.concatenate([shares, -shares, [2, -2]])

    def fn(x):
        return jnp.sum(jnp.maximum(x, kinks) + jnp.exp(x))

    check = check_gradients(fn, np.full(len(kinks), 0.5), step=1e-3)
    assert [e.index for e in check.kinks] == [(i,) for i in range(2 * len(shares))]
    assert not check.failures


def test_a_kink_does_not_hide_a_wrong_gradient_beside_it():
    relu = jax.custom_vjp(jax.nn.relu)
    relu.defvjp(lambda x: (jax.nn.relu(x), x), lambda x, dy: (dy * (x > 0) * 1.5,))
    check = check_gradients(lambda x: jnp.sum(relu(x)), ROW)
    assert [e.index for e in check.failures] == [(3,), (4,)]
    assert [e.index for e in check.kinks] == [(2,)]


def test_only_kinks_say_nothing():
    check = check_gradients(lambda x: jnp.sum(jnp.abs(x)), jnp.zeros(7))
    assert (check.verdict, check.worst, len(check.kinks)) == ("kink", None, 7)
    assert "params[4] and 2 more" in str(check)


@pytest.mark.parametrize("fn", [jnp.floor, lambda x: jnp.where(x < 0, 0, 1 + x)])
def test_a_jump_is_no_kink(fn):
    check = check_gradients(lambda x: jnp.sum(fn(x)), ROW[1:4])
    assert [e.index for e in check.failures] == [(1,)] and not check.kinks
    assert "no smooth function" in str(check)


def test_a_wrong_gradient_where_the_true_one_is_0_is_no_kink():
    wrong = with_vjp(lambda x: jnp.cos(x) + 1e-3)
    check = check_gradients(lambda x: jnp.sum(wrong(x)), jnp.asarray([np.pi / 2], jnp.float32))
    assert check.verdict == "fails"


def test_terms_that_cancel_are_no_failure():
    # The value is 0, its terms are not, and the derivative of b is 0 up to what they round to.
    check = check_gradients(
        lambda p: jnp.sum(jnp.sin(p["a"]) * jnp.exp(p["b"])), {"a": ROW, "b": jnp.asarray(2.0)}
    )
    assert check.verdict == "passes"


def test_a_derivative_that_is_not_finite_is_a_failure_and_named():
    check = check_gradients(lambda x: jnp.sum(jnp.sqrt(x - 1)), jnp.asarray([2.0, 1.0]))
    # Forward mode is NaN for the other too: 0 times the infinite slope.
    assert {(e.verdict, e.error) for e in check.failures} == {("not finite", np.inf)}
    assert (check.worst.index, check.worst.reverse) == ((1,), np.inf)
    assert "quotient at 0" in str(check)


def test_elements_are_drawn_by_the_seed_from_each_leaf():
    params = {"a": jnp.ones((20, 10)), "b": jnp.ones(3), "none": jnp.ones((0, 4))}

    def draw(seed):
        check = check_gradients(lambda p: sum(map(jnp.sum, p.values())), params, elements=8,
                                seed=seed)  # fmt: skip
        assert [len(leaf.elements) for leaf in check.leaves] == [8, 3, 0]
        return [e.index for e in check.elements]

    assert draw(0) == draw(0) != draw(1)
    assert len(set(draw(0)[:8])) == 8


def test_float32_callers_are_widened_and_the_setting_is_untouched():
    x = ROW.astype(jnp.bfloat16)
    check = check_gradients(lambda p: jnp.sum(jnp.sin(p["x"])), {"x": x})
    assert check.worst.error < 1e-9
    assert not jax.config.jax_enable_x64


def test_the_table():
    check = check_gradients(lambda p: network(p, jnp.sin), PARAMS, elements=3)
    lines = str(check).splitlines()
    assert lines[0].split() == ["leaf", "shape", "checked", "kinks", "failures", "largest", "error"]
    assert lines[1].split()[:5] == ["layer/bias", "2", "2", "0", "0"]
    assert lines[2].split()[:5] == ["layer/kernel", "2x2", "3", "0", "0"]
    assert lines[4] == "Verdict: passes, at a relative error of 1e-06."
    assert lines[5].startswith(f"The worst is {check.worst.name}, forward mode ")
    assert max(map(len, lines)) <= 160


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"params": jnp.arange(3)}, "floating point"),
        ({"fn": lambda x: x}, "one number"),
        ({"fn": lambda x: jnp.log(-jnp.sum(x))}, "finite"),
        ({"tolerance": 0}, "`tolerance`"),
        ({"elements": 0}, "`elements`"),
        ({"step": -1.0}, "`step`"),
    ],
)
def test_bad_arguments_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        check_gradients(**{"fn": jnp.sum, "params": jnp.ones(2)} | arguments)
