"""What is trained, from a configuration: the detector's steps, and how its state begins."""

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Key

from jaxvision import augment
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detectors import Detector
from jaxvision.hyperparameters import is_zero
from jaxvision.ops.normalization import Normalization
from jaxvision.runs.optimizer import make_optimizer
from jaxvision.train.job import Job
from jaxvision.train.mesh import gather_on, shardings_on
from jaxvision.train.state import TrainState, Variables, init_state
from jaxvision.train.step import Augment, make_eval_step, make_train_step
from jaxvision.transfer.backbone import Pretraining, load_backbone, not_learned
from jaxvision.transfer.partition import partition

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
    averaged = {} if config.average_decay is None else {"average_decay": config.average_decay}
    whole = {} if mesh is None else {"gather": gather_on(mesh)}
    train_step = make_train_step(
        detector.model,
        optimizer,
        loss,
        detector.losses,
        normalization,
        inputs=detector.inputs,
        augment=augmentation(config, image_shape[2]),
        accumulate=config.accumulate,
        **averaged,
        **whole,
    )
    eval_step = make_eval_step(
        detector.model,
        None if measures is None else lambda outputs, batch: sum(measures(outputs, batch).values()),
        measures or (lambda outputs, batch: {}),
        normalization,
        answer=detector.boxes,
    )

    def init(key: Key[Array, ""]) -> TrainState:
        images = jnp.zeros((1, *image_shape))
        return init_state(
            detector.model,
            optimizer,
            images,
            key,
            **begin(config, detector, pretraining, image_shape, jax.random.split(key)[0]),
            average=bool(averaged),
            shardings=None if mesh is None else shardings_on(mesh),
        )

    return Job(init, train_step, eval_step)


def begin(
    config: DetectConfig,
    detector: Detector,
    pretraining: Pretraining | None,
    image_shape: tuple[int, int, int],
    key: Key[Array, ""],
) -> dict[str, Variables]:
    """What training begins with, as `init_state` takes it.

    What of the backbone no box depends on stays as it is: so nothing is computed there.
    """
    images = jnp.zeros((1, *image_shape))
    drawn = jax.jit(lambda key: detector.model.init(key, images, train=False))(key)
    variables = {"params": dict(drawn["params"]), "batch_stats": dict(drawn.get("batch_stats", {}))}
    if pretraining is not None:
        for name, own in pretraining.variables.items():
            if own:
                variables[name]["backbone"] = own
    if detector.feature is None:
        return {"variables": variables}
    own = {name: tree.get("backbone", {}) for name, tree in variables.items()}
    names = not_learned(
        detector.model.backbone, own, image_shape, (detector.feature,), config.freeze
    )
    if not names:
        return {"variables": variables}
    frozen = {f"backbone/{name}" for name in names}
    learning, kept = partition(variables, lambda name: name not in frozen)
    return {"variables": learning, "frozen": kept}


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
