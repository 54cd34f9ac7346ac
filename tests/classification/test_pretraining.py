"""What `pretrained` may name, what that brings with it, and what is refused."""

import dataclasses
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.pretraining import follow_pretrained
from jaxvision.classification.record import options_of
from jaxvision.classification.training import train
from jaxvision.models import make_model
from jaxvision.ops.normalization import Normalization
from jaxvision.pretrained import Preprocessing, Pretrained
from jaxvision.pretrained.channel_order import for_rgb
from jaxvision.pretrained.preprocessing import CAFFE

IDENTITY = Normalization((0.0,), (1.0,))


def quiet():
    return Console(file=io.StringIO(), width=100)


pytestmark = pytest.mark.usefixtures("own_cache")


def metrics(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def go_on(lenet, path, **options):
    config = TrainConfig(
        pretrained=str(lenet), epochs=2, batch_size=64, learning_rate=1e-3, **options
    )
    return train(dataclasses.replace(config, out=path), quiet())


def test_weights_for_bgr_become_weights_for_rgb():
    model = make_model("cifar_resnet20", 10)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    caffe = Pretrained(model, variables, CAFFE, None)
    turned = for_rgb(caffe)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    normalization = Normalization(turned.preprocessing.mean, turned.preprocessing.std)
    ours = model.apply(turned.variables, normalization(jnp.asarray(pixels)), train=False)[0]
    np.testing.assert_allclose(ours, caffe(pixels)[0], rtol=1e-4, atol=1e-4)
    other = caffe._replace(preprocessing=Preprocessing(32, 32, (0.0,) * 3, (1.0,) * 3))
    assert for_rgb(other) is other


def test_a_networks_name_brings_its_weights_and_what_they_want():
    found = follow_pretrained(TrainConfig(pretrained="vgg16"))
    assert (found.pretrained, found.model, found.channels) == ("vgg16:lpips", "vgg16", 3)
    assert found.image_size == 224
    assert follow_pretrained(found) == found
    smaller = follow_pretrained(TrainConfig(pretrained="resnet50:torchvision_v2", image_size=64))
    assert (smaller.model, smaller.image_size) == ("resnet50", 64)
    plain = TrainConfig(model="mlp")
    assert follow_pretrained(plain) is plain


def test_a_file_is_named_with_its_network(tmp_path, lenet):
    file = lenet / "model.safetensors"
    found = follow_pretrained(TrainConfig(pretrained=f"lenet5:{file}", channels=1))
    assert (found.model, found.channels, found.image_size) == ("lenet5", 1, None)
    config = dataclasses.replace(
        found, image_size=16, epochs=1, freeze="body", out=tmp_path / "run"
    )
    path = train(config, quiet())  # normalised by these images, for nobody has said how
    assert metrics(path)[-1]["validation"]["accuracy"] > 0.8
    with pytest.raises(ValueError, match="params/c5/kernel is reshaped"):
        train(dataclasses.replace(config, image_size=20, out=tmp_path / "other"), quiet())
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pretrained": "vgg17"}, r"`pretrained` is unknown: 'vgg17'. Did you mean `vgg1\d?"),
        ({"pretrained": "mlp"}, r"`pretrained` is unknown: 'mlp'.*Known: alexnet, "),
        ({"pretrained": "vgg16:tim"}, r"`weights` is unknown: 'tim'. Did you mean `timm`"),
        ({"pretrained": "vgg16", "model": "mlp"}, r"`model` must be left out beside `pretrained`"),
        ({"pretrained": "vgg16", "channels": 1}, r"`channels` must be 3, as vgg16 .* got 1"),
        ({"pretrained": "."}, r"which is no run: it has no config.json"),
        ({"pretrained": "runs/gone"}, r"got runs/gone, which is no run"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        follow_pretrained(TrainConfig(**options))


def test_what_is_not_there_is_named(lenet, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mine\.safetensors does not exist"):
        follow_pretrained(TrainConfig(pretrained="resnet18:mine.safetensors"))
    with pytest.raises(ValueError, match=r"`feature` is unknown: 'c4'. .*c1, c3, c5, f6, s2, s4"):
        go_on(lenet, tmp_path / "run", freeze="c4")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="`freeze` must be left out without `pretrained`, got c3"):
        TrainConfig(freeze="c3")
    with pytest.raises(ValueError, match=r"`rate_decay` must be in \(0, 1\], got 0.0"):
        TrainConfig(rate_decay=0.0)


def test_weights_of_another_network_are_told_by_both_their_leaves(lenet, tmp_path):
    config = TrainConfig(pretrained=f"resnet18:{lenet / 'model.safetensors'}", image_size=32)
    with pytest.raises(ValueError, match=r"(?s)stage1.*c1|c1.*stage1"):
        train(dataclasses.replace(config, out=tmp_path / "run"), quiet())


def test_options_of_a_network_travel_with_its_run(lenet, tmp_path):
    record = json.loads((lenet / "config.json").read_text())
    assert record["options"] == {}
    assert options_of({"options": {"hidden": [], "epsilon": 1e-3}}) == {
        "hidden": (),
        "epsilon": 1e-3,
    }
