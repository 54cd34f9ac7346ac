"""The stages of networks of every kind, and what is found by their number."""

import jax
import jax.numpy as jnp
import pytest

from jaxvision.models import make_model
from jaxvision.transfer import depths_of
from jaxvision.transfer.stages import depth_features, features_of, find_feature, find_stages


def shapes(name, size=64, channels=3):
    model = make_model(name, 5)
    image = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    init = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros(image.shape), train=False)
    )
    return model, init, image


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("resnet18", ["stage1", "stage2", "stage3", "stage4"]),
        ("cifar_resnet20", ["stage1", "stage2", "stage3"]),
        ("densenet121", ["block1", "block2", "block3", "block4"]),
        ("vgg16", ["pool1", "pool2", "pool3", "pool4", "pool5"]),
        ("lenet5", []),
        ("softmax_regression", []),
    ],
)
def test_stages_by_name(name, stages):
    features = features_of(*shapes(name))
    assert find_stages(features) == stages
    for i, stage in enumerate(stages, 1):
        assert find_feature(f"stage{i}", features) == stage
    for feature in features:
        assert find_feature(feature, features) == feature


def test_features_are_in_the_order_of_the_network():
    assert list(features_of(*shapes("lenet5", 32, 1))) == ["c1", "s2", "c3", "s4", "c5", "f6"]


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("vgg16", ["pool1", "pool2", "pool3", "pool4", "pool5"]),
        ("lenet5", ["c1", "c3", "c5", "f6"]),
        ("mlp", ["hidden1"]),
    ],
)
def test_depth_is_told_by_stages_or_else_by_layers(name, features):
    found = depth_features(*shapes(name))
    if name != "mlp":
        assert found == features
    depths = depths_of(*shapes(name), found)
    assert {*jax.tree.leaves(depths)} == {*range(len(found) + 1)}


def test_bad_input_is_named():
    features = features_of(*shapes("vgg16"))
    with pytest.raises(ValueError, match=r"`feature` is unknown: 'stage6'.*pool1.*stage5"):
        find_feature("stage6", features)
    with pytest.raises(ValueError, match=r"`model` must have layers below its head, got one with"):
        depth_features(*shapes("softmax_regression"))
