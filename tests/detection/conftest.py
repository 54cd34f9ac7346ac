"""A detector trained for a moment, once for all tests of this folder."""

import dataclasses
import io
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from jaxvision.detection.config import DetectConfig
from jaxvision.detection.training import train_detector

SMALL = DetectConfig(scenes=24, epochs=2, batch_size=8, height=64, compilation_cache=False)


class Trained(NamedTuple):
    path: Path
    config: DetectConfig
    output: str


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="session", params=["yolo", "faster_rcnn"])
def trained(request, tmp_path_factory):
    config = dataclasses.replace(
        SMALL, model=request.param, out=tmp_path_factory.mktemp("runs") / request.param
    )
    console = quiet()
    return Trained(train_detector(config, console), config, console.file.getvalue())
