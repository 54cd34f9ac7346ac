"""One finished run of the real job, small, that the tests of the job share and do not change."""

import io

import pytest
from rich.console import Console

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.training import train


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A digits run of 8 epochs with an MLP; `run.path` and what it printed in `run.output`."""

    class Run:
        config = TrainConfig(
            model="mlp",
            epochs=8,
            batch_size=64,
            seed=1,
            out=tmp_path_factory.mktemp("runs") / "digits",
        )
        text = io.StringIO()
        path = train(config, Console(file=text, width=100))
        output = text.getvalue()

    return Run


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of weights and features that begins empty."""
    monkeypatch.setenv("JAXVISION_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def lenet(tmp_path_factory):
    """A run of LeNet-5 that has learned the digits, to go on from."""
    path = tmp_path_factory.mktemp("lenet") / "run"
    config = TrainConfig(epochs=4, image_size=16, out=path)
    return train(config, Console(file=io.StringIO()))
