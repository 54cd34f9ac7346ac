"""What a training begins with where a network has learned before: known weights, a file, or a run.

vgg16                      the weights that are known for VGG-16, the preferred
resnet50:torchvision_v2    others that are known
resnet18:mine.safetensors  a file
resnet50_v1:keras:FILE     known weights that no address is known for, where they are
runs/digits-lenet5         what a run has come to
"""

import dataclasses
from pathlib import Path
from typing import Any

from jaxvision.classification.beginning import Pretraining
from jaxvision.classification.classifier import load_classifier
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.record import options_of, read_config
from jaxvision.ops.normalization import Normalization
from jaxvision.pretrained import known_for, load_pretrained
from jaxvision.pretrained.channel_order import for_rgb
from jaxvision.pretrained.named import parse_named
from jaxvision.train import run as files


def follow_pretrained(config: TrainConfig) -> TrainConfig:
    """The configuration with what the pretrained network decides: its name and what it looks at.

    Raises:
        ValueError: if there is no such network, or another one was asked for beside it.
        FileNotFoundError: if there is no such file.
    """
    if config.pretrained is None:
        return config
    if is_run(config.pretrained):
        own = read_config(Path(config.pretrained))
        height, width, channels = _record(config)["data"]["image_shape"]
        asked, model = config.pretrained, own.model
        size = height if height == width else None
    else:
        named = parse_named(config.pretrained)
        known = known_for(named.model).get(named.weights)
        asked, model = ":".join(str(part) for part in named if part is not None), named.model
        channels = 3 if known else config.channels or 3
        size = known.preprocessing.crop if known else None
    if config.model not in (TrainConfig.model, model):
        raise ValueError(
            f"`model` must be left out beside `pretrained`, which is of {model}, got {config.model}"
        )
    if config.channels not in (None, channels):
        raise ValueError(
            f"`channels` must be {channels}, as {config.pretrained} has learned with, got "
            f"{config.channels}: leave it out, and images are read so"
        )
    return dataclasses.replace(
        config,
        pretrained=asked,
        model=model,
        channels=channels,
        image_size=config.image_size or size,
    )


def load_pretraining(config: TrainConfig) -> Pretraining:
    """What a configuration that went through `follow_pretrained` begins with.

    Raises:
        ValueError: if the weights are not those of the network.
        FileNotFoundError: if they, or the run, are not where they were.
        ConnectionError: if they are neither in the cache nor to be had.
    """
    if is_run(config.pretrained):
        classifier = load_classifier(Path(config.pretrained))
        options = options_of(_record(config))
        return Pretraining(classifier.variables, classifier.normalization, options)
    named = parse_named(config.pretrained)
    found = load_pretrained(
        named.model,
        named.weights,
        file=named.file,
        num_classes=None,
        in_channels=config.channels or 3,
        image_size=config.image_size,
    )
    normalization = None
    if found.preprocessing is not None:
        found = for_rgb(found)
        normalization = Normalization(found.preprocessing.mean, found.preprocessing.std)
    return Pretraining(found.variables, normalization, found.known.options if found.known else {})


def is_run(pretrained: str) -> bool:
    """Whether this is the directory of a run, and not the name of a network."""
    return (Path(pretrained) / files.CONFIG).is_file()


def _record(config: TrainConfig) -> dict[str, Any]:
    return files.read_config(Path(config.pretrained))
