"""Only finite numbers are saved: a NaN in a checkpoint is a run that cannot be gone on with.

Infinity has one place: a number of the optimizer that stands for "none yet", such as the best loss
that `optim.plateau` has seen.
"""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.checkpoint.manifest import CheckpointError
from jaxvision.checkpoint.tensors import Tensor
from jaxvision.train.processes import gather

OPTIMIZER = "state.opt_state."


class NonFiniteStateError(CheckpointError):
    """The state has a NaN or an infinity, so it was not saved; what was saved before is sound."""


def check_finite(step: int, tensors: dict[str, Tensor]) -> None:
    """Makes sure that there is nothing to lose the run by; all processes together.

    Raises:
        NonFiniteStateError: names the first tensor that is not finite, in each process.
    """
    names = list(tensors)
    with ThreadPoolExecutor(2) as pool:
        sound = list(pool.map(_is_sound, names, tensors.values()))
    first = sound.index(False) if False in sound else len(names)
    first = min(gather(first))
    if first < len(names):
        raise NonFiniteStateError(
            f"the state of step {step} is not saved, because {names[first]} has values that are "
            "not finite; earlier checkpoints are as they were. Go on from one of them with a "
            "smaller learning rate, or clip the gradients."
        )


def _is_sound(name: str, x: Tensor) -> bool:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return True
    if name.startswith(OPTIMIZER) and x.ndim == 0:
        return all(not np.isnan(part).any() for part in _here(x))
    return all(bool(np.isfinite(part).all()) for part in _here(x))


def _here(x: Tensor) -> list[np.ndarray]:
    if isinstance(x, jax.Array):
        return [np.asarray(shard.data) for shard in x.addressable_shards]
    return [x]
