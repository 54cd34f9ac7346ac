"""What a run trains on and begins with: all that comes from files."""

from contextlib import ExitStack
from typing import NamedTuple

import jax
from jax.sharding import Mesh

from jaxvision.classification import setup
from jaxvision.classification.beginning import Pretraining
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.encoding import encode, find_body, sight_of
from jaxvision.classification.job import Sight
from jaxvision.classification.pretraining import load_pretraining
from jaxvision.data.splits import Splits
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.devices import mesh_of
from jaxvision.train.display import Display


class Read(NamedTuple):
    """The data, as they are seen, and the network that has learned before."""

    splits: Splits
    feeds: setup.Feeds
    normalization: Normalization
    pretraining: Pretraining | None
    sight: Sight | None  # what the steps make of a batch, if it is not of images
    mesh: Mesh | None
    left_out: tuple[str, ...]  # the images that cannot be read


def read(config: TrainConfig, display: Display, stack: ExitStack) -> Read:
    """Reads pretrained weights and data; `stack` closes the feeds.

    Raises:
        ValueError: if weights or data are not usable.
    """
    pretraining, sight = None, None
    if config.pretrained is not None:
        with display.working(f"reading the weights of {config.pretrained}"):
            pretraining = load_pretraining(config)
    with display.working(f"reading {config.data}"):
        mesh = mesh_of(config)
        opened = setup.open_dataset(config, display.note)
        splits = setup.split(config, opened.parts)
        setup.check_copies(config, splits, display.note)
        body = find_body(config, pretraining, splits, jax.device_count())
        if body is None:
            feeds = setup.open_feeds(config, splits, mesh)
    if body is not None:
        with display.working("computing what the frozen layers see"):
            feeds = encode(config, body, splits, pretraining.normalization)
            sight = sight_of(body)
    for feed in feeds:
        stack.callback(feed.close)
    normalization = pretraining and pretraining.normalization
    normalization = normalization or setup.normalization_for(feeds.train, splits.train)
    return Read(splits, feeds, normalization, pretraining, sight, mesh, opened.left_out)
