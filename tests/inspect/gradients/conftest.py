"""What the tests of gradients share."""

import importlib

import pytest

# The package has a function of the module's name.
check = importlib.import_module("jaxvision.inspect.gradients.check")
QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Compiles checks in a third of the time: of tiny functions that is most of it."""
    monkeypatch.setattr(check, "compiler_options", lambda: QUICK)
