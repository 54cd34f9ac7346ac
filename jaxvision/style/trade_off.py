"""Many paintings of one picture at once: weights, seeds and mixes of styles, in one program.

Every painting is a lane of `jax.vmap` over the program of one: the pictures and the network are
shared, the weights and the image to begin with are its own. What it takes is the memory of all of
them, at one size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvision.ops.platform import compiler_options
from jaxvision.style.config import Settings
from jaxvision.style.encoder import Encoder
from jaxvision.style.objective import Losses, Objective, Weights, losses, plan
from jaxvision.style.optimize import to_angles, to_pixels
from jaxvision.style.picture import Picture
from jaxvision.style.sizes import check_pictures
from jaxvision.style.synthesis import DEFAULTS, GATYS, choose_optimizer, first_image, make_targets


class Lane(NamedTuple):
    """What one painting has of its own.

    Attributes:
        content_weight: alpha.
        mix: weights of the styles, in any unit.
        seed: of the noise that it begins with, if `settings.initial` is noise of a kind.
    """

    content_weight: float
    mix: tuple[float, ...] = (1.0,)
    seed: int = 0


class Grid(NamedTuple):
    """What came out, one after the other as the lanes: images [n, h, w, 3], losses [n]."""

    images: Float[np.ndarray, "n h w 3"]
    losses: Losses


def paint_grid(
    encoder: Encoder,
    content: Picture,
    styles: Sequence[Picture],
    lanes: Sequence[Lane],
    settings: Settings = DEFAULTS,
    objective: Objective = GATYS,
) -> Grid:
    """Paints `content` once for each lane, at its own size, `settings.steps` steps each.

    Args:
        encoder: of `load_encoder`.
        content: RGB with values in [0, 1].
        styles: pictures of any size.
        lanes: what differs.
        settings: what does not; the coarsest size is not used, nor weights that are a lane's own.
        objective: what is compared.

    Raises:
        ValueError: if there are no lanes, a mix does not fit the styles, or as for `paint`.
    """
    size = content.shape[:2]
    check_pictures(content, styles, settings, None, encoder.model.minimum_size)
    if not lanes:
        raise ValueError("`lanes` is empty: name one painting or more.")
    for lane in lanes:
        if len(lane.mix) != len(styles) or min(lane.mix) < 0 or sum(lane.mix) <= 0:
            raise ValueError(
                f"`mix` must have a weight of 0 or more for each of {len(styles)} styles, and not "
                f"all 0, got {lane.mix}."
            )
    optimizer = choose_optimizer(settings)
    grid = plan(encoder, objective, *size, settings.window)
    targets = make_targets(encoder, objective, settings, size, content, styles)
    mixes = np.array([lane.mix for lane in lanes], np.float32)
    alphas = np.array([lane.content_weight for lane in lanes], np.float32)
    images = np.stack([first_image(settings, content, styles, size, lane.seed) for lane in lanes])

    def one(variables, targets, image, alpha, mix):
        weights = Weights(alpha, settings.style_weight, settings.total_variation, mix)

        def measure(angles):
            own = encoder._replace(variables=variables)
            return losses(own, objective, grid, to_pixels(angles), targets, weights)

        state = optimizer.init(to_angles(image[None]))
        state = optimizer.run(lambda angles: measure(angles).total[0], state, settings.steps)
        angles = optimizer.angles(state)
        found = Losses(*(part[0] for part in measure(angles)))
        return to_pixels(angles)[0], found

    all_lanes = jax.vmap(one, in_axes=(None, None, 0, 0, 0))
    run = jax.jit(all_lanes, compiler_options=compiler_options())
    shares = mixes / mixes.sum(axis=1, keepdims=True)
    painted = run(encoder.variables, targets, jnp.asarray(images), alphas, shares)
    return Grid(*jax.device_get(painted))
