"""Style transfer: an image that has the content of one picture and the style of others.

    for progress in paint(encoder, content, [style]):
        progress.image                                 so far; the last one is the result

Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
https://doi.org/10.1109/CVPR.2016.265, from coarse to fine: the image is optimised at a small size
first, where a layer sees more of the picture and a step costs little, then enlarged and gone on
with (Gatys et al., "Controlling Perceptual Factors in Neural Style Transfer", CVPR 2017, section 6,
https://arxiv.org/abs/1611.07865), the optimizer's memory with it (`optimize`). Each size has half
the steps of the one before it and four times the pixels.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvision.ops.platform import compiler_options
from jaxvision.style.config import Settings
from jaxvision.style.encoder import Encoder
from jaxvision.style.objective import (
    Losses,
    Objective,
    Reference,
    Targets,
    Weights,
    content_reference,
    losses,
    plan,
    region_maps,
    style_reference,
)
from jaxvision.style.optimize import Optimizer, by_adam, by_lbfgs, to_angles, to_pixels
from jaxvision.style.picture import Picture, noise_like, resized
from jaxvision.style.sizes import check_pictures, scales, steps_at, style_size

DEFAULTS, GATYS = Settings(), Objective()


class Progress(NamedTuple):
    """How far a painting has come.

    Attributes:
        step: that have been made, of all sizes.
        steps: that will be made at most.
        size: (height, width) at present, in pixels.
        image: so far, [h, w, 3] with values in [0, 1].
        losses: its losses, numbers.
    """

    step: int
    steps: int
    size: tuple[int, int]
    image: Picture
    losses: Losses


def stylize(
    encoder: Encoder,
    content: Picture,
    styles: Sequence[Picture],
    settings: Settings = DEFAULTS,
    objective: Objective = GATYS,
    *,
    masks: Float[np.ndarray, "styles h w"] | None = None,
    start: Picture | None = None,
) -> Picture:
    """The image that `paint` ends with; the arguments and errors are its."""
    *_, last = paint(encoder, content, styles, settings, objective, masks=masks, start=start)
    return last.image


def paint(
    encoder: Encoder,
    content: Picture,
    styles: Sequence[Picture],
    settings: Settings = DEFAULTS,
    objective: Objective = GATYS,
    *,
    masks: Float[np.ndarray, "styles h w"] | None = None,
    start: Picture | None = None,
) -> Iterator[Progress]:
    """Paints `content`, at its own size, in the style of `styles`; yields how far it has come.

    The same arguments give the same bits on the same machine.

    Args:
        encoder: of `load_encoder`.
        content: RGB with values in [0, 1].
        styles: pictures of any size.
        settings: how.
        objective: what is compared, at which layers.
        masks: for each style the region of the content that it is for, from 0 to 1; None for all of
            the styles everywhere.
        start: what to begin with, of any size, in the place of `settings.initial`.

    Raises:
        ValueError: if there is no style, a picture is too small, numbers do not fit together, or
            the loss is not finite.
    """
    sizes = scales(*content.shape[:2], settings.coarsest)
    check_pictures(content, styles, settings, masks, smallest=encoder.model.minimum_size)
    optimizer = choose_optimizer(settings)
    counts = steps_at(settings.steps, len(sizes))
    done, state, weights = 0, None, _weights(settings, len(styles), masks)
    for size, count in zip(sizes, counts, strict=True):
        targets = make_targets(encoder, objective, settings, size, content, styles, masks)
        if state is None:
            if start is None:
                start = first_image(settings, content, styles, size, settings.seed)
            state = optimizer.init(to_angles(jnp.asarray(resized(start, *size))[None]))
        else:
            state = _enlarge(optimizer, state, size)
        run = _compile(encoder, objective, settings, optimizer, size)
        for first in range(0, count, settings.every):
            steps = min(settings.every, count - first)
            state, image, found = run(encoder.variables, state, targets, weights, steps)
            done += steps
            found = Losses(*(float(part[0]) for part in found))
            if not np.isfinite(found.total):
                raise ValueError(
                    f"the loss became {found.total} after {done} steps: lower `learning_rate` or "
                    "the weights."
                )
            yield Progress(done, sum(counts), size, np.asarray(image[0]), found)


def make_targets(
    encoder: Encoder,
    objective: Objective,
    settings: Settings,
    size: tuple[int, int],
    content: Picture,
    styles: Sequence[Picture],
    masks: Float[np.ndarray, "styles h w"] | None = None,
) -> Targets:
    """What pictures ask for of an image of (height, width) = `size`; arguments as for `paint`."""

    def compute(make, picture, size) -> dict[str, Reference]:
        grid = plan(encoder, objective, *size, settings.window)

        def reference(variables, images):
            return make(encoder._replace(variables=variables), objective, grid, images)

        compiled = jax.jit(reference, compiler_options=compiler_options())
        return compiled(encoder.variables, jnp.asarray(resized(picture, *size))[None])

    regions = {}
    if masks is not None:
        small = np.stack([resized(mask[..., None], *size)[..., 0] for mask in masks])
        regions = region_maps(encoder, objective, small)
    return Targets(
        content=compute(content_reference, content, size),
        styles=tuple(
            compute(style_reference, style, style_size(style, size, settings)) for style in styles
        ),
        regions=regions,
    )


def _compile(encoder, objective, settings, optimizer, size):
    """The program of `steps` steps at one size, that also gives the image and its losses."""
    grid = plan(encoder, objective, *size, settings.window)

    def run(variables, state, targets, weights, steps):
        def measure(angles):
            own = encoder._replace(variables=variables)
            return losses(own, objective, grid, to_pixels(angles), targets, weights)

        state = optimizer.run(lambda angles: measure(angles).total[0], state, steps)
        angles = optimizer.angles(state)
        return state, to_pixels(angles), measure(angles)

    return jax.jit(run, donate_argnums=1, compiler_options=compiler_options())


def choose_optimizer(settings: Settings) -> Optimizer:
    """The one that the settings name."""
    if settings.optimizer == "adam":
        return by_adam(settings.learning_rate)
    return by_lbfgs(settings.memory)


def _weights(settings: Settings, styles: int, masks: np.ndarray | None) -> Weights:
    mix = np.asarray(settings.mix or [1.0] * styles, np.float32)
    return Weights(
        content=np.float32(settings.content_weight),
        style=np.float32(settings.style_weight),
        total_variation=np.float32(settings.total_variation),
        styles=mix if masks is not None else mix / mix.sum(),
    )


def first_image(
    settings: Settings,
    content: Picture,
    styles: Sequence[Picture],
    size: tuple[int, int],
    seed: int,
) -> Picture:
    """What a painting of this size begins with."""
    if settings.initial == "content":
        return resized(content, *size)
    random = np.random.default_rng(seed)
    if settings.initial == "noise":
        return random.uniform(size=(*size, 3)).astype(np.float32)
    return noise_like(styles, size, random)


def _enlarge(optimizer: Optimizer, state, size: tuple[int, int]):
    pixels = to_pixels(optimizer.angles(state))
    larger = jax.image.resize(pixels, (1, *size, 3), "cubic")
    return optimizer.carry(state, to_angles(jnp.clip(larger, 0, 1)))
