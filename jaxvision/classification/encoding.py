"""Images as what a frozen network makes of them, computed once: only the head is left to train.

A mirrored image is another image, so there are features of it, too, and a step takes one of the two
at random, as the augmentation does. All other augmentations change images in endless ways; with
them, or where features would take more memory than the device should hold, images are trained on.
Dropout in what is frozen has no effect on features.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from jaxvision.classification.beginning import BODY, Pretraining
from jaxvision.classification.config import Augmentation, TrainConfig
from jaxvision.classification.job import Sight, make_network
from jaxvision.classification.setup import Feeds, eval_batch
from jaxvision.data.batches import RESIDENT_BYTES, ResidentFeed
from jaxvision.data.sources import Source
from jaxvision.data.splits import Splits
from jaxvision.models import Network
from jaxvision.ops.normalization import Normalization
from jaxvision.train.state import Variables
from jaxvision.train.step import Batch, mirrored
from jaxvision.transfer import extract_features
from jaxvision.transfer.feature_cache import cache_folder
from jaxvision.transfer.head import Head, head_of, remove_head
from jaxvision.transfer.stages import features_of


class Body(NamedTuple):
    """A network without its head."""

    model: Network
    variables: Variables
    feature: str  # what the head sees
    head: Head


def find_body(
    config: TrainConfig, pretraining: Pretraining | None, splits: Splits, devices: int
) -> Body | None:
    """The part of the network that features are computed by once; None if images are needed."""
    if pretraining is None or pretraining.normalization is None or config.freeze != BODY:
        return None
    augmentations = {field.name for field in dataclasses.fields(Augmentation)} - {"flip"}
    if any(getattr(config, name) for name in augmentations):
        return None
    if config.test_flip or config.feed == "streaming" or devices > 1:
        return None
    classes = len(splits.train.classes)
    image = jax.ShapeDtypeStruct((1, *splits.train[0]["image"].shape), jnp.float32)
    whole, body = (make_network(config, n, pretraining.options) for n in (classes, None))
    shapes = jax.eval_shape(
        lambda: whole.init(jax.random.key(0), jnp.zeros(image.shape), train=False)
    )
    head = head_of(shapes["params"])
    if head is None:
        return None
    variables = remove_head(pretraining.variables)
    feature, shape = list(features_of(body, variables, image).items())[-1]
    layer = {name: x.shape for name, x in shapes["params"][head].items()}
    dense = {"kernel": (shape.shape[-1], classes), "bias": (classes,)}
    rows = sum(map(len, splits)) + config.flip * len(splits.train)
    if layer != dense or 4 * rows * shape.shape[-1] > RESIDENT_BYTES:
        return None
    return Body(body, variables, feature, Head(classes, head))


def features_of_images(
    body: Body, source: Source, normalization: Normalization, *, flip: bool
) -> dict[str, np.ndarray]:
    """{"image": features [n, views, d], "label": [n]}, from the cache where they are there.

    Args:
        flip: whether there is a view of each mirror image, too.
    """
    views = [
        extract_features(
            body.model,
            body.variables,
            source,
            body.feature,
            normalize=normalization,
            cache=cache_folder(),
            **({} if view is None else {"view": view}),
        )
        for view in ((None, mirrored) if flip else (None,))
    ]
    return {"image": np.stack(views, axis=1), "label": np.asarray(source.labels, np.int32)}


def encode(config: TrainConfig, body: Body, splits: Splits, normalization: Normalization) -> Feeds:
    """The features of all images, in batches."""
    train = features_of_images(body, splits.train, normalization, flip=config.flip)
    others = [
        ResidentFeed(
            features_of_images(body, part, normalization, flip=False), eval_batch(part), seed=None
        )
        for part in (splits.validation, splits.test)
    ]
    feed = ResidentFeed(train, config.batch_size, seed=config.seed, described_by=splits.train)
    return Feeds(feed, *others)


def sight_of(body: Body) -> Sight:
    """What steps make of a batch of features."""
    return Sight(body.head, any_view, first_view, ())


def any_view(key: Key[Array, ""], batch: Batch) -> Batch:
    """One of the views [b, v, d] of each example, at random: [b, 1, d]."""
    views = batch["image"]
    chosen = jax.random.randint(key, (len(views), 1, 1), 0, views.shape[1])
    return batch | {"image": jnp.take_along_axis(views, chosen, axis=1)}


def first_view(views: Float[Array, "b v d"]) -> Float[Array, "b d"]:
    """The view that is left, or the images as they are."""
    return views[:, 0]
