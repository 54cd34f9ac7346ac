"""Candidates and objects: by hand, by loops, and what a draw keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.ops.matching import BACKGROUND, NEITHER, draw, match


def by_loops(overlap, mask, high, low, best):
    matched = []
    for row in overlap:
        row = [x if m else -1.0 for x, m in zip(row, mask, strict=True)]
        nearest = int(np.argmax(row))
        if row[nearest] >= high:
            matched.append(nearest)
        else:
            matched.append(BACKGROUND if row[nearest] < low else NEITHER)
    if best:
        candidates = {}
        for j, m in enumerate(mask):
            largest = max(row[j] for row in overlap)
            for i, row in enumerate(overlap):
                if m and largest > 0 and row[j] == largest:
                    candidates.setdefault(i, []).append(j)
        for i, objects in candidates.items():
            matched[i] = max(objects, key=lambda j: (overlap[i][j], -j))
    return matched


def test_by_hand():
    overlap = jnp.array([[0.8, 0.1], [0.5, 0.2], [0.1, 0.2], [0.0, 0.45], [0.0, 0.0]])
    mask = jnp.array([True, True])
    assert match(overlap, mask, 0.7, 0.3).tolist() == [0, NEITHER, BACKGROUND, NEITHER, BACKGROUND]
    forced = match(overlap, mask, 0.7, 0.3, best=True)
    assert forced.tolist() == [0, NEITHER, BACKGROUND, 1, BACKGROUND]


def test_an_object_has_its_best_candidate_though_that_overlaps_another_more():
    overlap = jnp.array([[0.8, 0.0], [0.6, 0.4]])
    assert match(overlap, jnp.array([True, True]), 0.7, 0.3, best=True).tolist() == [0, 1]


def test_what_is_no_object_matches_nothing():
    overlap = jnp.array([[0.2, 0.9], [0.0, 0.9]])
    matched = match(overlap, jnp.array([True, False]), 0.7, 0.3, best=True)
    assert matched.tolist() == [0, BACKGROUND]
    nothing = match(overlap, jnp.array([False, False]), 0.7, 0.3, best=True)
    assert nothing.tolist() == [BACKGROUND, BACKGROUND]


def test_an_object_that_nothing_touches_has_no_candidate():
    assert match(jnp.zeros((3, 1)), jnp.array([True]), 0.7, 0.3, best=True).tolist() == [-1] * 3


levels = st.sampled_from([0.0, 0.1, 0.3, 0.31, 0.5, 0.7, 0.71, 0.9])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(levels, min_size=3, max_size=3), min_size=5, max_size=5),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.booleans(),
)
def test_as_loops_say(overlap, mask, best):
    matched = match(jnp.array(overlap), jnp.array(mask), 0.7, 0.3, best=best)
    overlap = np.asarray(overlap, np.float32).tolist()
    high, low = float(np.float32(0.7)), float(np.float32(0.3))
    assert matched.tolist() == by_loops(overlap, mask, high, low, best)


@pytest.mark.parametrize(
    ("objects", "background", "wanted"),
    [(20, 40, (4, 4)), (2, 40, (2, 6)), (20, 3, (4, 3)), (0, 40, (0, 8)), (0, 2, (0, 2))],
)
def test_a_draw_is_filled_up_with_background(objects, background, wanted):
    kinds = jnp.arange(64)
    is_object, is_background = kinds < objects, (kinds >= objects) & (kinds < objects + background)
    drawn = draw(jax.random.key(0), is_object, is_background, 8, 0.5)
    assert tuple(int(x.sum()) for x in drawn) == wanted
    assert not np.any(drawn[0] & ~is_object)
    assert not np.any(drawn[1] & ~is_background)


def test_every_candidate_is_drawn_as_often():
    is_object, is_background = jnp.arange(12) < 4, jnp.arange(12) >= 4
    keys = jax.random.split(jax.random.key(0), 4000)
    some, others = jax.vmap(lambda key: draw(key, is_object, is_background, 6, 0.5))(keys)
    # 3 of 4 and 3 of 8, n = 4000: a standard deviation is below 0.008.
    np.testing.assert_allclose(some.mean(axis=0)[:4], 0.75, atol=0.035)
    np.testing.assert_allclose(others.mean(axis=0)[4:], 0.375, atol=0.035)
