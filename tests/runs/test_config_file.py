"""Settings from a file: all that is wrong is said at once, before anything else (case 34)."""

import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from jaxvision.classification.config import TrainConfig
from jaxvision.detection.config import DetectConfig
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.runs.config_file import read_settings
from jaxvision.segmentation.config import SegmentConfig


def write(folder, text, name="settings.toml"):
    path = folder / name
    path.write_text(text)
    return path


def test_settings_are_read_from_toml_json_and_a_run(tmp_path):
    expected = {"learning_rate": 1e-3, "epochs": 5, "flip": True, "data": "folder:pets"}
    toml = 'learning_rate = 1e-3\nepochs = 5\nflip = true\ndata = "folder:pets"\n'
    assert read_settings(write(tmp_path, toml), TrainConfig) == expected
    assert read_settings(write(tmp_path, json.dumps(expected), "a.json"), TrainConfig) == expected
    record = json.dumps({"config": expected, "versions": {}})
    assert read_settings(write(tmp_path, record, "config.json"), TrainConfig) == expected


def test_all_that_is_wrong_comes_in_one_message(tmp_path):
    text = """
        lerning_rate = 1e-3
        epochs = "5"
        batch_size = -2
        label_smoothing = nan
        flip = 1
        schedule = "cosin"
        patience = 2.5
        nonsense = true
    """
    with pytest.raises(ValueError) as caught:
        read_settings(write(tmp_path, text), TrainConfig)
    message = str(caught.value)
    for part in (
        "settings.toml",
        "`lerning_rate` is unknown (did you mean `learning_rate`?)",
        "`epochs` must be a whole number, got '5': leave out the quotes",
        "`batch_size` must be at least 1, got -2",
        "`label_smoothing` must be in [0, 1], got nan",
        "`flip` must be true or false, got 1",
        "`schedule` must be 'cosine' or 'constant', got 'cosin'",
        "`patience` must be a whole number or null, got 2.5",
        "`nonsense` is unknown",
    ):
        assert part in message, part


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.toml is no file"):
        read_settings(tmp_path / "absent.toml", TrainConfig)
    broken = {"a.toml": "epochs 5", "a.json": "{", "b.json": "[1]", "c.json": "[" * 10**5}
    twice, other = '{"epochs": 1, "epochs": 2}', "epochs: 5"
    for name, text in (broken | {"twice.json": twice, "settings.yaml": other, "none": ""}).items():
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            read_settings(write(tmp_path, text, name), TrainConfig)


CONFIGS = (TrainConfig, DetectConfig, SegmentConfig, DenoiseConfig, SuperResolveConfig)
NUMBERS = [
    (config, name)
    for config in CONFIGS
    for name, hint in get_type_hints(config).items()
    if float in (hint, *get_args(hint))
]


@pytest.mark.parametrize(("config", "name"), NUMBERS, ids=lambda x: getattr(x, "__name__", x))
def test_numbers_that_are_none_are_refused_wherever_they_come_from(config, name):
    several = isinstance(getattr(config, name), tuple)
    with pytest.raises(ValueError, match=rf"`{name}` must be .*nan"):
        config(**{name: (float("nan"),) if several else float("nan")})


def test_the_library_says_all_that_is_wrong_at_once_types_too(unchecked):
    wrong = {"epochs": "5", "flip": 1, "learning_rate": "1e-3", "batch_size": -2, "out": "here"}
    with pytest.raises(ValueError) as caught:
        TrainConfig(**wrong, schedule="cosin", validation_fraction=1.5, patience=2.5)
    for part in (
        "`epochs` must be a whole number, got '5'",
        "`flip` must be true or false, got 1",
        "`learning_rate` must be a number, got '1e-3'",
        "`batch_size` must be at least 1, got -2",
        "`out` must be a path or null, got 'here'",
        "`schedule` must be 'cosine' or 'constant', got 'cosin'",
        "`validation_fraction` must be in (0, 1), got 1.5",
        "`patience` must be a whole number or null, got 2.5",
    ):
        assert part in str(caught.value), part
    with pytest.raises(ValueError, match=r"`sigma` must be a list.*; `depth` must be at least 2"):
        DenoiseConfig(sigma=25.0, depth=1)


def test_of_a_detector_too_with_lists(tmp_path):
    settings = {"model": "faster_rcnn", "anchor_sizes": [8, 16.5], "data_dir": None, "out": "here"}
    expected = settings | {"anchor_sizes": (8, 16.5), "out": Path("here")}
    assert read_settings(write(tmp_path, json.dumps(settings), "a.json"), DetectConfig) == expected
    assert "mixup" not in DetectConfig.__dataclass_fields__
    text = 'anchor_sizes = [8, "x"]\nmixup = 0.2'
    with pytest.raises(ValueError, match=r"a list, each of it a number.*`mixup` is unknown"):
        read_settings(write(tmp_path, text), DetectConfig)
