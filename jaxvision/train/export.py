"""Variables as a safetensors file: what a trained network leaves the house as.

The names are the paths in the tree, "params/c1/kernel"; any safetensors reader opens the file.
"""

from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxvision.train.run import write_whole
from jaxvision.train.state import Variables


def save_variables(path: Path, variables: Variables) -> None:
    """Writes `variables` to `path`, whole or not at all."""
    from safetensors.numpy import save

    tensors = flatten_dict(jax.device_get(variables), sep="/")
    write_whole(path, save({name: np.ascontiguousarray(x) for name, x in tensors.items()}))


def load_variables(path: Path, like: Variables) -> Variables:
    """Reads what `save_variables` wrote, all of it or nothing.

    Args:
        path: the file.
        like: a tree with the expected names, shapes and dtypes (`jax.eval_shape` gives one).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, or its tensors are not those of `like`: every name that
            is missing, unexpected or of another shape or dtype is listed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = path.read_bytes()
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}. Train anew, or copy it again.") from None

    expected = flatten_dict(dict(like), sep="/")
    problems = [f"{name} is missing" for name in expected.keys() - tensors.keys()]
    problems += [f"{name} is unexpected" for name in tensors.keys() - expected.keys()]
    for name in expected.keys() & tensors.keys():
        want, got = expected[name], tensors[name]
        if (want.shape, want.dtype) != (got.shape, got.dtype):
            problems.append(
                f"{name} is {got.dtype}{list(got.shape)}, not {want.dtype}{list(want.shape)}"
            )
    if problems:
        raise ValueError(f"{path} does not fit the model: {'; '.join(sorted(problems))}.")
    # Collections without tensors, as `batch_stats` may be, leave no trace in the file.
    return {name: {} for name in like} | unflatten_dict(tensors, sep="/")
