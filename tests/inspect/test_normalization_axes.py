"""The picture says what Flax's layers do: what it shows in one colour has mean 0 and variance 1."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxvision.inspect.normalization_axes import (
    CHANNELS,
    GROUPS,
    IMAGES,
    PIXELS,
    SHARED,
    SHARES,
    plot_normalization_axes,
)

LAYERS = {
    "batch norm": nn.BatchNorm(use_running_average=False),
    "layer norm": nn.LayerNorm(reduction_axes=(1, 2, 3)),
    "instance norm": nn.InstanceNorm(),
    "group norm": nn.GroupNorm(num_groups=GROUPS),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_shares_its_statistics_is_normalised_and_the_smaller_sets_are_not(name):
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (IMAGES, 3, PIXELS, CHANNELS))
    x = x * jax.random.uniform(jax.random.key(1), (IMAGES, 1, 1, CHANNELS), minval=0.5, maxval=2)
    y, _ = LAYERS[name].init_with_output(jax.random.key(2), x)
    shares = np.array(
        [[SHARES[name](image, channel) for channel in range(CHANNELS)] for image in range(IMAGES)]
    )
    values = np.asarray(y).transpose(0, 3, 1, 2)[shares]
    assert values.mean() == pytest.approx(0, abs=1e-5)
    assert values.var() == pytest.approx(1, abs=1e-4)
    alone = np.asarray(y)[0, :, :, 0]
    assert (abs(alone.var() - 1) < 1e-4) == (name == "instance norm")


def test_draws_the_four_blocks_with_the_shared_numbers_in_colour():
    figure = plot_normalization_axes()
    assert [axes.get_title().splitlines()[0] for axes in figure.axes] == list(SHARES)
    for axes, shares in zip(figure.axes, SHARES.values(), strict=True):
        colored = sum(to_hex(patch.get_facecolor()) == SHARED for patch in axes.patches)
        cells = sum(shares(i, c) for i in range(IMAGES) for c in range(CHANNELS))
        assert colored == cells * PIXELS * 3  # three faces a cube
