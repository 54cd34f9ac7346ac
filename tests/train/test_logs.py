"""Event files and traces are there, and hold what they should."""

import re

import pytest

from jaxvision.train.profile import Profile
from jaxvision.train.tensorboard import TensorBoard, check_installed

RECORD = {
    "epoch": 3,
    "train": {"loss": 0.5, "accuracy": 0.75},
    "validation": {"loss": 0.25, "accuracy": 0.875},
}


def test_event_files_hold_a_point_an_epoch(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    with TensorBoard(tmp_path, 2) as log:
        log.steps(5)
        log.epoch(RECORD, {"images_per_second": 1000.0})
    (file,) = tmp_path.iterdir()
    points, content = {}, file.read_bytes()
    while content:  # a length, its checksum, the event, its checksum
        length = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]
        for value in event.summary.value:
            points[value.tag, event.step] = value.simple_value
    assert points == {
        ("loss/train", 3): 0.5,
        ("accuracy/train", 3): 0.75,
        ("loss/validation", 3): 0.25,
        ("accuracy/validation", 3): 0.875,
        ("speed/images_per_second", 3): 1000.0,
    }


def test_without_the_package_the_remedy_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=re.escape("pip install 'jaxvision[tensorboard]'")):
        check_installed()


def test_a_trace_of_the_first_steps_is_written(tmp_path):
    with Profile(tmp_path / "profile") as log:
        log.steps(0)
        for _ in range(5):
            log.steps(3)
        log.steps(0)  # another epoch: one trace is enough
        log.epoch(RECORD, {})
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1


def test_a_run_that_ends_early_leaves_a_trace_as_well(tmp_path):
    with pytest.raises(KeyError), Profile(tmp_path / "profile") as log:
        log.steps(0)
        raise KeyError
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1
