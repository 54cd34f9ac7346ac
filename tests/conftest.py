"""What every test runs under: strict shapes, and a compilation cache shared between runs."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "jaxvision-test-cache")
)

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights beside the project; tests that need it skip without."""
    folder = Path(os.environ.get("JAXVISION_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip("no folder of real data: set JAXVISION_SHARED to one")
    return folder
