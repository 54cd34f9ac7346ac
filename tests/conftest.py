"""What every test runs under: strict shapes, quick compilation, a cache shared between runs."""

import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "jaxvision-test-cache")
)
# By default JAX keeps what took a second to compile; the tests have thousands of small programs.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import jaxtyping
import pytest

SHARED = Path(__file__).parents[2] / "shared"
jax.config.update("jax_numpy_rank_promotion", "raise")
# Compiling is most of a test. What tests start as a process of its own compiles as everyone's does.
jax.config.update("jax_disable_most_optimizations", True)
with pytest.MonkeyPatch.context() as patch:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false"
    patch.setenv("XLA_FLAGS", flags.strip())
    jax.devices()  # reads the flags


@pytest.fixture(scope="module")
def optimized():
    """Compiles as everyone's programs are: for tests of the last bits, and such as run for long."""
    from jaxvision.ops.platform import compiler_options

    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(compiler_options(), "xla_cpu_use_fusion_emitters", "True")
        yield
    jax.clear_caches()
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def unchecked():
    """Switches type checks off: they take most of the time that tracing a deep network takes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights beside the project; tests that need it skip without."""
    folder = Path(os.environ.get("JAXVISION_SHARED", SHARED))
    if not folder.is_dir():
        pytest.skip("no folder of real data: set JAXVISION_SHARED to one")
    return folder


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision; beside a CPU build of PyTorch it loads by a tool of the shared folder."""
    pytest.importorskip("torch")
    tool = Path(os.environ.get("JAXVISION_SHARED", SHARED)) / "tools" / "torchvision_cpu.py"
    try:
        if tool.is_file():
            spec = importlib.util.spec_from_file_location("torchvision_cpu", tool)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        return importlib.import_module("torchvision")
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"torchvision does not load: {error}")


@pytest.fixture
def jaxvision(monkeypatch, capsys, tmp_path):
    """Calls the command in an empty directory: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["jaxvision", *map(str, arguments)])
        from jaxvision import cli

        try:
            code = cli.main()
        except SystemExit as end:  # tyro ends --help and usage errors so
            code = end.code
        output, error = capsys.readouterr()
        return code, output, error

    return call
