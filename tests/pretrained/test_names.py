"""Other libraries' names by hand, a few of each kind; whole networks are in the parity tests."""

import numpy as np
import pytest

from jaxvision.pretrained.keras_layout import from_keras_resnet, rename_keras_resnet
from jaxvision.pretrained.lpips_layout import CONVOLUTIONS, from_lpips_layout
from jaxvision.pretrained.torch_names import TORCH_NAMES

EXPECTED = {
    "resnet50": {
        "conv1": "conv1",
        "bn1": "bn1",
        "layer1.0.conv3": "stage1_block1/conv3",
        "layer3.22.bn2": "stage3_block23/bn2",
        "layer4.0.downsample.0": "stage4_block1/conv_shortcut",
        "layer4.0.downsample.1": "stage4_block1/bn_shortcut",
        "fc": "head",
        "new.layer": "new.layer",  # unknown: merging names it as unexpected
    },
    "preact_resnet50": {
        "stem.conv": "conv1",
        "stages.0.blocks.0.norm1": "bn1",
        "stages.0.blocks.0.norm2": "stage1_block1/bn2",
        "stages.2.blocks.5.conv3": "stage3_block6/conv3",
        "stages.3.blocks.0.downsample.conv": "stage4_block1/conv_shortcut",
        "norm": "bn_last",
        "head.fc": "head",
    },
    "cifar_resnet20": {"layer3.2.conv1": "stage3_block3/conv1", "linear": "head"},
    "alexnet": {"features.10": "conv5", "classifier.1": "fc6", "classifier.6": "head"},
    "vgg11": {"features.0": "conv1_1", "features.8": "conv3_2", "features.18": "conv5_2"},
    "vgg16": {"features.28": "conv5_3", "classifier.3": "fc7", "pre_logits.fc1": "fc6"},
    "vgg16_bn": {"features.0": "conv1_1", "features.1": "bn1_1", "features.41": "bn5_3"},
    "vgg19": {"features.34": "conv5_4", "head.fc": "head"},
    "densenet121": {
        "features.conv0": "conv1",
        "features.norm0": "bn1",
        "features.denseblock3.denselayer24.norm2": "block3_layer24/bn2",
        "features.denseblock1.denselayer1.norm.1": "block1_layer1/bn1",  # files of before 2018
        "features.denseblock1.denselayer1.conv.2": "block1_layer1/conv2",
        "features.transition2.norm": "transition2/bn",
        "features.transition2.conv": "transition2/conv",
        "features.norm5": "bn_final",
        "classifier": "head",
    },
    "googlenet": {
        "conv1.conv": "conv1/conv",
        "conv2.bn": "conv2_reduce/bn",
        "conv3.conv": "conv2/conv",
        "inception3a.branch1.conv": "inception_3a/conv1x1/conv",
        "inception4e.branch3.1.bn": "inception_4e/conv5x5/bn",
        "inception5b.branch4.1.conv": "inception_5b/pool_proj/conv",
        "aux1.conv.conv": "aux1/conv/conv",
        "aux2.fc1": "aux2/dense",
        "aux2.fc2": "aux2/head",
        "fc": "head",
    },
    "inception_v3": {
        "Conv2d_1a_3x3.conv": "conv2d_1a_3x3/conv",
        "Mixed_7b.branch3x3dbl_3a.bn": "mixed_7b/branch3x3dbl_3a/bn",
        "AuxLogits.conv0.conv": "aux/conv0/conv",
        "AuxLogits.fc": "aux/head",
        "fc": "head",
    },
}


@pytest.mark.parametrize(
    ("model", "module", "ours"),
    [(model, *pair) for model, pairs in EXPECTED.items() for pair in pairs.items()],
)
def test_a_pytorch_module_is_found_in_our_network(model, module, ours):
    assert TORCH_NAMES[model].rename(module) == ours


@pytest.mark.parametrize(
    ("layer", "ours"),
    [
        ("conv1", "conv1"),
        ("bn_conv1", "bn1"),
        ("res2a_branch1", "stage1_block1/conv_shortcut"),
        ("bn2a_branch1", "stage1_block1/bn_shortcut"),
        ("res4f_branch2b", "stage3_block6/conv2"),
        ("bn5c_branch2c", "stage4_block3/bn3"),
        ("fc1000", "head"),
        ("conv1_conv", "conv1"),
        ("conv1_bn", "bn1"),
        ("conv3_block4_2_conv", "stage2_block4/conv2"),
        ("conv3_block1_0_bn", "stage2_block1/bn_shortcut"),
        ("conv4_block23_3_bn", "stage3_block23/bn3"),
        ("predictions", "head"),
        ("top_dropout", "top_dropout"),
    ],
)
def test_a_keras_layer_is_found_in_our_network(layer, ours):
    assert rename_keras_resnet(layer) == ours


def test_a_keras_bias_moves_into_the_mean_of_its_norm():
    random = np.random.default_rng(0)
    kernel, bias, mean, var, gamma, beta = random.uniform(0.5, 2, (6, 4))
    kernel = np.tile(kernel.reshape(1, 1, 1, 4), (1, 1, 2, 1))
    tensors = {
        "res2a_branch2a/kernel": kernel,
        "res2a_branch2a/res2a_branch2a/bias:0": bias,
        "bn2a_branch2a/gamma": gamma,
        "bn2a_branch2a/beta": beta,
        "bn2a_branch2a/moving_mean": mean,
        "bn2a_branch2a/moving_variance": var,
        "fc1000/kernel": np.ones((3, 2)),
        "fc1000/bias": np.array([1.0, 2.0]),
    }
    ours = from_keras_resnet(tensors)
    block, statistics = ours["params"]["stage1_block1"], ours["batch_stats"]["stage1_block1"]
    assert set(block["conv1"]) == {"kernel"}
    x = random.normal(size=(5, 2))
    z = x @ kernel[0, 0]
    theirs = gamma * (z + bias - mean) / np.sqrt(var + 1e-3) + beta
    folded = block["bn1"]["scale"] * (z - statistics["bn1"]["mean"])
    folded = folded / np.sqrt(statistics["bn1"]["var"] + 1e-3) + block["bn1"]["bias"]
    np.testing.assert_allclose(folded, theirs, rtol=1e-12)
    np.testing.assert_array_equal(ours["params"]["head"]["bias"], [1, 2])  # no norm behind it


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"conv1/depthwise_kernel": np.ones(3)}, "got conv1/depthwise_kernel: load weights of a R"),
        ({"conv1/kernel": np.ones(1), "a/conv1/kernel": np.ones(1)}, "a/conv1/kernel a second"),
    ],
)
def test_names_what_no_keras_resnet_has(tensors, message):
    with pytest.raises(ValueError, match=message):
        from_keras_resnet(tensors)


def test_lpips_numbers_its_convolutions_in_order_and_its_own_layers_are_left_out():
    assert [len(names) for names in CONVOLUTIONS.values()] == [13, 5]
    tensors = {
        "VGG16_0/Conv_12/kernel": np.ones((3, 3, 2, 2)),
        "VGG16_0/Conv_12/bias": np.ones(2),
        "NetLinLayer_0/Conv_0/kernel": np.ones((1, 1, 64, 1)),
    }
    assert set(from_lpips_layout(tensors)["params"]) == {"conv5_3"}
