"""Features from the cache are those that were computed, and only of what they were computed of."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.sources import ArraySource, digits
from jaxvision.data.views import Fitted, Subset
from jaxvision.models import make_model
from jaxvision.pretrained.fetch import user_cache
from jaxvision.transfer import cache_folder, extract_features
from jaxvision.transfer.feature_cache import digest, load_features, save_features

SOURCE = Fitted(Subset(digits()["train"], np.arange(20)), 16, 16)
MODEL = make_model("lenet5", 10)
VARIABLES = MODEL.init(jax.random.key(0), jnp.zeros((1, 16, 16, 1)), train=False)


def extract(cache, variables=VARIABLES, source=SOURCE, feature="c3", **options):
    return extract_features(MODEL, variables, source, feature, cache=cache, **options)


def files(folder):
    return sorted(folder.glob("*"))


def test_what_was_computed_is_not_computed_again(tmp_path, monkeypatch):
    first = extract(tmp_path)
    (kept,) = files(tmp_path)
    monkeypatch.setattr("jaxvision.transfer.features.EvalEpoch", None)  # whoever computes, fails
    np.testing.assert_array_equal(extract(tmp_path), first)
    assert files(tmp_path) == [kept]


def changed_weight():
    kernel = VARIABLES["params"]["c1"]["kernel"].at[0, 0, 0, 0].add(1e-6)
    c1 = {**VARIABLES["params"]["c1"], "kernel": kernel}
    return {"variables": {"params": {**VARIABLES["params"], "c1": c1}}}


def changed_pixel():
    images = np.stack([SOURCE[i]["image"] for i in range(20)])
    images[19, 15, 15, 0] ^= 1
    return {"source": ArraySource(images, SOURCE.labels)}


@pytest.mark.parametrize(
    "other",
    [
        changed_weight(),
        changed_pixel(),
        {"source": Subset(SOURCE, np.arange(19))},
        {"feature": "f6"},
        {"pool": "max"},
        {"normalize": lambda images: images / 2.0},
        {"normalize": lambda images: images - jnp.array([[[[3.0]]]])},
        {"view": lambda images: images[:, :, ::-1]},
    ],
    ids=["weight", "pixel", "images", "feature", "pool", "scale", "mean", "view"],
)
def test_anything_else_is_computed(tmp_path, other):
    extract(tmp_path)
    np.testing.assert_array_equal(extract(tmp_path, **other), extract(None, **other))
    assert len(files(tmp_path)) == 2


def test_another_mean_image_in_the_same_program_is_computed(tmp_path):
    for shift in (0.0, 1.0):
        mean = jnp.arange(256.0).reshape(1, 16, 16, 1) + shift  # a constant beside the program

        def centred(images, mean=mean):
            return images - mean

        ours = extract(tmp_path, normalize=centred)
        np.testing.assert_array_equal(ours, extract(None, normalize=centred))
    assert len(files(tmp_path)) == 2


def test_the_same_images_by_another_way_are_the_same(tmp_path):
    images = np.stack([SOURCE[i]["image"] for i in range(20)])
    extract(tmp_path)
    extract(tmp_path, source=ArraySource(images, SOURCE.labels), batch_size=7)
    assert len(files(tmp_path)) == 1


def test_another_process_finds_them():
    """A program is printed without addresses, which no two processes share."""
    code = (
        "from tests.transfer.test_feature_cache import *\n"
        "step = lambda v, b: MODEL.apply(v, b['image'] / 255, train=False)[1]['c3']\n"
        "print(digest(step, VARIABLES, SOURCE))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(found) == 1 and len(found.pop().strip()) == 64
    assert callable(digest)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_a_damaged_file_is_computed_again(tmp_path, damage):
    first = extract(tmp_path)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "other": b"not an archive",
            "empty": b"",
        }[damage]
    )
    assert load_features(file) is None
    np.testing.assert_array_equal(extract(tmp_path), first)
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert extract(tmp_path / "file" / "features").shape == (20, 16)
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def failing(opened, **arrays):
        opened.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", failing)
    save_features(tmp_path / "a.npz", np.zeros((2, 3), np.float32))
    assert files(tmp_path) == []


def test_it_is_beside_the_weights():
    assert cache_folder() == user_cache() / "features"
