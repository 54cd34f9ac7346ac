"""Darknet's layers: counts, strides, what follows a convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.inspect import summarize_model
from jaxvision.models.darknet import Darknet, darknet9, darknet24, darknet_small, leaky
from tests.models.tracing import traced


@pytest.mark.parametrize(
    ("make", "layers", "parameters", "stride"),
    # Figure 3 of the paper by hand: sum of k^2 n m + m over the layers.
    [(darknet24, 24, 60_155_968, 64), (darknet9, 9, 25_168_800, 64), (darknet_small, 13, None, 16)],
)
def test_layers_parameters_and_stride(make, layers, parameters, stride):
    (_, features), variables = traced(make(None), (2, 128, 192, 3))
    convolutions = [name for name in variables["params"] if name.startswith("conv")]
    assert len(convolutions) == layers
    if parameters is not None:
        assert sum(x.size for x in jax.tree.leaves(variables["params"])) == parameters
    assert features[f"conv{layers}"].shape[1:3] == (128 // stride, 192 // stride)


def test_multiply_accumulates_of_the_paper():
    macs = summarize_model(darknet24(None), (448, 448, 3)).macs
    # Without the dense layers of YOLO, 7 * 7 * 1024 * 4096 + 4096 * 1470.
    assert macs / 1e9 == pytest.approx(20.285 - 0.2115, abs=1e-3)


def test_the_head_is_on_the_average():
    model = darknet_small(num_classes=5)
    images = jnp.ones((2, 32, 32, 1))
    (logits, features), variables = model.init_with_output(jax.random.key(0), images, train=False)
    head = variables["params"]["head"]
    by_hand = features["conv13"].mean((1, 2)) @ head["kernel"] + head["bias"][None]
    np.testing.assert_allclose(logits, by_hand, atol=1e-5)


def test_leaky_keeps_a_tenth():
    x = jnp.array([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(leaky(x), [-0.2, 0.0, 3.0])
    np.testing.assert_allclose(jax.grad(lambda x: leaky(x).sum())(x)[::2], [0.1, 1.0], rtol=1e-6)


def test_bias_or_batch_norm_and_not_both():
    plan = {"stages": (((3, 4, 1),),), "pools": (True,)}
    for batch_norm in (False, True):
        params = traced(Darknet(None, **plan, batch_norm=batch_norm), (1, 8, 8, 1))[1]["params"]
        assert ("bias" in params["conv1"]) != batch_norm
        assert ("bn1" in params) == batch_norm


def test_images_that_shrink_to_nothing_are_refused():
    with pytest.raises(ValueError, match=r"at least 64 x 64 for Darknet, got 32 x 128"):
        traced(darknet24(None), (1, 32, 128, 3))
