"""A cache of compiled programs between processes: the second start of a job compiles nothing."""

import os
from pathlib import Path

import jax


def cache_folder() -> Path:
    """Where it is: $XDG_CACHE_HOME/jaxvision/programs, by default below ~/.cache. To empty it,
    remove it."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "jaxvision" / "programs"


def cache_programs() -> None:
    """Keeps every program of this process; a cache that the user has chosen for JAX stays.

    A folder that cannot be written costs a compilation and nothing else.
    """
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # By default JAX keeps only what took a second to compile.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
