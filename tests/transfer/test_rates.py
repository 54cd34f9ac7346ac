"""Rates by depth: each parameter's, by hand, for any optimizer before them."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from jaxvision import optim
from jaxvision.models import make_model
from jaxvision.transfer import depths_of, discriminate, unfreeze_gradually

IMAGE = jnp.ones((1, 16, 16, 1))
MODEL = make_model("lenet5", 10)
VARIABLES = MODEL.init(jax.random.key(0), IMAGE, train=False)
PARAMS = VARIABLES["params"]
STAGES = ("c1", "c3", "f6")
DEPTHS = {"c1": 3, "c3": 2, "c5": 1, "f6": 1, "output": 0}


def updates_of(optimizer, count):
    state, gradients = optimizer.init(PARAMS), jax.tree.map(jnp.cos, PARAMS)
    every = []
    for _ in range(count):
        updates, state = optimizer.update(gradients, state, PARAMS)
        every.append(updates)
    return every


def test_a_parameter_is_as_deep_as_there_are_stages_above_it():
    depths = depths_of(MODEL, VARIABLES, IMAGE, STAGES)
    chex.assert_trees_all_equal_structs(depths, PARAMS)
    for path, depth in flatten_dict(depths).items():
        assert depth == DEPTHS[path[0]]


@pytest.mark.parametrize("factor", [1.0, 0.4])
def test_the_rate_is_smaller_by_a_factor_a_stage(factor):
    depths = depths_of(MODEL, VARIABLES, IMAGE, STAGES)
    plain = updates_of(optim.adam(0.1), 3)
    scaled = updates_of(optax.chain(optim.adam(0.1), discriminate(depths, factor)), 3)
    for a, b in zip(plain, scaled, strict=True):
        for layer, depth in DEPTHS.items():
            expected = jax.tree.map(lambda u, d=depth: factor**d * u, a[layer])
            chex.assert_trees_all_close(b[layer], expected, rtol=1e-6)


def test_a_factor_is_an_axis_of_a_sweep():
    depths = depths_of(MODEL, VARIABLES, IMAGE, STAGES)

    def first(factor):
        return updates_of(discriminate(depths, factor), 1)[0]["c1"]["kernel"]

    together = jax.vmap(first)(jnp.array([0.5, 0.1]))
    np.testing.assert_allclose(together[0] / together[1], 125.0, rtol=1e-5)


def test_stages_join_one_after_the_other():
    depths = depths_of(MODEL, VARIABLES, IMAGE, STAGES)
    plain = updates_of(optim.adam(0.1), 8)
    gradual = updates_of(optax.chain(optim.adam(0.1), unfreeze_gradually(depths, 2)), 8)
    for t, (a, b) in enumerate(zip(plain, gradual, strict=True)):
        for layer, depth in DEPTHS.items():
            if t >= 2 * depth:
                chex.assert_trees_all_equal(a[layer], b[layer])
            else:
                assert not any(np.any(x) for x in jax.tree.leaves(b[layer]))


def test_bad_input_is_named():
    depths = depths_of(MODEL, VARIABLES, IMAGE, STAGES)
    for factor in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"`factor` must be .*\(0, 1\]"):
            discriminate(depths, factor)
    with pytest.raises(ValueError, match="`every` must be a whole number from 1 on"):
        unfreeze_gradually(depths, 0)
    with pytest.raises(ValueError, match="`stages` must name at least one"):
        depths_of(MODEL, VARIABLES, IMAGE, [])
    for stages in (("c3", "c1"), ("c1", "c1"), ("c1", "s2")):
        with pytest.raises(ValueError, match="`stages` must go from the image to the head, but '"):
            depths_of(MODEL, VARIABLES, IMAGE, stages)
    with pytest.raises(ValueError, match="`feature` is unknown: 'c2'"):
        depths_of(MODEL, VARIABLES, IMAGE, ["c2"])
