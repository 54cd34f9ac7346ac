"""Randomly wired networks: the paper's counts, one node and one stage by hand."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models.randwire import Node, RandWire, Stage, randwire_ba, randwire_er, randwire_ws

VARIANTS = {"er": randwire_er, "ba": randwire_ba, "ws": randwire_ws}


def shapes(model, size=224):
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    return jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=False), images
    )


def count(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.usefixtures("unchecked")
def test_golden_counts():
    # A seed is an architecture: trained weights depend on it. Section 4: 5.6 M, about 0.1 M of it
    # more or less from one graph to the next.
    counts = {name: count(shapes(make(num_classes=1000))[1]) for name, make in VARIANTS.items()}
    assert counts == {"er": 5_765_030, "ba": 5_677_900, "ws": 5_626_182}


def test_another_seed_is_another_network():
    first, second = (RandWire(10, seed=seed).graphs for seed in (0, 1))
    assert first != second
    assert len(set(first)) == 3  # and so is each stage


def test_feature_shapes():
    (logits, features), _ = shapes(randwire_ws(num_classes=1000))
    assert logits.shape == (2, 1000)
    assert {name: feature.shape[1:] for name, feature in features.items()} == {
        "conv1": (112, 112, 39),
        "conv2": (56, 56, 78),
        "conv3": (28, 28, 78),
        "conv4": (14, 14, 156),
        "conv5": (7, 7, 312),
        "conv6": (7, 7, 1280),
        "pooled": (1280,),
    }


def test_a_node_by_hand():
    x, y = jax.random.normal(jax.random.key(0), (2, 1, 5, 6, 3))
    node = Node(features=4, stride=1, train=False)
    variables = node.init(jax.random.key(1), x, y)
    weights = jnp.array([1.0, -2.0])
    variables["params"]["weights"] = weights

    summed = nn.relu(x / (1 + np.exp(-1)) + y / (1 + np.exp(2)))
    padded = np.pad(np.asarray(summed, np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    depthwise, pointwise = (
        np.asarray(variables["params"][name]["kernel"], np.float64)
        for name in ("depthwise", "pointwise")
    )
    spread = np.zeros((1, 5, 6, 3))
    for i in range(3):
        for j in range(3):
            spread += padded[:, i : i + 5, j : j + 6] * depthwise[i, j, 0]
    expected = spread @ pointwise[0, 0] / np.sqrt(1 + 1e-5)  # BN with the initial statistics
    np.testing.assert_allclose(node.apply(variables, x, y), expected, rtol=1e-5, atol=1e-5)


def test_a_node_begins_with_the_same_weight_for_every_input():
    x = jnp.ones((1, 4, 4, 2))
    variables = Node(features=2, stride=1, train=False).init(jax.random.key(0), x, x, x)
    np.testing.assert_array_equal(nn.sigmoid(variables["params"]["weights"]), [0.5] * 3)
    alone = Node(features=2, stride=1, train=False).init(jax.random.key(0), x)
    assert "weights" not in alone["params"]


def test_a_stage_is_the_mean_of_its_ends():
    # 1 -> 2, 3 alone: node 1 and 3 take the input with stride 2, 2 and 3 are ends.
    stage = Stage(graph=((), (0,), ()), features=4, train=False)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    variables = stage.init(jax.random.key(1), x)

    def node(name, stride, x):
        inner = {kind: tree[name] for kind, tree in variables.items()}
        return Node(4, stride, False).apply(inner, x)

    second = node("node2", 1, node("node1", 2, x))
    third = node("node3", 2, x)
    actual = stage.apply(variables, x)
    assert actual.shape == (2, 4, 4, 4)
    np.testing.assert_allclose(actual, (second + third) / 2, rtol=1e-5, atol=1e-6)


def test_remat_changes_no_name_and_no_value():
    x = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    plain, again = (Stage(((), (0,)), 4, train=True, remat=remat) for remat in (False, True))
    variables = plain.init(jax.random.key(1), x)

    def gradient(stage):
        def loss(params):
            y, _ = stage.apply(variables | {"params": params}, x, mutable=["batch_stats"])
            return jnp.sum(y**3)

        return jax.jit(jax.value_and_grad(loss))(variables["params"])

    chex.assert_trees_all_close(gradient(again), gradient(plain), rtol=1e-4, atol=1e-5)


def test_names_images_that_are_too_small():
    with pytest.raises(ValueError, match="`images` must be at least 32 x 32 for randwire, got 31"):
        shapes(randwire_ws(num_classes=2), size=31)
