"""What is trained, from a configuration: the two steps, and how the state begins."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Float32, Int, Key

from jaxvision import augment
from jaxvision.data.masks import NOT_COUNTED
from jaxvision.hyperparameters import is_zero
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.ops.segmentation_metrics import confusion_counts, pixel_accuracy
from jaxvision.runs.job import initializer, step_options
from jaxvision.runs.optimizer import make_optimizer
from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.losses import LOSSES
from jaxvision.segmentation.networks import Segmenter
from jaxvision.train.job import Job
from jaxvision.train.state import Variables
from jaxvision.train.step import Augment, Batch, Totals, make_eval_step, make_train_step
from jaxvision.transfer.backbone import Pretraining, begin_on_backbone

GREY = 128.0  # what comes in from outside of an image; it is not counted


def make_job(
    config: SegmentConfig,
    segmenter: Segmenter,
    image_shape: tuple[int, int, int],
    steps: int,
    normalization: Normalization,
    class_weights: Float32[np.ndarray, " classes"] | None = None,
    mesh: Mesh | None = None,
    pretraining: Pretraining | None = None,
) -> Job:
    """The steps, and how the state begins.

    Args:
        config: what decides them.
        segmenter: what learns.
        image_shape: [h, w, c] of what it sees in training.
        steps: of the whole training, for the schedule.
        normalization: of the pixels.
        class_weights: of the loss; None for none.
        mesh: the devices; None for one.
        pretraining: what the backbone begins with; None for drawn parameters.

    Raises:
        ValueError: if the loss is unknown, the backbone has no such feature to freeze, or does not
            take the images.
    """
    dense_loss = lookup("loss", config.loss, LOSSES)
    of_classes = None if class_weights is None else jnp.asarray(class_weights)

    def loss(logits, batch):
        labels, mask = answered(segmenter, batch)
        weights = None
        if "target" in batch:
            weights = _middle(batch["target"], segmenter.margin)[:, :, :, 0]
        return dense_loss(logits, labels, mask, of_classes, weights)

    def metrics(logits, batch):
        return {"pixel_accuracy": _nothing_is_right(pixel_accuracy(_counts(logits, batch)))}

    def _counts(logits, batch):
        labels, mask = answered(segmenter, batch)
        labels = jnp.where(mask, labels, NOT_COUNTED)
        return confusion_counts(labels, logits.argmax(axis=-1), logits.shape[-1], NOT_COUNTED)

    optimizer = optax.chain(optax.clip_by_global_norm(config.clip), make_optimizer(config, steps))
    train_step = make_train_step(
        segmenter.model,
        optimizer,
        loss,
        metrics,
        normalization,
        augment=augmentation(config, segmenter, image_shape[2]),
        **step_options(config, mesh),
    )
    measure = make_eval_step(segmenter.model, loss, lambda logits, batch: {}, normalization)

    def eval_step(variables: Variables, batch: Batch) -> tuple[Totals, Array]:
        """Hands out counts, [b, classes, classes], which add up, in the place of the logits."""
        totals, logits = measure(variables, batch)
        return totals, _counts(logits, batch)

    def begin(key: Key[Array, ""]) -> dict[str, Variables]:
        if not segmenter.features:
            return {}
        return begin_on_backbone(
            segmenter.model, pretraining, image_shape, segmenter.features, config.freeze, key
        )

    init = initializer(config, segmenter.model, optimizer, image_shape, mesh, begin)
    return Job(init, train_step, eval_step)


def answered(
    segmenter: Segmenter, batch: Batch
) -> tuple[Int[Array, "b h w"], Bool[Array, "b h w"]]:
    """The labels of the pixels that the network answers for, and which of them count."""
    labels = _middle(batch["segmentation"], segmenter.margin).astype(jnp.int32)
    return labels, (labels != NOT_COUNTED) & batch["mask"][:, None, None]


def augmentation(config: SegmentConfig, segmenter: Segmenter, channels: int) -> Augment | None:
    """What the configuration asks for; None for nothing.

    Whole images are bent and moved before a patch is cut out of them: so what comes in from outside
    of an image is at its border only. A pixel that comes from there does not count.
    """
    outside = {"fill": GREY, "fill_class": NOT_COUNTED}
    single: list[Callable] = []
    if config.flip:
        single.append(augment.horizontal_flip())
    if config.vertical_flip:
        single.append(augment.vertical_flip())
    if not all(map(is_zero, (config.shift, config.zoom, config.rotation))):
        moved = augment.random_affine(config.shift, config.zoom, config.rotation, **outside)
        single.append(moved)
    if not is_zero(config.elastic):
        single.append(augment.elastic_deformation(config.elastic, **outside))
    if config.patch is not None:
        single.append(augment.random_patch(*[config.patch + 2 * segmenter.margin] * 2))
    if not is_zero(config.color):
        saturation = config.color if channels == 3 else 0.0
        single.append(augment.color_jitter(config.color, config.color, saturation))
    return augment.per_example(augment.compose(*single)) if single else None


def _middle(x: Array, margin: int) -> Array:
    return x[:, margin : x.shape[1] - margin, margin : x.shape[2] - margin]


def _nothing_is_right(shares: Float[Array, " b"]) -> Float[Array, " b"]:
    """1 where there was nothing to be right about: a patch of none but pixels that do not count."""
    return jnp.where(jnp.isnan(shares), 1.0, shares)
