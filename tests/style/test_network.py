"""A trained network in a file: small, the same picture afterwards, and no byte may be wrong."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jaxvision.models.transform_net import TransformNet
from jaxvision.style.network import (
    METADATA,
    StyleNetwork,
    apply_transform_net,
    load_transform_net,
    save_transform_net,
)
from tests.ops.agreement import QUICK


def drawn(**attributes):
    model = TransformNet(**attributes)
    images = jnp.zeros((1, 16, 16, 3))
    init = jax.jit(partial(model.init, train=False), compiler_options=QUICK)
    return StyleNetwork(model, jax.device_get(init(jax.random.key(0), images)))


@pytest.fixture(scope="module")
def network():
    return drawn(width=2, blocks=1)


@pytest.fixture
def path(network, tmp_path):
    save_transform_net(tmp_path / "net.safetensors", network)
    return tmp_path / "net.safetensors"


def test_what_is_saved_comes_back_but_for_the_rounding_to_half_precision(network, path):
    loaded = load_transform_net(str(path))
    assert loaded.model == network.model

    def compare(ours, theirs):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs.astype(np.float16))

    jax.tree.map(compare, loaded.variables, network.variables)


def test_a_network_of_width_16_takes_less_than_a_megabyte_and_paints_the_same(tmp_path, picture):
    network, path = drawn(width=16), tmp_path / "net.safetensors"
    save_transform_net(path, network)
    assert path.stat().st_size < 1e6
    image = picture(24, 19)
    before, after = (
        apply_transform_net(each, image) for each in (network, load_transform_net(path))
    )
    levels = 255 * np.abs(before - after)  # of random weights, on a picture full of noise
    assert 0 < levels.mean() < 0.2 and levels.max() < 1.5


def test_the_same_network_is_the_same_bytes(network, path):
    save_transform_net(path.with_name("again"), network)
    assert path.with_name("again").read_bytes() == path.read_bytes()
    assert set(load_file(path)) > {"params/out/kernel", "params/conv1/scale"}


def test_applies_the_model_to_a_picture_of_any_size(network, picture):
    for size in ((16, 23), (30, 17)):
        image = picture(*size)
        variables = jax.tree.map(jnp.asarray, network.variables)
        forward = jax.jit(partial(network.model.apply, train=False), compiler_options=QUICK)
        expected, _ = forward(variables, jnp.asarray(image)[None])
        painted = apply_transform_net(network, image)
        np.testing.assert_allclose(painted, expected[0], atol=1e-5)
        assert painted.shape == image.shape and painted.std() > 0.05


def test_a_wrong_byte_anywhere_is_noticed(path):
    content = bytearray(path.read_bytes())
    for at in [*range(0, 500, 7), *range(500, len(content), len(content) // 40)]:
        damaged = content.copy()
        damaged[at] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged|no network for style transfer"):
            load_transform_net(path)


@pytest.mark.parametrize("content", [b"", b"12", b"not a network at all", b"\x89PNG" * 100])
def test_names_a_file_that_is_none(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"net.safetensors is damaged or no safetensors file"):
        load_transform_net(path)


def test_names_a_file_that_is_cut_short(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"net.safetensors is damaged"):
        load_transform_net(path)


@pytest.mark.parametrize("metadata", [None, {"format": "np"}])
def test_names_weights_of_something_else(path, metadata):
    save_file({"params/c1/kernel": np.zeros(3, np.float32)}, path, metadata)
    with pytest.raises(ValueError, match="holds no network for style transfer"):
        load_transform_net(path)


@pytest.mark.parametrize("description", ["{", "[]", "{}", '{"sha256": "0"}'])
def test_names_a_description_that_is_none(path, description):
    save_file(load_file(path), path, {METADATA: description})
    with pytest.raises(ValueError, match="its sum is wrong"):
        load_transform_net(path)


def test_a_description_of_another_network_is_noticed(path):
    tensors, content = load_file(path), path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    description = json.loads(header["__metadata__"][METADATA])
    assert description["width"] == 2 and description["blocks"] == 1
    save_file(tensors, path, {METADATA: json.dumps(description | {"blocks": 2})})
    with pytest.raises(ValueError, match="its sum is wrong"):
        load_transform_net(path)


def test_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.safetensors: no such file"):
        load_transform_net(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, 7e4])
def test_what_half_precision_cannot_hold_is_not_saved(network, tmp_path, value):
    broken = jax.tree.map(np.copy, network)
    broken.variables["params"]["conv1"]["scale"][0] = value
    with pytest.raises(ValueError, match="finite parameters up to 65504, got others in params/co"):
        save_transform_net(tmp_path / "net.safetensors", broken)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("factor", "given"), [(255, "0 to 255"), (-1, "-1 to -0"), (np.nan, "nan to nan")]
)
def test_names_a_picture_whose_white_is_not_one(network, factor, given):
    image = np.linspace(0, 1, 768, dtype=np.float32).reshape(16, 16, 3) * np.float32(factor)
    with pytest.raises(ValueError, match=rf"`image` must have values in \[0, 1\], got {given}:"):
        apply_transform_net(network, image)


def test_names_a_picture_that_is_too_small(network):
    with pytest.raises(ValueError, match="at least 16 x 16 for TransformNet, got 12 x 20"):
        apply_transform_net(network, np.zeros((12, 20, 3), np.float32))
