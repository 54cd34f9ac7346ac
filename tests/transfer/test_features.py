"""Features of real digits: those of the network, in the order of the images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.sources import digits
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import make_model
from jaxvision.transfer import POOLS, extract_features, to_unit_length

SOURCE = Fitted(Subset(digits()["train"], np.arange(70)), 16, 16)
IMAGES = jnp.stack([SOURCE[i]["image"] for i in range(70)]) / 255


@pytest.fixture(scope="module")
def lenet():
    model = make_model("lenet5", 10)
    return model, model.init(jax.random.key(0), IMAGES[:1], train=False)


def extract(lenet, feature, **options):
    return extract_features(*lenet, SOURCE, feature, normalize=lambda x: x / 255, **options)


@pytest.mark.parametrize("pool", POOLS)
def test_a_feature_of_every_image_in_order(lenet, pool):
    model, variables = lenet
    expected = np.asarray(model.apply(variables, IMAGES, train=False)[1]["c3"])
    by_hand = {
        "average": expected.mean((1, 2)),
        "max": expected.max((1, 2)),
        "both": np.concatenate([expected.mean((1, 2)), expected.max((1, 2))], axis=1),
        "spatial": expected.reshape(70, -1),
    }[pool]
    features = extract(lenet, "c3", pool=pool, batch_size=32)
    assert features.dtype == np.float32 and features.shape == by_hand.shape
    np.testing.assert_allclose(features, by_hand, rtol=1e-5, atol=1e-6)


def test_a_flat_feature_stays_as_it_is_and_a_view_is_another(lenet):
    features = extract(lenet, "f6", batch_size=1000)
    assert features.shape == (70, 84)
    mirrored = extract(lenet, "f6", view=lambda images: images[:, :, ::-1])
    model, variables = lenet
    expected = model.apply(variables, IMAGES[:, :, ::-1], train=False)[1]["f6"]
    np.testing.assert_allclose(mirrored, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(mirrored - features).max() > 0.01


def test_unknown_names_are_answered_with_the_known_ones(lenet):
    with pytest.raises(ValueError, match=r"`feature` is unknown: 'c7'\. .*c1, c3"):
        extract(lenet, "c7")
    with pytest.raises(ValueError, match=r"`pool` is unknown: 'mean'\. .*average, both"):
        extract(lenet, "c3", pool="mean")


def test_unit_length():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [-1e-10, 0.0]], np.float32)
    np.testing.assert_allclose(to_unit_length(x), [[0.6, 0.8], [0, 0], [-1, 0]], rtol=1e-6)
