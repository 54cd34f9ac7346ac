"""What is trained, from a configuration: network, optimizer, augmentation and steps."""

import dataclasses
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Key

from jaxvision import augment
from jaxvision.classification.beginning import Pretraining, begin, slow_down
from jaxvision.classification.config import TrainConfig
from jaxvision.hyperparameters import is_zero
from jaxvision.models import Network, make_model
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.job import initializer, step_options
from jaxvision.runs.optimizer import make_optimizer
from jaxvision.train.job import Job
from jaxvision.train.state import Variables
from jaxvision.train.step import (
    Augment,
    Normalize,
    View,
    accuracy,
    cross_entropy,
    make_eval_step,
    make_train_step,
    mirrored,
)

Settings: TypeAlias = TrainConfig | SimpleNamespace
"""A configuration; in a sweep, with the names of one, and traced arrays for some of its numbers."""


class Sight(NamedTuple):
    """What the steps make of a batch."""

    model: nn.Module
    augment: Augment | None
    normalize: Normalize
    views: tuple[View, ...]  # for the evaluation


def make_network(
    config: Settings, num_classes: int | None, attributes: Mapping[str, Any] | None = None
) -> Network:
    """The network, that computes as the configuration says.

    Args:
        attributes: others of the network, as pretrained weights want them.

    Raises:
        ValueError: if the network has no bfloat16 or no remat.
    """
    options = {}
    if config.dtype != "float32":
        options["dtype"] = jnp.dtype(config.dtype)
    if config.remat:
        options["remat"] = True
    fields = {field.name for field in dataclasses.fields(make_model(config.model, num_classes))}
    for option in options:
        if option not in fields:
            raise ValueError(
                f"`{option}` cannot be chosen for {config.model}: leave it out, or take another "
                "network"
            )
    return make_model(config.model, num_classes, **(attributes or {}), **options)


def make_job(
    config: Settings,
    classes: int,
    image_shape: tuple[int, ...],
    steps: int,
    normalization: Normalization,
    mesh: Mesh | None = None,
    pretraining: Pretraining | None = None,
    sight: Sight | None = None,
) -> Job:
    """The steps, and how the state begins.

    Args:
        config: what decides them.
        classes: of the data.
        image_shape: [h, w, c], or what `sight` is for.
        steps: of the whole training, for the schedule.
        normalization: of the pixels.
        mesh: the devices; None for one.
        pretraining: what to begin with; None for drawn parameters.
        sight: what the steps make of a batch, if it is not of images. Without `pretraining` its
            model is all that there is.

    Raises:
        ValueError: if the network has no such feature to freeze, or does not take the images.
    """

    def smoothed(logits, batch):
        return categorical_cross_entropy(
            logits, batch["label"], batch["mask"], config.label_smoothing
        )

    def metrics(logits, batch):
        # The loss that is shown has no smoothing: it compares with that of validation and test.
        return {"loss": cross_entropy(logits, batch), **accuracy(logits, batch)}

    def beginning(key):
        if pretraining is None:
            return {"variables": model.init(key, jnp.zeros((1, *image_shape)), train=False)}
        return begin(pretraining.variables, model, config.freeze, image_shape, key)

    head_alone = pretraining is None and sight is not None
    if head_alone:
        model = sight.model
    else:
        model = make_network(config, classes, pretraining.options if pretraining else None)
    optimizer = make_optimizer(config, steps)
    if not head_alone:
        optimizer = _slowed_down(optimizer, config, steps, model, beginning, image_shape)
    views = (mirrored,) if config.test_flip else ()
    sight = sight or Sight(
        model, augmentation(config, classes, image_shape[2]), normalization, views
    )
    train_step = make_train_step(
        sight.model,
        optimizer,
        smoothed,
        metrics,
        sight.normalize,
        augment=sight.augment,
        **step_options(config, mesh),
    )
    eval_step = make_eval_step(sight.model, normalize=sight.normalize, views=sight.views)

    learned = beginning if pretraining else None
    init = initializer(config, model, optimizer, image_shape, mesh, learned)
    return Job(init, train_step, eval_step)


def augmentation(config: Settings, classes: int, channels: int) -> Augment | None:
    """What the configuration asks for, in the order of its fields; None for nothing."""
    single, mixing = [], []
    if config.flip:
        single.append(augment.horizontal_flip())
    if config.crop_padding:
        single.append(augment.pad_and_crop(config.crop_padding, "reflect"))
    affine = (config.shift, config.zoom, config.rotation, config.shear)
    if not all(map(is_zero, affine)):
        single.append(augment.random_affine(*affine))
    if not is_zero(config.color):
        saturation = config.color if channels == 3 else 0.0
        single.append(augment.color_jitter(config.color, config.color, saturation))
    if not is_zero(config.erase):
        single.append(augment.random_erasing(config.erase))
    if not is_zero(config.mixup):
        mixing.append(augment.mixup(config.mixup, classes))
    if not is_zero(config.cutmix):
        mixing.append(augment.cutmix(config.cutmix, classes))
    if not single and not mixing:
        return None
    alone = [augment.per_example(augment.compose(*single))] if single else []
    return augment.compose(*alone, *mixing)


def _slowed_down(
    optimizer: optax.GradientTransformation,
    config: Settings,
    steps: int,
    model: Network,
    beginning: Callable[[Key[Array, ""]], dict[str, Variables]],
    image_shape: tuple[int, ...],
) -> optax.GradientTransformation:
    """As the configuration says; `optimizer` itself if it says nothing."""
    if not config.unfreeze_epochs and is_zero(1 - config.rate_decay):
        return optimizer
    unfreeze_steps = config.unfreeze_epochs * steps // config.epochs
    begun = jax.eval_shape(beginning, jax.random.key(0))
    return slow_down(optimizer, model, begun, image_shape, config.rate_decay, unfreeze_steps)
