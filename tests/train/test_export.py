"""Weights as safetensors: whole, exact, and refused with a list if they do not fit."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxvision.train.export import load_variables, save_variables

VARIABLES = {
    "params": {"c1": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.zeros(3)}},
    "batch_stats": {},
}


@pytest.fixture
def path(tmp_path):
    save_variables(tmp_path / "model.safetensors", VARIABLES)
    return tmp_path / "model.safetensors"


def test_what_is_saved_comes_back_and_any_reader_can_open_it(path):
    loaded = load_variables(path, jax.eval_shape(lambda: VARIABLES))
    chex.assert_trees_all_equal(loaded, VARIABLES)
    tensors = load_file(path)
    assert set(tensors) == {"params/c1/kernel", "params/c1/bias"}
    np.testing.assert_array_equal(tensors["params/c1/kernel"], [[0, 1, 2], [3, 4, 5]])


def test_a_transposed_kernel_is_saved_in_its_own_order(tmp_path):
    # A view with strides: safetensors would write its memory, not its values.
    kernel = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    save_variables(tmp_path / "w.safetensors", {"params": {"kernel": kernel}})
    np.testing.assert_array_equal(load_file(tmp_path / "w.safetensors")["params/kernel"], kernel)


def test_all_that_does_not_fit_is_listed(path):
    like = {
        "params": {
            "c1": {"kernel": jnp.zeros((3, 2)), "bias": jnp.zeros(3, jnp.int32)},
            "c2": {"bias": jnp.zeros(1)},
        },
        "batch_stats": {},
    }
    with pytest.raises(ValueError) as error:
        load_variables(path, like)
    for part in (
        "model.safetensors does not fit the model",
        "params/c1/kernel is float32[2, 3], not float32[3, 2]",
        "params/c1/bias is float32[3], not int32[3]",
        "params/c2/bias is missing",
    ):
        assert part in str(error.value)
    del like["params"]["c2"], like["params"]["c1"]["bias"]
    with pytest.raises(ValueError, match="params/c1/bias is unexpected"):
        load_variables(path, like)


@pytest.mark.parametrize("size", [0, 5, 50])
def test_a_truncated_file_is_named(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_variables(path, VARIABLES)
