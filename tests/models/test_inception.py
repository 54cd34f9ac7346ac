"""Inception v3: counts, multiply-accumulates, shapes, the auxiliary head, logits from PyTorch."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxvision.models.inception import AuxiliaryHead, InceptionV3
from jaxvision.models.layers import ConvUnit
from tests.models.test_googlenet import count, drawn, dropouts, made_again, outputs, traced


def test_parameters_macs_and_shapes():
    features, variables, macs = traced(InceptionV3(1000), 299, 299)
    assert count(variables) == 23_834_568
    assert round(macs / 1e9, 3) == 5.713
    assert list(features.items()) == [
        *(("conv2d_1a_3x3", (149, 149, 32)), ("conv2d_2a_3x3", (147, 147, 32))),
        *(("conv2d_2b_3x3", (147, 147, 64)), ("maxpool1", (73, 73, 64))),
        *(("conv2d_3b_1x1", (73, 73, 80)), ("conv2d_4a_3x3", (71, 71, 192))),
        *(("maxpool2", (35, 35, 192)), ("mixed_5b", (35, 35, 256))),
        *(("mixed_5c", (35, 35, 288)), ("mixed_5d", (35, 35, 288))),
        *(("mixed_6a", (17, 17, 768)), ("mixed_6b", (17, 17, 768)), ("mixed_6c", (17, 17, 768))),
        *(("mixed_6d", (17, 17, 768)), ("mixed_6e", (17, 17, 768))),
        *(("mixed_7a", (8, 8, 1280)), ("mixed_7b", (8, 8, 2048)), ("mixed_7c", (8, 8, 2048))),
        ("pooled", (2048,)),
    ]
    with_head, variables, _ = traced(InceptionV3(1000, auxiliary=True), 299, 299)
    assert count(variables) == 27_161_264
    names = list(features)
    names.insert(names.index("mixed_6e") + 1, "aux")
    assert list(with_head) == names
    assert with_head["aux"] == (1000,)


@pytest.mark.parametrize(("h", "w", "last"), [(75, 107, (1, 2)), (299, 75, (8, 1))])
def test_takes_any_size_from_75_on(h, w, last):
    features, variables, _ = traced(InceptionV3(7, auxiliary=True), h, w, channels=2)
    assert features["mixed_7c"] == (*last, 2048)
    assert features["aux"] == (7,)
    assert variables["params"]["conv2d_1a_3x3"]["conv"]["kernel"].shape == (3, 3, 2, 32)


def test_without_classes_there_is_no_auxiliary_head():
    features, variables, _ = traced(InceptionV3(None, auxiliary=True), 75, 75)
    assert not {"aux", "head"} & {*features, *variables["params"]}


@pytest.mark.parametrize(("remat", "blocks"), [(False, 0), (True, 11)])
def test_remat_is_block_by_block(remat, blocks):
    assert made_again(InceptionV3(7, remat=remat), 75, 75) == blocks


def test_dropout_rate():
    assert dropouts(InceptionV3(7, auxiliary=True), 75, 75) == {"dropout": 0.5}


@pytest.mark.parametrize(
    ("h", "w", "windows"),
    [
        (17, 20, [[(i, i + 5) for i in range(0, side - 4, 3)] for side in (17, 20)]),
        # Below 17: floor(3 i / 5) to ceil(3 (i + 1) / 5).
        (3, 10, [[(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)], [(2 * i, 2 * i + 2) for i in range(5)]]),
    ],
    ids=["as in the paper", "small"],
)
def test_auxiliary_head_follows_numpy(h, w, windows):
    head = AuxiliaryHead(partial(ConvUnit, train=False, dtype=None, batch_norm=False), 3)
    x = np.random.RandomState(1).uniform(-1, 1, (2, h, w, 4)).astype(np.float32)
    variables = drawn(jax.eval_shape(head.init, jax.random.key(0), x))
    conv0, conv1, dense = (variables["params"][name] for name in ("conv0", "conv1", "head"))
    rows, columns = windows
    grid = np.stack(
        [np.stack([x[:, a:b, c:d].mean(axis=(1, 2)) for c, d in columns], 1) for a, b in rows], 1
    )
    y = np.maximum(grid @ conv0["conv"]["kernel"][0, 0] + conv0["conv"]["bias"], 0)
    patches = np.lib.stride_tricks.sliding_window_view(y, (5, 5), axis=(1, 2))
    y = np.einsum("bijnkl,klnm->bijm", patches, conv1["conv"]["kernel"], optimize=True)
    y = np.maximum(y + conv1["conv"]["bias"], 0).mean(axis=(1, 2))
    expected = y @ dense["kernel"] + dense["bias"]
    # In float32: sums of 3200 terms.
    actual = jax.jit(head.apply)(variables, x)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_golden_logits_from_torchvision():
    # Computed once with torchvision, in float32: some 50 layers of sums of up to 2048 terms.
    logits, _ = outputs(InceptionV3(3), 75, 91)
    np.testing.assert_allclose(logits[0], [0.8326137, 0.1014710, 1.6860420], rtol=1e-4, atol=1e-4)
