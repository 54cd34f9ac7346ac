"""One checkpoint of several processes, or devices: written together, read by any number."""

import json
import os
import socket
import subprocess
import sys

import jax
import pytest

from jaxvision.checkpoint.checkpoint import list_checkpoints, restore_checkpoint, save_checkpoint
from tests.checkpoint.made_up import bits, made_up_progress


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What two processes wrote, and what each said. SIGTERM would not end them: JAX handles it."""
    folder, port = tmp_path_factory.mktemp("checkpoints"), free_port()
    command = [sys.executable, "-m", "tests.faults.one_of_several", folder, str(port), "2"]
    two = [
        subprocess.Popen(
            [*command, str(i)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for i in range(2)
    ]
    try:
        output = [process.communicate(timeout=120)[0] for process in two]
    finally:
        for process in two:
            process.kill()
            process.wait()
    assert [process.returncode for process in two] == [0, 0], "\n".join(output)
    return folder, output


@pytest.mark.timeout(200)
def test_two_processes_save_and_restore_together(written):
    folder, output = written
    for said in output:
        assert "done" in said
        assert "not finite: the state of step 5 is not saved, because state.params.kernel" in said
        assert "00000006 cannot be written: " in said
    assert "cannot be written: No space left on device" in output[1]
    assert "cannot be written: process 1 failed; its message says why" in output[0]
    assert [path.name for path in list_checkpoints(folder)] == ["00000004"]
    assert sorted(p.name for p in folder.iterdir()) == [".quarantine", "00000004"]


def test_each_process_writes_its_own_pieces_and_what_all_have_is_written_once(written):
    folder, _ = written
    manifest = json.loads((folder / "00000004" / "MANIFEST.json").read_text())
    places = {name: list(of["files"].values()) for name, of in manifest["tensors"].items()}
    assert places["state.params.kernel"] == ["0:4,0:16", "4:8,0:16"]
    assert places["state.params.bias"] == ["0:16"]
    assert places["state.opt_state.0"] == ["0:8,0:16"]


def test_one_process_reads_what_two_have_written(written):
    from tests.faults.one_of_several import check, progress_at

    restored, _ = restore_checkpoint(written[0], progress_at(0, layout="whole"))
    check(restored, 4)


ON_EIGHT = """
import sys
from pathlib import Path
import jax
from jax.sharding import NamedSharding, PartitionSpec
from jaxvision.checkpoint.checkpoint import restore_checkpoint, save_checkpoint
from tests.checkpoint.made_up import bits, made_up_progress

assert jax.device_count() == 8
mesh = jax.make_mesh((8,), ("devices",))

def spread(x):
    is_key = jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
    rows = x.ndim and not is_key and x.shape[0] % 8 == 0
    return jax.device_put(x, NamedSharding(mesh, PartitionSpec(*["devices"][:rows])))

folder = Path(sys.argv[1])
like = jax.tree.map(spread, made_up_progress(0, width=8))
restored, _ = restore_checkpoint(folder, like)
assert bits(restored) == bits(made_up_progress(1, width=8))
split = 0
for x, y in zip(jax.tree.leaves(restored), jax.tree.leaves(like)):
    assert x.sharding == y.sharding
    split += len({str(s.index) for s in y.addressable_shards}) == 8
assert split >= 4, split
save_checkpoint(folder, jax.tree.map(spread, made_up_progress(2, width=8)))
"""


def test_one_device_to_eight_and_back(tmp_path):
    save_checkpoint(tmp_path, made_up_progress(1, width=8))
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    command = [sys.executable, "-c", ON_EIGHT, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    restored, refused = restore_checkpoint(tmp_path, made_up_progress(0, width=8))
    assert refused == [] and bits(restored) == bits(made_up_progress(2, width=8))
    assert all(len(x.devices()) == 1 for x in jax.tree.leaves(restored))
