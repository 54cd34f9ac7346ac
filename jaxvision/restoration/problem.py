"""What is to be restored, and by which network: all in which denoising and super-resolution differ.

Denoising        the noise is drawn in the training step, another one each time; a picture for
                 validation or test has the same at all times: that of its number
Super-resolution pictures are cut to a multiple of the factor, made smaller by bicubic
                 interpolation, and rounded to 8 bits. SRCNN takes them enlarged again

Pixels are 0..255, and a noisy one may lie outside: nothing is clipped.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num, UInt8

from jaxvision.models.convolutional_denoiser import ConvolutionalDenoiser
from jaxvision.models.dncnn import DnCNN
from jaxvision.models.espcn import ESPCN
from jaxvision.models.srcnn import SRCNN
from jaxvision.names import lookup
from jaxvision.ops.bicubic import enlarge_bicubic, reduce_bicubic
from jaxvision.ops.noise import gaussian_noise, poisson_noise, salt_and_pepper
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.quality import Quality
from jaxvision.restoration.residual import Residual
from jaxvision.train.step import Batch

NOISE_SEED = 0  # of validation and test, whatever the training's
DENOISERS = ("dncnn", "denoiser")
SUPER_RESOLVERS = ("espcn", "srcnn")

Picture: TypeAlias = UInt8[np.ndarray, "_h _w c"]
Pixels: TypeAlias = Num[np.ndarray, "_h _w c"]


class Problem(NamedTuple):
    """What is learned.

    Attributes:
        task: its name.
        model: the network.
        scale: pixels of its output for each of its input, in height and in width.
        radius: how many pixels away, of its input, it sees.
        degrade: (a true picture, its number) -> (what is given, the truth that it is measured by).
        prepare: what is given -> what the network takes.
        before: what the given picture is called when it is compared.
        compare: what is given, at the truth's size.
        corrupt: changes a batch in training, at random, into "image" and "target".
        pair: a true picture -> what patches are cut out of, "target" `scale` times as large.
        quality: what is measured.
        suffix: of the files that are written.
    """

    task: str
    model: nn.Module
    scale: int
    radius: int
    degrade: Callable[[Picture, int], tuple[Pixels, Picture]]
    prepare: Callable[[Pixels], Pixels]
    before: str
    compare: Callable[[Pixels], Pixels]
    corrupt: Callable[[Key[Array, ""], Batch], Batch] | None
    pair: Callable[[Picture], dict[str, Pixels]]
    quality: Quality
    suffix: str


def make_problem(config: DenoiseConfig | SuperResolveConfig) -> Problem:
    """The problem that the configuration is of."""
    make = make_denoising if isinstance(config, DenoiseConfig) else make_super_resolution
    return make(config)


def make_denoising(config: DenoiseConfig) -> Problem:
    """Raises ValueError if there is no such network."""
    dtype = None if config.dtype == "float32" else jnp.dtype(config.dtype)
    models: dict[str, Callable[[], tuple[Any, int]]] = {
        "dncnn": lambda: (DnCNN(config.depth, config.width, dtype), config.depth),
        "denoiser": lambda: (ConvolutionalDenoiser(config.width, dtype=dtype), 3),
    }
    model, radius = lookup("model", config.model, models)()

    def corrupt(key: Key[Array, ""], batch: Batch) -> Batch:
        images = batch["image"].astype(jnp.float32)
        return batch | {"image": add_noise(key, images, config, config.sigma), "target": images}

    add = jax.jit(partial(add_noise, config=config, sigma=(config.tested_sigma,)))

    def degrade(picture: Picture, i: int) -> tuple[Pixels, Picture]:
        key = jax.random.fold_in(jax.random.key(NOISE_SEED), i)
        return np.asarray(add(key, jnp.asarray(picture[None], jnp.float32))[0]), picture

    return Problem(
        task="denoising",
        model=model,
        scale=1,
        radius=radius,
        degrade=degrade,
        prepare=lambda given: given,
        before="noisy",
        compare=lambda given: given,
        corrupt=corrupt,
        pair=lambda picture: {"image": picture},
        quality=Quality(),
        suffix="denoised",
    )


def make_super_resolution(config: SuperResolveConfig) -> Problem:
    """Raises ValueError if there is no such network."""
    factor, widths = config.factor, (config.widths[0], config.widths[1])
    dtype = None if config.dtype == "float32" else jnp.dtype(config.dtype)
    # What adds to the enlarged picture begins by adding nothing.
    drawn = {"last_init": nn.initializers.zeros} if config.residual else {}
    models: dict[str, Callable[[], tuple[Any, int, int]]] = {
        "espcn": lambda: (ESPCN(factor, widths, dtype, **drawn), factor, 4),
        "srcnn": lambda: (SRCNN(widths, dtype, **drawn), 1, 6),
    }
    model, scale, radius = lookup("model", config.model, models)()
    if config.residual:
        model = Residual(model, scale)

    def enlarge(given: Pixels) -> Float[np.ndarray, "_h _w c"]:
        return np.asarray(enlarge_bicubic(jnp.asarray(given[None], jnp.float32), factor)[0])

    def degrade(picture: Picture, i: int) -> tuple[Pixels, Picture]:
        del i
        return shrink(picture, factor)

    prepare = enlarge if scale == 1 else lambda given: given

    def pair(picture: Picture) -> dict[str, Pixels]:
        small, truth = shrink(picture, factor)
        return {"image": prepare(small), "target": truth}

    return Problem(
        task="super_resolution",
        model=model,
        scale=scale,
        radius=radius,
        degrade=degrade,
        prepare=prepare,
        before="bicubic",
        compare=enlarge,
        corrupt=None,
        pair=pair,
        quality=Quality(shave=factor, luminance=True),
        suffix=f"x{factor}",
    )


def add_noise(
    key: Key[Array, ""],
    images: Float[Array, "b h w c"],
    config: DenoiseConfig,
    sigma: tuple[float, ...],
) -> Float[Array, "b h w c"]:
    """The noise that the configuration names, on pixels 0..255; nothing is clipped.

    Args:
        key: decides it.
        images: without noise.
        config: which noise.
        sigma: of Gaussian noise, or from which to which it is drawn, for each image.
    """
    if config.noise == "poisson":
        return poisson_noise(key, images, config.peak)
    if config.noise == "salt_and_pepper":
        return salt_and_pepper(key, images, config.fraction)
    if len(sigma) == 1:
        return gaussian_noise(key, images, sigma[0])
    noise_key, strength_key = jax.random.split(key)
    low, high = sigma
    deviation = jax.random.uniform(strength_key, (len(images),), minval=low, maxval=high)
    return gaussian_noise(noise_key, images, deviation)


def shrink(picture: Picture, factor: int) -> tuple[Picture, Picture]:
    """(the picture made `factor` times smaller, the picture cut to a multiple of that).

    Bicubic, antialiased, and rounded to 8 bits; what is cut off is at the right and at the bottom.
    """
    h, w, _ = picture.shape
    truth = picture[: h // factor * factor, : w // factor * factor]
    small = reduce_bicubic(jnp.asarray(truth[None], jnp.float32), factor)
    return np.asarray(jnp.round(jnp.clip(small[0], 0, 255)).astype(jnp.uint8)), truth
