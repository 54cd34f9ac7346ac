"""A denoiser and a super-resolver trained for a moment, once for all tests of this folder."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.training import train_denoiser, train_super_resolver

SMALL = {
    **{"data": "photographs", "channels": 1, "patch": 24, "patches": 512, "batch_size": 8},
    **{"epochs": 3, "learning_rate": 4e-3, "compilation_cache": False},
}
DENOISE = DenoiseConfig(**SMALL, depth=3, width=8, average_decay=0.9)
SUPER_RESOLVE = SuperResolveConfig(**SMALL, widths=(8, 8))


class Trained(NamedTuple):
    path: Path
    config: Any
    output: str
    train: Callable[..., Path]


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def train_for_a_moment(config: Any, train: Callable[..., Path], path: Path) -> Trained:
    config, console = dataclasses.replace(config, out=path), quiet()
    return Trained(train(config, console), config, console.file.getvalue(), train)


@pytest.fixture(scope="session")
def denoiser(tmp_path_factory):
    return train_for_a_moment(DENOISE, train_denoiser, tmp_path_factory.mktemp("runs") / "denoiser")


@pytest.fixture(scope="session")
def super_resolver(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "super_resolver"
    return train_for_a_moment(SUPER_RESOLVE, train_super_resolver, path)


@pytest.fixture(params=["denoiser", "super_resolver"])
def trained(request):
    return request.getfixturevalue(request.param)
