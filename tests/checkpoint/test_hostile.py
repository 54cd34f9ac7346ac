"""A checkpoint that somebody else has made: its sums are right, and it leads to other files."""

import json
import re

import numpy as np
import pytest

from jaxvision.checkpoint.checkpoint import CheckpointError, restore_checkpoint, save_checkpoint
from jaxvision.checkpoint.sums import write_sums
from tests.checkpoint.made_up import made_up_progress
from tests.pretrained.hostile_files import CODE, header, npy
from tests.pretrained.watched import watched

NAME = "best.batch_stats.norm.mean"  # five float32


@pytest.fixture
def checkpoint(tmp_path):
    path = save_checkpoint(tmp_path / "checkpoints", made_up_progress(3))
    (tmp_path / "outside").mkdir()
    np.save(tmp_path / "outside" / "secret.npy", np.full(5, 42, np.float32))
    return path


def refused(checkpoint, message):
    with watched(checkpoint.parents[1] / "outside") as events:
        with pytest.raises(CheckpointError, match=message) as error:
            restore_checkpoint(checkpoint.parent, made_up_progress())
        assert events() == []
    assert str(checkpoint) in str(error.value) and "\n" not in str(error.value)


def tensor_file(checkpoint):
    manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
    return manifest, manifest["tensors"][NAME]["files"]


@pytest.mark.parametrize(
    "name",
    [
        "../../../outside/secret.npy",
        "{}/outside/secret.npy",
        "..",
        "a/../../../../outside/secret.npy",
        "..\\secret.npy",
        "",
        "absent.npy",
    ],
)
def test_a_file_elsewhere_is_not_read(checkpoint, name):
    manifest, files = tensor_file(checkpoint)
    files[name.format(checkpoint.parents[1])] = files.popitem()[1]
    (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))
    write_sums(checkpoint)
    refused(checkpoint, "agrees with its SHA256SUMS, and yet .*take a checkpoint of your own")


@pytest.mark.parametrize("part", ["tensors/{}", "MANIFEST.json", "SHA256SUMS", "tensors"])
def test_a_link_is_not_followed(checkpoint, part):
    outside, (file,) = checkpoint.parents[1] / "outside", tensor_file(checkpoint)[1]
    path = checkpoint / part.format(file)
    target = outside / path.name
    path.rename(target)
    path.symlink_to(target)
    refused(checkpoint, rf"no checkpoint can be used.*{path.name} is no plain file")


@pytest.mark.parametrize(
    "content",
    [
        npy(header((5,), "|O"), b"\x80\x04N."),
        npy(CODE),
        npy(b"(" * 9000),
        npy(header((2**40,)), bytes(20)),
        npy(header((5,), "<f8"), bytes(40)),
        b"\x80\x04N.",
    ],
    ids=["objects", "code", "brackets", "shape", "dtype", "pickle"],
)
def test_an_array_that_is_none_is_refused(checkpoint, content):
    (file,) = tensor_file(checkpoint)[1]
    (checkpoint / "tensors" / file).write_bytes(content)
    write_sums(checkpoint)
    refused(checkpoint, "agrees with its SHA256SUMS, and yet jaxvision has not written it")


@pytest.mark.parametrize("place", ["0:4", "a:b", "0:5,0:5", "9:1", "0:99999999999999999999"])
def test_a_place_that_the_array_has_not_is_refused(checkpoint, place):
    manifest, files = tensor_file(checkpoint)
    (file,) = files
    files[file] = place
    (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))
    write_sums(checkpoint)
    if place.startswith("0:9"):  # all of it, and so harmless
        restored, _ = restore_checkpoint(checkpoint.parent, made_up_progress())
        np.testing.assert_array_equal(
            restored.best["batch_stats"]["norm"]["mean"],
            made_up_progress(3).best["batch_stats"]["norm"]["mean"],
        )
        return
    refused(checkpoint, re.escape("jaxvision has not written it"))
