"""A network that restores pictures of any size, in windows, exactly as the whole at once.

A window is larger than what is kept of it by as many pixels as the network sees away, so that only
the picture's own border shows (`jaxvision.ops.tiled_inference`).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, UInt8

from jaxvision.ops.normalization import Normalization
from jaxvision.ops.platform import compiler_options
from jaxvision.ops.tiled_inference import apply_in_windows
from jaxvision.restoration.job import to_pixels
from jaxvision.restoration.problem import Problem
from jaxvision.train.state import Variables

WINDOW = 512  # pixels a side, of the network's input


class Restorer:
    """What is given -> the picture, uint8.

    Attributes:
        problem: which.
        channels: that the network takes: 1 or 3.
    """

    def __init__(self, problem: Problem, variables: Variables, normalization: Normalization):
        """Args: what is restored; the network's variables; of the pixels that it has seen."""
        self.problem, self.channels = problem, len(normalization.mean)
        self._variables, self._normalization = variables, normalization
        self._program = jax.jit(self._apply, compiler_options=compiler_options())

    def __call__(self, given: Num[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "_h _w c"]:
        """Restores a picture of any size, pixels 0..255; noise may have led outside.

        Of a picture in colour, a network of grey ones restores each of the three channels.
        """
        if given.shape[2] != self.channels == 1:
            planes = (given[:, :, i : i + 1] for i in range(given.shape[2]))
            return np.concatenate([self(plane) for plane in planes], axis=2)
        image = np.asarray(self.problem.prepare(given), np.float32)
        restored = apply_in_windows(
            partial(self._program, self._variables),
            image,
            window=WINDOW,
            halo=self.problem.radius,
            scale=self.problem.scale,
        )
        return np.rint(np.clip(restored, 0, 255)).astype(np.uint8)

    def _apply(
        self, variables: Variables, images: Float[Array, "b h w c"]
    ) -> Float[Array, "b _h _w c"]:
        outputs, _ = self.problem.model.apply(
            variables, self._normalization(jnp.asarray(images)), train=False
        )
        return to_pixels(outputs, self._normalization)
