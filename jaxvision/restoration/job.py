"""What is trained, from a configuration: the restorer's steps, and how its state begins.

Networks take and give (v - 127.5) / 255 for a pixel v, from -1/2 to 1/2, and the loss of a batch is

    L = mean over images, pixels and channels of (f(y) - x)^2

with x the truth and y what is given. DnCNN's paper has the sum over pixels, halved (its equation
1): the same up to a factor.
"""

import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxvision import augment
from jaxvision.ops.dense_losses import pixel_squared_error
from jaxvision.ops.normalization import Normalization
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.problem import Problem
from jaxvision.restoration.turning import turn
from jaxvision.runs.job import initializer, step_options
from jaxvision.runs.optimizer import make_optimizer
from jaxvision.train.job import Job
from jaxvision.train.step import Augment, Batch, make_eval_step, make_train_step


def make_job(
    config: DenoiseConfig | SuperResolveConfig,
    problem: Problem,
    patch_shape: tuple[int, int, int],
    steps: int,
    normalization: Normalization,
    mesh: Mesh | None = None,
) -> Job:
    """The steps, and how the state begins.

    Args:
        config: what decides them.
        problem: what is learned.
        patch_shape: [h, w, c], of what the network takes.
        steps: of the whole training, for the schedule.
        normalization: of the pixels.
        mesh: the devices; None for one.
    """

    def loss(outputs: Float[Array, "b h w c"], batch: Batch) -> Float[Array, " b"]:
        return pixel_squared_error(outputs, normalization(batch["target"]))

    def quality(outputs: Float[Array, "b h w c"], batch: Batch) -> dict[str, Array]:
        return problem.quality(to_pixels(outputs, normalization), batch["target"])

    optimizer = make_optimizer(config, steps)
    train_step = make_train_step(
        problem.model,
        optimizer,
        loss,
        lambda outputs, batch: {},
        normalization,
        augment=augmentation(config, problem),
        **step_options(config, mesh),
    )
    # The pictures stay on the device: their quality is all that is looked at.
    eval_step = make_eval_step(
        problem.model, loss, quality, normalization, answer=lambda outputs: ()
    )

    init = initializer(config, problem.model, optimizer, patch_shape, mesh)
    return Job(init, train_step, eval_step)


def augmentation(config: DenoiseConfig | SuperResolveConfig, problem: Problem) -> Augment | None:
    """Turns each patch, and makes of it what is given and what is wanted."""
    parts = [augment.per_example(turn)] if config.turn else []
    if problem.corrupt is not None:
        parts.append(problem.corrupt)
    return augment.compose(*parts) if parts else None


def pixel_normalization(channels: int) -> Normalization:
    """From pixels to what networks take."""
    return Normalization((127.5,) * channels, (255.0,) * channels)


def to_pixels(
    outputs: Float[Array, "b h w c"], normalization: Normalization
) -> Float[Array, "b h w c"]:
    """From what networks give to pixels, which may lie outside 0..255."""
    mean, std = (jnp.array(v, jnp.float32).reshape(1, 1, 1, -1) for v in normalization)
    return outputs * std + mean
