"""The cache of programs: the second start of the same job compiles nothing."""

import json
import os
import subprocess
import sys

PROGRAM = """
import collections, json, sys
import jax
events = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
from jaxvision.cli import main
code = main()
print(json.dumps({name.rsplit("/", 1)[1]: count for name, count in events.items()}))
sys.exit(code)
"""


def start(cache, out, *options):
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    arguments = ("train", "--model", "mlp", "--epochs", "1", "--out", str(out), *options)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env=environment | {"XDG_CACHE_HOME": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


def test_the_second_start_compiles_nothing(tmp_path):
    cache = tmp_path / "cache"
    first = start(cache, tmp_path / "first")
    assert first["cache_misses"] > 3
    assert any((cache / "jaxvision" / "programs").iterdir())
    second = start(cache, tmp_path / "second")
    assert second.get("cache_misses", 0) == 0
    assert second["cache_hits"] == first["cache_misses"]
    ours, theirs = ((tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_without_it_nothing_is_written(tmp_path):
    start(tmp_path / "cache", tmp_path / "run", "--no-compilation-cache")
    assert not (tmp_path / "cache" / "jaxvision").exists()
