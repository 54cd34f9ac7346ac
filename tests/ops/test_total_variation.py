"""`jaxvision.ops.total_variation`: by hand, against NumPy, and its invariances."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.ops.total_variation import total_variation


def test_by_hand():
    # Across: 1, 4; down: 9, 4; four pixels.
    image = jnp.array([[0.0, 1.0], [3.0, 1.0]])[None, :, :, None]
    np.testing.assert_allclose(total_variation(image), [(1 + 4 + 9 + 0) / 4])


def test_against_numpy():
    x = jax.random.normal(jax.random.key(0), (2, 5, 7, 3))
    y = np.asarray(x, np.float64)
    expected = [((a[1:] - a[:-1]) ** 2).sum() + ((a[:, 1:] - a[:, :-1]) ** 2).sum() for a in y]
    np.testing.assert_allclose(total_variation(x), np.array(expected) / 35, rtol=1e-6)


def test_zero_for_one_colour_and_the_same_for_the_negative():
    x = jax.random.uniform(jax.random.key(0), (1, 6, 6, 3))
    assert total_variation(jnp.full((1, 6, 6, 3), 0.3)) == 0
    np.testing.assert_allclose(total_variation(1 - x), total_variation(x), rtol=1e-5)


def test_mirrored_and_turned_it_is_the_same():
    x = jax.random.uniform(jax.random.key(0), (1, 6, 4, 3))
    for other in (x[:, ::-1], x[:, :, ::-1], x.transpose(0, 2, 1, 3)):
        np.testing.assert_allclose(total_variation(other), total_variation(x), rtol=1e-5)
