"""`jaxvision.style.tiles`: sums, features and gradients by windows are those of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.style.objective import (
    Targets,
    Weights,
    content_reference,
    losses,
    plan,
    region_maps,
    style_reference,
)
from jaxvision.style.statistics import STATISTICS
from jaxvision.style.tiles import _plan_axis, plan_windows

REACHES = [(1, 1, 1), (2, 4, 4), (8, 34, 34), (16, 58, 58)]


@given(st.integers(1, 5000), st.integers(160, 700))
@settings(max_examples=200, deadline=None)
def test_cores_cover_an_axis_once_and_have_their_halos(length, size):
    windows = _plan_axis(length, size, REACHES)
    assert windows.size <= size + 15
    ends = [end for _, end in windows.cores]
    assert [start for start, _ in windows.cores] == [0, *ends[:-1]]
    assert ends[-1] == length
    for start, (first, end) in zip(windows.starts, windows.cores, strict=True):
        assert start % 16 == 0 and end > first
        assert start + windows.size <= length
        assert start == 0 or first - start >= 58
        assert start + windows.size == length or start + windows.size - end >= 58
        assert first % 16 == 0
    # No larger than so many windows must be: each halo is 58, rounded to 64, each core to 16.
    number = len(windows.starts)
    assert number == 1 or number * windows.size <= length + 128 * (number - 1) + 32 * number


def test_an_axis_that_fits_is_one_window():
    assert _plan_axis(300, 300, REACHES).starts == (0,)
    assert len(_plan_axis(900, 300, REACHES).starts) > 1


def test_a_window_without_room_for_a_core_is_refused(encoder):
    layer = [encoder.layers["relu5_1"]]
    with pytest.raises(ValueError, match=r"`window` must leave room .* got 64: choose \d+ or more"):
        plan_windows(500, 500, layer, 64)


def test_a_feature_that_sees_everything_is_refused(encoder):
    from jaxvision.inspect import summarize_model

    flat = summarize_model(encoder.model, (64, 64, 3)).features[-1]
    with pytest.raises(ValueError, match="flat, which sees all"):
        plan_windows(500, 500, [flat], 256)


def problem(encoder, objective, picture, window, height=213, width=309, masks=False):
    """The loss as a function of the image, and an image."""
    content, style = (jnp.asarray(picture(height, width, seed))[None] for seed in (0, 1))
    grid = plan(encoder, objective, height, width, window)
    regions = {}
    if masks:
        left = np.linspace(1, 0, width, dtype=np.float32) ** 2 * np.ones((height, 1), np.float32)
        regions = region_maps(encoder, objective, np.stack([left, 1 - left]))

    @jax.jit
    def references(content, style):
        return (
            content_reference(encoder, objective, grid, content),
            (style_reference(encoder, objective, grid, style),) * (2 if masks else 1),
        )

    targets = Targets(*references(content, style), regions)
    weights = Weights(0.5, 1.0, 0.1, jnp.ones(len(targets.styles)))

    def loss(image):
        return losses(encoder, objective, grid, image, targets, weights).total[0]

    return grid, targets, loss, jax.random.uniform(jax.random.key(7), content.shape)


@pytest.mark.parametrize("masks", [False, True], ids=["everywhere", "masks"])
@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=STATISTICS.keys())
def test_loss_and_gradient_by_windows_are_those_of_the_whole(
    encoder, objective, picture, statistic, masks, unchecked
):
    objective = objective._replace(statistic=statistic)
    whole, whole_targets, whole_loss, image = problem(
        encoder, objective, picture, 1000, masks=masks
    )
    parts, parts_targets, parts_loss, _ = problem(encoder, objective, picture, 160, masks=masks)
    assert (len(whole), len(parts) >= 6) == (1, True)
    # The root of a matrix has few right digits where its eigenvalues are near 0.
    rooted = statistic is STATISTICS["wasserstein"]
    tolerance = 2e-3 if rooted else 1e-5
    for one, other in zip(*map(jax.tree.leaves, (whole_targets, parts_targets)), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(one).max())
    value, gradient = jax.jit(jax.value_and_grad(whole_loss))(image)
    other_value, other_gradient = jax.jit(jax.value_and_grad(parts_loss))(image)
    np.testing.assert_allclose(other_value, value, rtol=1e-5)
    error = np.linalg.norm(gradient - other_gradient) / np.linalg.norm(gradient)
    assert error < (1e-4 if rooted else 1e-5)


def test_memory_is_that_of_a_window(encoder, objective, picture, unchecked):
    """The gradient's temporary memory hardly grows with the image: XLA's own account of it."""

    def temporary(side, window):
        *_, loss, image = problem(encoder, objective, picture, window, side, side)
        compiled = jax.jit(jax.grad(loss)).lower(image).compile()
        pixels = 12 * side**2  # the image's gradient and what it is added to
        return compiled.memory_analysis().temp_size_in_bytes - 3 * pixels

    small, large, whole = temporary(320, 192), temporary(640, 192), temporary(640, 1000)
    assert large < 1.5 * small
    assert whole > 3 * large  # without windows
