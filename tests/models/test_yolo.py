"""YOLO's networks: the paper's counts, any backbone, how a cell begins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import make_model
from jaxvision.models.darknet import Darknet, darknet9, darknet_small
from jaxvision.models.yolo import GridYOLO, YOLOv1, fast_yolo, yolo_v1
from tests.models.tracing import traced


def count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def test_the_papers_network_has_the_papers_parameters(unchecked):
    (grid, features), variables = traced(yolo_v1(num_classes=20), (1, 448, 448, 3))
    assert grid.shape == (1, 7, 7, 30)
    assert count(variables["params"]) == 271_703_550
    assert count(variables["params"]["convolutions"]) == 60_155_968
    assert features["fc1"].shape == (1, 4096)


def test_the_fast_network_has_nine_convolutions(unchecked):
    (grid, _), variables = traced(fast_yolo(num_classes=20), (1, 448, 448, 3))
    assert grid.shape == (1, 7, 7, 30)
    assert len(variables["params"]["convolutions"]) == 9
    dense = 50_176 * 256 + 256 + 256 * 4096 + 4096 + 4096 * 1470 + 1470
    assert count(variables["params"]) == count(traced(darknet9(None), (1, 64, 64, 3))[1]) + dense


def test_cells_and_boxes_are_as_asked():
    small = Darknet(None, stages=(((3, 4, 2),),), pools=(True,))
    model = YOLOv1(3, small, hidden=(8,), boxes=3, cells=5)
    assert traced(model, (2, 16, 16, 1))[0][0].shape == (2, 5, 5, 3 * 5 + 3)


def test_only_the_last_hidden_layer_is_dropped_out_in_training():
    small = Darknet(None, stages=(((3, 4, 2),),), pools=(True,))
    model = YOLOv1(3, small, hidden=(8, 16), cells=2)
    images = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    variables = model.init(jax.random.key(0), images, train=False)

    def grid(seed, train):
        return model.apply(variables, images, train=train, rngs={"dropout": jax.random.key(seed)})

    (one, features), (two, others) = grid(0, True), grid(1, True)
    assert not np.allclose(one, two)
    np.testing.assert_array_equal(features["fc1"], others["fc1"])
    np.testing.assert_array_equal(grid(0, False)[0], grid(1, False)[0])


@pytest.mark.parametrize(
    ("name", "feature", "cells"),
    [
        ("vgg11", "relu5_2", (4, 6)),
        ("resnet18", "stage4", (2, 3)),
        ("densenet121", "block2", (8, 12)),
    ],
)
def test_any_network_of_the_zoo_is_a_backbone(name, feature, cells, unchecked):
    options = {"hidden": ()} if name == "vgg11" else {}
    model = GridYOLO(4, make_model(name, None, **options), feature)
    (grid, features), variables = traced(model, (2, 64, 96, 3))
    assert grid.shape == (2, *cells, 14)
    assert features[feature].shape[1:3] == cells
    assert set(variables["params"]) == {"backbone", "hidden", "grid"}


def test_a_cell_begins_with_boxes_that_have_a_size_and_no_confidence():
    model = GridYOLO(3, darknet_small(None), "conv13")
    images = jnp.zeros((1, 32, 48, 1))
    (grid, _), _ = model.init_with_output(jax.random.key(0), images, train=False)
    wanted = [0.5, 0.5, 0.5, 0.5, 0.0] * 2 + [0.0] * 3
    np.testing.assert_allclose(grid, np.broadcast_to(wanted, (1, 2, 3, 13)), atol=0.2)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="`num_classes` must be given"):
        traced(GridYOLO(None, darknet_small(None), "conv13"), (1, 32, 32, 1))
    with pytest.raises(ValueError, match="`feature` is unknown: 'conv99'"):
        traced(GridYOLO(2, darknet_small(None), "conv99"), (1, 32, 32, 1))
