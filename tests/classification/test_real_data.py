"""The main job on real data sets, where they are at hand; RESULTS.md has the full runs."""

import io
import json

import pytest
from rich.console import Console

from jaxvision.classification.config import TrainConfig
from jaxvision.classification.training import train
from jaxvision.data.tfds import open_tfds

pytestmark = [pytest.mark.real_data, pytest.mark.usefixtures("optimized")]


def accuracy(config):
    path = train(config, Console(file=io.StringIO()))
    return json.loads((path / "result.json").read_text())["test"]["accuracy"]


@pytest.mark.parametrize(
    ("name", "least", "size"), [("mnist", 0.98, 10_000), ("fashion_mnist", 0.84, 10_000)]
)
def test_two_epochs_of_lenet5(name, least, size, tmp_path):
    try:
        assert len(open_tfds(name)["test"]) == size
    except FileNotFoundError as error:
        pytest.skip(str(error))
    config = TrainConfig(data=f"tfds:{name}", epochs=2, out=tmp_path / "run")
    assert accuracy(config) >= least


def test_photographs_streamed_from_a_folder(shared, tmp_path):
    # Ants or bees is too hard for LeNet-5: what counts is that photographs of any size go through.
    config = TrainConfig(
        data=f"folder:{shared / 'datasets' / 'hymenoptera'}",
        image_size=48,
        batch_size=16,
        epochs=2,
        feed="streaming",
        out=tmp_path / "run",
    )
    assert 0.3 < accuracy(config) <= 1
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["data"]["classes"] == ["ants", "bees"]
    assert record["data"]["examples"]["validation"] == 153
    assert record["data"]["image_shape"] == [48, 48, 3]
