"""Style transfer in one pass: a network learns to paint every picture in one style.

Johnson, Alahi & Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
ECCV 2016, sections 3 and 4.1, https://arxiv.org/abs/1603.08155. Gatys et al. look for the image
whose loss is smallest, anew for each picture; here a network f_W is trained once, on photographs x,
so that what it makes of them has a small one:

    W = argmin  mean over photographs of  loss(f_W(x); content x, style of one picture)

The loss is that of `objective`; `OBJECTIVE` has the paper's layers, relu3_3 of figure 2 for the
content (section 4.1 has relu2_2, which leaves less room for strokes). A step of Adam takes a batch
of crops of the photographs, at random places, half of them mirrored.

Where we deviate: the objective is relative (see `objective`), so that the weights are not the
paper's. The paper shrinks whole photographs to 256 x 256 and does not mirror them.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from jaxvision.hyperparameters import ScalarOrSchedule, require_whole
from jaxvision.models.transform_net import MINIMUM_SIZE, TransformNet
from jaxvision.names import lookup
from jaxvision.ops.platform import compiler_options
from jaxvision.optim import adam
from jaxvision.style.encoder import Encoder
from jaxvision.style.network import StyleNetwork, check_unit_range
from jaxvision.style.objective import (
    Losses,
    Objective,
    Reference,
    Targets,
    Weights,
    content_reference,
    losses,
    plan,
    style_reference,
)
from jaxvision.style.picture import Picture
from jaxvision.train import NonFiniteError, init_state, make_train_step, means
from jaxvision.train.epoch import MAX_SKIPPED

OBJECTIVE = Objective(
    content={"relu3_3": 1.0},
    style=dict.fromkeys(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), 0.25),
)
WEIGHTS = Weights(content=0.05, style=1.0, total_variation=0.05, styles=np.ones(1, np.float32))
WINDOW = 1024  # pixels a side of what is seen of the style at once


class TransformProgress(NamedTuple):
    """What training has come to.

    Attributes:
        step: steps made.
        losses: means over the crops since the last progress: "total", weighted, and its parts
            "content", "style" and "total_variation", which are not.
        network: as it is now.
    """

    step: int
    losses: dict[str, float]
    network: StyleNetwork


def fit_transform_net(
    encoder: Encoder,
    objective: Objective,
    style: Picture,
    images: UInt8[np.ndarray, "n hs ws 3"],
    weights: Weights = WEIGHTS,
    *,
    width: int = 32,
    blocks: int = 5,
    steps: int = 40_000,
    batch_size: int = 4,
    size: int = 256,
    learning_rate: ScalarOrSchedule = 1e-3,
    seed: int = 0,
    log_every: int = 100,
    start: StyleNetwork | None = None,
) -> Iterator[TransformProgress]:
    """Trains a network for one style, and yields the progress every `log_every` steps, and at last.

        *_, last = fit_transform_net(load_encoder(), OBJECTIVE, style, load_photographs(folder))
        painted = apply_transform_net(last.network, image)

    The defaults are the paper's. Whoever stops asking stops training. The same seed gives the same
    bits, whatever `log_every` is. A step whose loss or gradient is not finite changes nothing.

    Args:
        encoder: the network that sees.
        objective: the layers and what of them is compared.
        style: the picture, RGB with values in [0, 1]. The network paints with strokes of the size
            that they have there, in pixels.
        images: photographs to learn on, all of one size; they stay on the device.
        weights: of the loss's parts.
        width: of the network: 16 is a quarter of the arithmetic of the paper's 32.
        blocks: of the network.
        steps: of Adam.
        batch_size: crops in a step.
        size: of a crop, in pixels a side.
        learning_rate: of Adam; or a schedule, of `optim.schedules`.
        seed: of the network's first parameters, and of the crops.
        log_every: steps from one progress to the next.
        start: a network to go on with, of this width and these blocks, instead of a drawn one.

    Raises:
        ValueError: if an argument is out of its range, or a layer is unknown.
        NonFiniteError: if the loss or gradient of ten steps in a row was not finite.
    """
    for name, value, remedy in (
        ("steps", steps, "the paper makes 40,000"),
        ("batch_size", batch_size, "the paper has 4"),
        ("size", size, "the paper has 256"),
        ("log_every", log_every, "100 is a minute or two on a CPU"),
    ):
        require_whole(name, value, low=1, remedy=remedy)
    _check(encoder, objective, style, images, weights, size)
    model, optimizer = TransformNet(width, blocks), adam(learning_rate)
    if start is not None and start.model != model:
        raise ValueError(
            f"`start` must be a network of `width` = {width} and `blocks` = {blocks}, got "
            f"{start.model.width} and {start.model.blocks}: ask for as many."
        )
    variables = None if start is None else start.variables
    images_like, key = jnp.zeros((1, size, size, 3)), jax.random.key(seed)
    state = init_state(model, optimizer, images_like, key, variables=variables)
    train_step = _step(model, optimizer, encoder, objective, weights, size)
    data = {
        "batch": {"image": jnp.asarray(images), "mask": jnp.ones(batch_size, bool)},
        "encoder": jax.device_put(encoder.variables),
        "style": _style_of(encoder, objective, style),
    }
    return _progress(state, train_step, data, model, steps, log_every)


def _check(encoder, objective, style, images, weights, size) -> None:
    """Refuses what cannot be learned from."""
    for name in (*objective.content, *objective.style):
        lookup("layer", name, encoder.layers)
    check_unit_range("style", style)
    smallest = max(encoder.model.minimum_size, MINIMUM_SIZE)
    if min(size, *style.shape[:2]) < smallest:
        raise ValueError(
            f"`size` and the sides of `style` must be at least {smallest} pixels, as the "
            f"networks need, got {size} and {style.shape[0]} x {style.shape[1]}: enlarge them."
        )
    if len(images) == 0 or size > min(images.shape[1:3]):
        raise ValueError(
            f"`images` must be one or more of at least `size` = {size} pixels a side, got "
            f"{list(images.shape)}: take smaller crops, or larger photographs."
        )
    if np.shape(weights.styles) != (1,):
        raise ValueError(
            f"`weights.styles` must be one number, as there is one style, got "
            f"{np.shape(weights.styles)}: a network learns one style."
        )


def _progress(state, train_step, data, model, steps, log_every) -> Iterator[TransformProgress]:
    """The loop. It reads the steps' losses when it has something to tell, and not before."""
    skipped, waiting = 0, []
    for step in range(1, steps + 1):
        state, totals = train_step(state, data)
        waiting.append(totals)
        if step % log_every and step < steps:
            continue
        read, waiting = jax.device_get(waiting), []
        for i, totals in enumerate(read):
            skipped = skipped + 1 if totals["skipped"] else 0
            if skipped == MAX_SKIPPED:
                raise NonFiniteError(step - len(read) + i + 1, skipped, "of random crops")
        sums = {name: sum(float(totals[name]) for totals in read) for name in read[0]}
        found = means(sums)
        parts = {"total": found.pop("loss")} | found
        # Copied, because the state's own arrays are given away to the next step.
        variables = {"params": jax.tree.map(np.array, state.params)}
        yield TransformProgress(step, parts, StyleNetwork(model, variables))


def _step(model, optimizer, encoder, objective, weights, size):
    """(state, data) -> (state, totals), compiled; `data` has the photographs and what sees them."""
    grid = plan(encoder, objective, size, size, size)

    # The encoder's weights are arguments of the program: constants would be compiled into it.
    @partial(jax.jit, donate_argnums=0, compiler_options=compiler_options())
    def step(state, data):
        given = encoder._replace(variables=data["encoder"])

        def choose(key, batch):
            return batch | {"image": random_crops(key, batch["image"], len(batch["mask"]), size)}

        def measure(outputs, batch) -> Losses:
            content = content_reference(given, objective, grid, _unit(batch["image"]))
            targets = Targets(content, (data["style"],), {})
            return losses(given, objective, grid, outputs, targets, weights)

        def parts(outputs, batch):
            # Computed once: XLA finds that it has all of it in common with the loss.
            found = measure(outputs, batch)._asdict()
            return {name: found[name] for name in ("content", "style", "total_variation")}

        train_step = make_train_step(
            model,
            optimizer,
            lambda outputs, batch: measure(outputs, batch).total,
            parts,
            normalize=_unit,
            augment=choose,
        )
        return train_step(state, data["batch"])

    return step


def random_crops(
    key: Key[Array, ""], images: UInt8[Array, "n h w 3"], number: int, size: int
) -> UInt8[Array, "{number} {size} {size} 3"]:
    """Squares of images drawn with replacement, each at any place, and mirrored or not."""
    n, h, w, _ = images.shape

    def crop(key):
        which, down, right, coin = jax.random.split(key, 4)
        start = (
            jax.random.randint(which, (), 0, n),
            jax.random.randint(down, (), 0, h - size + 1),
            jax.random.randint(right, (), 0, w - size + 1),
            0,
        )
        found = jax.lax.dynamic_slice(images, start, (1, size, size, 3))[0]
        return jnp.where(jax.random.bernoulli(coin), found[:, ::-1], found)

    return jax.vmap(crop)(jax.random.split(key, number))


def _style_of(encoder: Encoder, objective: Objective, style: Picture) -> dict[str, Reference]:
    grid = plan(encoder, objective, *style.shape[:2], WINDOW)

    @partial(jax.jit, compiler_options=compiler_options())
    def reference(variables, images):
        return style_reference(encoder._replace(variables=variables), objective, grid, images)

    return reference(encoder.variables, style[None])


def _unit(pixels: UInt8[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    return pixels.astype(jnp.float32) / 255
