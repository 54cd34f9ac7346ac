"""What can be set for a segmentation, and what cannot."""

import dataclasses
import subprocess
import sys

import pytest

from jaxvision.segmentation.config import GROUPS, SegmentConfig
from jaxvision.segmentation.training import follow_pretrained, train_segmenter
from tests.segmentation.conftest import SMALL, quiet


def test_every_setting_is_in_a_group_and_explained():
    fields = {field.name for field in dataclasses.fields(SegmentConfig)}
    assert fields == {field.name for group in GROUPS for field in dataclasses.fields(group)}


def test_help_does_not_wait_for_jax():
    code = "import sys, jaxvision.segmentation.config; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0, "epochs": 0, "width": 0}, "`batch_size`.*`epochs`.*`width` must be at"),
        ({"image_size": 0}, r"`image_size` must be in \[1, 4096\], or None, got 0"),
        ({"depth": 0}, r"`depth` must be in \[1, 6\], got 0"),
        ({"shift": 1.0, "rotation": -1.0}, r"`shift` must be in \[0, 1\).*`rotation` must be in"),
        ({"patches": 4}, "`patches` must be at least 1, and left out without `patch`, got 4"),
        ({"border_weight": 10.0, "loss": "dice"}, "`border_weight` must be from 0 on, with a loss"),
        ({"border_weight": 10.0, "class_weights": "balanced"}, "without class weights"),
        ({"border_weight": -1.0}, "`border_weight` must be from 0 on"),
        ({"border_sigma": 0.0}, "`border_sigma` must be positive"),
        ({"backbone": "resnet18"}, "`backbone` must be left out: it is for encoder_unet"),
        ({"pretrained": "vgg16"}, "`pretrained` must be left out: it is for encoder_unet"),
        ({"freeze": "stage1"}, "`freeze` must be left out without `pretrained`"),
        ({"remat": True}, "`remat` must be left out"),
        ({"average_decay": 1.0}, r"`average_decay` must be in \[0, 1\)"),
        ({"validation_fraction": 1.0}, r"`validation_fraction` must be in \(0, 1\)"),
    ],
)
def test_values_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        SegmentConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "unett"}, "`model` is unknown: 'unett'. Did you mean `unet`"),
        ({"loss": "dise"}, "`loss` is unknown: 'dise'. Did you mean `dice`"),
        ({"optimizer": "adamm"}, "`optimizer` is unknown"),
        ({"data": "scene"}, "`data` is unknown: 'scene'. Did you mean `scenes`"),
        ({"data": "masks:"}, "nothing after the colon. Try 'masks:cells'"),
        ({"data": "masks:nowhere"}, "nowhere: no such folder"),
        ({"model": "encoder_unet"}, "`backbone` must be given for encoder_unet"),
        ({"model": "encoder_unet", "backbone": "resnet17"}, "`backbone` is unknown: 'resnet17'"),
        (
            {"model": "encoder_unet", "backbone": "cifar_resnet20", "depth": 3},
            r"stride 2\^3 = 8; it has the strides 1, 2, 4",
        ),
        (
            {"model": "encoder_unet", "backbone": "lenet5_original", "dtype": "bfloat16"},
            "`dtype` cannot be chosen for lenet5_original",
        ),
        ({"patch": 30}, "`patch` must be a multiple of 4, .* got 30: take 28 or 32"),
        (
            {"model": "unet", "depth": 3, "patch": 32},
            r"a multiple of 8, and 4 \(it sees 88 pixels more\), .* got 32: take 28 or 36",
        ),
        (
            {"model": "encoder_unet", "backbone": "vgg11", "patch": 8},
            "`patch` must be a multiple of 4, .* got 8: take 32",
        ),
        ({"patch": 68}, "scene 0 of train: is 64 x 64 pixels and so smaller than `patch` = 68"),
        ({"batch_size": 99}, r"`batch_size` must be in \[1, 16\]"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(changes, message, tmp_path):
    config = dataclasses.replace(SMALL, out=tmp_path / "run", **changes)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train_segmenter(config, quiet())
    assert not (tmp_path / "run").exists()


def test_pretrained_brings_its_backbone_and_wants_colours():
    on_backbone = SegmentConfig(model="encoder_unet", pretrained="vgg16", channels=3)
    named = follow_pretrained(on_backbone)
    assert named.backbone == "vgg16" and named.pretrained == "vgg16:lpips"
    assert follow_pretrained(named) == named
    with pytest.raises(ValueError, match="`backbone` must be left out"):
        follow_pretrained(dataclasses.replace(on_backbone, backbone="resnet18"))
    with pytest.raises(ValueError, match="give --channels 3"):
        follow_pretrained(dataclasses.replace(on_backbone, channels=None))
