"""What is trained, from a configuration: the detector's steps, and how its state begins."""

import optax
from jax.sharding import Mesh
from jaxtyping import Array, Key

from jaxvision import augment
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detectors import Detector
from jaxvision.hyperparameters import is_zero
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.job import initializer, step_options
from jaxvision.runs.optimizer import make_optimizer
from jaxvision.train.job import Job
from jaxvision.train.state import Variables
from jaxvision.train.step import Augment, make_eval_step, make_train_step
from jaxvision.transfer.backbone import Pretraining, begin_on_backbone, load_backbone

GREY = 128.0  # what lies around an image on its canvas, and comes in from outside


def load_pretraining(config: DetectConfig) -> Pretraining | None:
    """The backbone's weights that the configuration names; None for none; errors as
    `load_backbone`."""
    return config.pretrained and load_backbone(config.pretrained, config.channels or 3)


def make_job(
    config: DetectConfig,
    detector: Detector,
    image_shape: tuple[int, int, int],
    steps: int,
    normalization: Normalization,
    mesh: Mesh | None = None,
    pretraining: Pretraining | None = None,
) -> Job:
    """The steps, and how the state begins.

    Args:
        config: what decides them.
        detector: what learns.
        image_shape: [h, w, c].
        steps: of the whole training, for the schedule.
        normalization: of the pixels.
        mesh: the devices; None for one.
        pretraining: what the backbone begins with; None for drawn parameters.

    Raises:
        ValueError: if the backbone has no such feature to freeze, or does not take the images.
    """

    def loss(outputs, batch):
        return sum(detector.losses(outputs, batch).values())

    measures = detector.measures
    optimizer = optax.chain(optax.clip_by_global_norm(config.clip), make_optimizer(config, steps))
    train_step = make_train_step(
        detector.model,
        optimizer,
        loss,
        detector.losses,
        normalization,
        inputs=detector.inputs,
        augment=augmentation(config, image_shape[2]),
        **step_options(config, mesh),
    )
    eval_step = make_eval_step(
        detector.model,
        None if measures is None else lambda outputs, batch: sum(measures(outputs, batch).values()),
        measures or (lambda outputs, batch: {}),
        normalization,
        answer=detector.boxes,
    )

    def begin(key: Key[Array, ""]) -> dict[str, Variables]:
        if detector.feature is None:
            return {}
        return begin_on_backbone(
            detector.model, pretraining, image_shape, (detector.feature,), config.freeze, key
        )

    init = initializer(config, detector.model, optimizer, image_shape, mesh, begin)
    return Job(init, train_step, eval_step)


def augmentation(config: DetectConfig, channels: int) -> Augment | None:
    """What the configuration asks for, in the order of its fields; None for nothing."""
    single = []
    if config.flip:
        single.append(augment.horizontal_flip())
    if not (is_zero(config.shift) and is_zero(config.zoom)):
        single.append(augment.random_affine(config.shift, config.zoom, fill=GREY))
    if not is_zero(config.crop):
        single.append(augment.random_object_crop(0.5, area=(1 - config.crop, 1.0), fill=GREY))
    if not is_zero(config.color):
        saturation = config.color if channels == 3 else 0.0
        single.append(augment.color_jitter(config.color, config.color, saturation))
    return augment.per_example(augment.compose(*single)) if single else None
