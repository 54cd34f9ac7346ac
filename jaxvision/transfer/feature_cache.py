"""Features that were computed before, known by all that they depend on, so that none is stale.

A file is called after the digest of the traced program, the weights and every pixel. If any of them
changes, so does the name; and one that is damaged is computed again.
"""

import hashlib
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxvision.data.sources import Source, read_items
from jaxvision.pretrained.fetch import user_cache
from jaxvision.train.state import Variables

CHUNK = 256  # images that are read at a time


def cache_folder() -> Path:
    """Where they are kept: "features" beside the weights that were fetched. To empty it, remove
    it."""
    return user_cache() / "features"


def digest(step: Callable, variables: Variables, source: Source) -> str:
    """What features depend on, in 64 digits.

    Args:
        step: (variables, {"image": [b, h, w, c]}) -> features.
        variables: what it is given.
        source: the images, of one shape.
    """
    shape = jax.ShapeDtypeStruct((1, *source[0]["image"].shape), jnp.uint8)
    program = jax.make_jaxpr(step)(variables, {"image": shape})
    found = hashlib.sha256(f"{jax.__version__} {jax.default_backend()}".encode())
    found.update(str(program).encode())
    for array in (*program.consts, *jax.tree.leaves(variables)):
        array = np.ascontiguousarray(array)
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(array.data if array.dtype.isbuiltin == 1 else array.tobytes())
    for i in range(0, len(source), CHUNK):
        for item in read_items(source, range(i, min(i + CHUNK, len(source)))):
            found.update(np.ascontiguousarray(item["image"]).data)
    return found.hexdigest()


def load_features(file: Path) -> Float[np.ndarray, "n d"] | None:
    """What `save_features` has written there; None if nothing is there, or it is damaged."""
    try:
        # Opened here, for NumPy leaves one open that it cannot read.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            return arrays["features"]  # a zip file knows its sums
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def save_features(file: Path, features: Float[np.ndarray, "n d"]) -> None:
    """Writes them: whole, or not at all. A folder that cannot be written costs time only."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as opened:
                np.savez(opened, features=features)
            partial.replace(file)
        except OSError:
            partial.unlink(missing_ok=True)
