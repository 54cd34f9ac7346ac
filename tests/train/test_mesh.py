"""Many devices give what one gives; parameters and optimizer state lie in parts where asked."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxvision.train.mesh import make_mesh, parse_mesh

SCRIPT = Path(__file__).with_name("on_devices.py")
STEPS = 50


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What `on_devices.py` writes, for (devices, mesh, dtype)."""
    folder, done = tmp_path_factory.mktemp("devices"), {}

    def run(devices, mesh, dtype):
        if (key := (devices, mesh, dtype)) not in done:
            out = folder / f"{len(done)}.npz"
            command = [sys.executable, SCRIPT, out, mesh, dtype, str(STEPS)]
            flags = f"--xla_force_host_platform_device_count={devices}"
            result = subprocess.run(
                command, capture_output=True, text=True, env=os.environ | {"XLA_FLAGS": flags}
            )
            assert result.returncode == 0, result.stderr
            done[key] = dict(np.load(out))
        return done[key]

    return run


MESHES = [(2, "data=2"), (8, "data=8"), (8, "data=4,model=2"), (4, "data=1,model=4")]


@pytest.mark.parametrize(("devices", "mesh"), MESHES)
def test_in_float32_the_loss_of_every_step_is_that_of_one_device(trained, devices, mesh):
    one, many = trained(1, "none", "float32"), trained(devices, mesh, "float32")
    assert one["losses"].shape == (STEPS,) and one["losses"][-5:].mean() < one["losses"][:5].mean()
    np.testing.assert_allclose(many["losses"], one["losses"], rtol=1e-6)
    np.testing.assert_allclose(many["validation"], one["validation"], rtol=1e-6)


@pytest.mark.parametrize(("devices", "mesh"), MESHES[1:3])
def test_in_float64_the_parameters_are_those_of_one_device(trained, devices, mesh):
    one, many = trained(1, "none", "float64"), trained(devices, mesh, "float64")
    kernels = [name for name in one if "kernel'" in name]
    assert len(kernels) == 3 and one[kernels[0]].dtype == np.float64
    for name in one.keys() - {"kernel_part", "moment_part", "losses", "validation"}:
        np.testing.assert_allclose(many[name], one[name], rtol=0, atol=1e-10)


def test_parameters_and_optimizer_state_lie_in_parts(trained):
    for devices, mesh, part in ((8, "data=8", 1), (8, "data=4,model=2", 1 / 2)):
        result = trained(devices, mesh, "float32")
        assert result["kernel_part"] == result["moment_part"] == part


@pytest.mark.parametrize(
    "text", ["", "8", "data", "data=0", "data=two", "rows=2", "model=2", "data=2,data=2"]
)
def test_a_mesh_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"`mesh` must be data=N or data=N,model=M"):
        parse_mesh(text)


def test_a_mesh_is_read_in_its_order():
    assert parse_mesh("data=4, model=2") == {"data": 4, "model": 2}
    assert list(parse_mesh("model=2,data=4")) == ["model", "data"]


def test_devices_that_are_not_there_are_named():
    with pytest.raises(ValueError, match=r"names 8 devices, and there are 1 \(cpu\).*count=8"):
        make_mesh({"data": 4, "model": 2})


def test_devices_that_would_be_idle_are_named(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    with pytest.raises(ValueError, match="names 4 devices, and there are 8"):
        make_mesh({"data": 4})
