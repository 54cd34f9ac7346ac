"""Features off the shelf: what a trained network makes of other images, once for all of them.

Sharif Razavian, Azizpour, Sullivan & Carlsson, "CNN Features off-the-shelf: an Astounding Baseline
for Recognition", CVPR Workshops 2014, https://arxiv.org/abs/1403.6382: a linear classifier on them
is the first thing to try on a new task. As nothing below it learns, a feature is computed once.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.data.batches import open_feed
from jaxvision.data.sources import Source
from jaxvision.names import lookup
from jaxvision.train.epoch import EvalEpoch
from jaxvision.train.state import Variables
from jaxvision.train.step import Batch, Normalize, View
from jaxvision.transfer.feature_cache import digest, load_features, save_features

Pool = Callable[[Float[Array, "b h w c"]], Float[Array, "b d"]]

POOLS: dict[str, Pool] = {
    "average": lambda x: x.mean(axis=(1, 2)),
    "max": lambda x: x.max(axis=(1, 2)),
    "both": lambda x: jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1),
    "spatial": lambda x: x.reshape(len(x), -1),
}
"""What becomes of a feature [b, h, w, c]; one that is [b, d] already stays as it is."""


def extract_features(
    model: nn.Module,
    variables: Variables,
    source: Source,
    feature: str,
    *,
    pool: str = "average",
    normalize: Normalize = jnp.float32,
    view: View = lambda images: images,
    batch_size: int = 64,
    cache: Path | None = None,
) -> Float[np.ndarray, "n d"]:
    """A feature of every image of `source`, in its order, as float32.

    What comes after the feature in the network is not computed.

    Args:
        model: whose feature it is.
        variables: its parameters and statistics.
        source: images of one size, as the network takes them.
        feature: one of the names that the model gives its features.
        pool: a key of `POOLS`.
        normalize: what makes the model's input of a batch's pixels.
        view: a function of the normalised images, such as `train.mirrored`: features of another
            view of each are other features.
        batch_size: images at a time.
        cache: a folder, as `cache_folder()`, where the same features of the same images are looked
            for, and kept.

    Raises:
        ValueError: if the model has no such feature, or there is no such way to pool.
    """
    pool_spatial = lookup("pool", pool, POOLS)

    def step(variables: Variables, batch: Batch) -> tuple[dict, Float[Array, "b d"]]:
        images = view(normalize(batch["image"]))
        x = lookup("feature", feature, model.apply(variables, images, train=False)[1])
        return {}, (pool_spatial(x) if x.ndim == 4 else x).astype(jnp.float32)

    if cache is not None:
        file = cache / f"{digest(step, variables, source)}.npz"
        kept = load_features(file)
        if kept is not None:
            return kept
    feed = open_feed(source, min(batch_size, len(source)), seed=None)
    with closing(feed):
        _, features = EvalEpoch(step, feed)(variables)
    if cache is not None:
        save_features(file, features)
    return features


def to_unit_length(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Each feature vector over its length, as Sharif Razavian et al. have them (section 3.1).

    Images then differ in what is in them and not in how much of it; zeros stay zeros.
    """
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths == 0, 1, lengths)
