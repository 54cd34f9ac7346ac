"""What `config.json` says of the machine, and whether a run goes on with what it began with."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from typing import Any

import jax

from jaxvision.names import lookup
from jaxvision.runs.config import FREE


def environment() -> dict[str, Any]:
    """Versions and device."""
    packages = ("jaxvision", "jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "device": {
            "kind": jax.devices()[0].device_kind,
            "count": jax.device_count(),
            "processes": jax.process_count(),
            "cpu_cores": os.cpu_count(),
        },
    }


def check_same(
    then: dict[str, Any], now: dict[str, Any], allowed: Sequence[str]
) -> tuple[bool, list[str]]:
    """Compares what a run was recorded with (`record_of`) to what it would go on with.

    Args:
        then: of the run.
        now: of this process.
        allowed: fields of the configuration that may differ, and "data".

    Returns:
        (whether anything that matters differs, what is to be said about it).

    Raises:
        ValueError: if anything differs that is not allowed to: names each, old and new.
    """
    fields = sorted(then["config"].keys() | now["config"].keys())
    for name in allowed:
        lookup("allow_changed", name, dict.fromkeys(fields))
    changed = {
        name: f"{name} was {then['config'].get(name)} and is {now['config'].get(name)}"
        for name in fields
        if name not in FREE and then["config"].get(name) != now["config"].get(name)
    }
    data = [
        f"{key} was {_short(then['data'].get(key))} and is {_short(value)}"
        for key, value in now["data"].items()
        if then["data"].get(key) != value
    ]
    if data:
        changed.setdefault("data", f"the data are no longer the same: {'; '.join(data)}")
    refused = [name for name in changed if name not in allowed]
    if refused:
        raise ValueError(
            f"the run began with other settings or data: "
            f"{'; '.join(changed[name] for name in refused)}. Give it what it had, or say "
            f"--allow-changed {' '.join(refused)}, or begin a new run"
        )
    notes = [f"changed, as allowed: {text}" for text in changed.values()]
    for what in ("versions", "device"):
        if then[what] != now[what]:
            notes.append(
                f"the bits may differ from an uninterrupted run's: the {what} were "
                f"{_differences(then[what], now[what])}"
            )
    return bool(changed), notes


def _differences(then: dict[str, Any], now: dict[str, Any]) -> str:
    keys = [key for key in now if then.get(key) != now[key]]
    return ", ".join(f"{key} {then.get(key)} and are {now[key]}" for key in keys)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
