"""A network trained to segment for a moment, once for all tests of this folder."""

import dataclasses
import io
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from jaxvision.segmentation.config import SegmentConfig
from jaxvision.segmentation.training import train_segmenter

SMALL = SegmentConfig(
    scenes=16, image_size=64, epochs=2, batch_size=4, width=4, depth=2, compilation_cache=False
)
# What each network is trained with: whole images, and patches of which some are not counted.
NETWORKS = {
    "padded_unet": {},
    "unet": {"patch": 36, "rotation": 5.0},
    "encoder_unet": {"backbone": "vgg11", "depth": 1, "patch": 32, "flip": True},
}


class Trained(NamedTuple):
    path: Path
    config: SegmentConfig
    output: str


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="session", params=NETWORKS)
def trained(request, tmp_path_factory):
    config = dataclasses.replace(
        SMALL,
        model=request.param,
        out=tmp_path_factory.mktemp("runs") / request.param,
        **NETWORKS[request.param],
    )
    console = quiet()
    return Trained(train_segmenter(config, console), config, console.file.getvalue())
