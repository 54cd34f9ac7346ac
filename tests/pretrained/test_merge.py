"""Merging takes every leaf or gives one list of those that do not fit; leave is given by name."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.pretrained.merge import merge

INITIAL = {
    "params": {
        "conv1": {"kernel": jnp.zeros((3, 1, 1, 2)), "bias": jnp.zeros(2)},
        "block1": {"bn": {"scale": jnp.ones(2)}, "bn2": {"scale": jnp.full(2, 9.0)}},
        "head": {"kernel": jnp.full((2, 5), 0.5), "bias": jnp.zeros(5)},
    },
    "batch_stats": {"block1": {"bn": {"mean": jnp.zeros(2)}}},
    "empty": {},
}
SHAPES = jax.eval_shape(lambda: INITIAL)


def weights():
    """A copy, whose values are 1, 2, ... and whose leaves a test may change."""
    return jax.tree.map(lambda x: 1 + np.arange(x.size, dtype=np.float32).reshape(x.shape), INITIAL)


@pytest.mark.parametrize("variables", [INITIAL, SHAPES], ids=["variables", "shapes"])
def test_what_fits_is_taken_whole(variables):
    merged, loaded = merge(variables, weights()), weights()
    chex.assert_trees_all_equal(merged, loaded)
    chex.assert_trees_all_equal_structs(merged, INITIAL)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(merged))


def test_what_is_given_stays_as_it_was():
    loaded, buffer = weights(), np.ones(32, np.float32)
    start = -buffer.ctypes.data % 64 // 4  # JAX can share memory that is aligned like this
    loaded["params"]["conv1"]["bias"] = buffer[start : start + 2]
    loaded["params"]["conv1"]["bias"][:] = [1, 2]
    merged = merge(INITIAL, loaded)
    loaded["params"]["conv1"]["bias"][:] = -1
    np.testing.assert_array_equal(merged["params"]["conv1"]["bias"], [1, 2])
    np.testing.assert_array_equal(INITIAL["params"]["conv1"]["bias"], [0, 0])


def test_everything_that_does_not_fit_is_in_one_list():
    loaded = weights()
    params = loaded["params"]
    params["conv1"]["kernel"] = params["conv1"]["kernel"].transpose(3, 2, 0, 1)
    params["conv1"]["bias"] = np.array([1, 2], np.int32)
    params["block1"]["bn"]["scale"] = np.array([1, np.nan], np.float32)
    params["fc"] = {"kernel": np.zeros((2, 1000), np.float16)}
    del params["head"]["bias"], loaded["batch_stats"]
    with pytest.raises(ValueError) as error:
        merge(INITIAL, loaded, allow_missing=["params/haed"])
    first, *rows, last = str(error.value).splitlines()
    assert first == "`loaded` must fit the model, and 7 things do not:"
    assert set(rows) == {
        "  params/haed in `allow_missing` is the name of nothing that needs it",
        "  params/head/bias is missing: expected float32[5], found nothing",
        "  batch_stats/block1/bn/mean is missing: expected float32[2], found nothing",
        "  params/fc/kernel is unexpected: expected nothing, found float16[2, 1000]",
        "  params/conv1/kernel is reshaped: "
        "expected float32[3, 1, 1, 2], found float32[2, 1, 3, 1]; it is transposed, as PyTorch's "
        "kernels are: give it by .transpose((2, 3, 1, 0))",
        "  params/conv1/bias is of another dtype: expected float32[2], found int32[2]",
        "  params/block1/bn/scale is not finite, as float32",
    }
    assert last.endswith("in `allow_missing`, `allow_unexpected` or `allow_reshaped`.")


def test_a_transposed_dense_kernel_is_called_so_and_another_shape_is_not():
    loaded = weights()
    loaded["params"]["head"]["kernel"] = np.zeros((5, 2), np.float32)
    with pytest.raises(ValueError, match=r"head/kernel is resh.* give it by \.transpose\(\(1, 0"):
        merge(INITIAL, loaded)
    loaded["params"]["head"]["kernel"] = np.zeros((5, 3), np.float32)
    with pytest.raises(ValueError, match=r"head/kernel is reshaped: .*found float32\[5, 3\]\n"):
        merge(INITIAL, loaded)


def test_a_head_for_other_classes_is_called_so_and_nothing_is_half_loaded():
    loaded = weights()
    loaded["params"]["head"] = {"kernel": np.ones((2, 1000)), "bias": np.ones(1000)}
    before, given = jax.tree.map(np.array, (INITIAL, loaded))
    with pytest.raises(ValueError, match="2 things do not") as error:
        merge(INITIAL, loaded)
    hint = "Only params/head differs, as a head for 1000 classes does from one for 5: make the"
    assert hint in str(error.value)
    assert "allow_reshaped=['params/head'] keeps" in str(error.value)
    chex.assert_trees_all_equal((INITIAL, loaded), (before, given))
    loaded["params"]["conv1"]["bias"] = np.ones(3)
    with pytest.raises(ValueError, match="3 things do not") as error:
        merge(INITIAL, loaded)
    assert "classes" not in str(error.value)


@pytest.mark.parametrize("leave", ["params/head/bias", "params/head"])
def test_missing_leaves_keep_their_initial_values(leave):
    loaded = weights()
    del loaded["params"]["head"]["bias"]
    merged = merge(INITIAL, loaded, allow_missing=[leave])
    np.testing.assert_array_equal(merged["params"]["head"]["bias"], jnp.zeros(5))
    np.testing.assert_array_equal(merged["params"]["head"]["kernel"][0], [1, 2, 3, 4, 5])


def test_unexpected_leaves_are_left_out():
    loaded = weights()
    loaded["params"]["fc"] = {"kernel": np.zeros(3), "bias": np.zeros(3)}
    merged = merge(INITIAL, loaded, allow_unexpected=("params/fc",))
    chex.assert_trees_all_equal_structs(merged, INITIAL)


def test_reshaped_leaves_keep_their_initial_values():
    loaded = weights()
    loaded["params"]["head"]["kernel"] = np.zeros((2, 1000), np.float32)
    merged = merge(INITIAL, loaded, allow_reshaped={"params/head"})
    np.testing.assert_array_equal(merged["params"]["head"]["kernel"], jnp.full((2, 5), 0.5))
    np.testing.assert_array_equal(merged["params"]["head"]["bias"], [1, 2, 3, 4, 5])


def test_shapes_have_no_initial_value_to_keep():
    loaded = weights()
    del loaded["params"]["head"]
    with pytest.raises(ValueError) as error:
        merge(SHAPES, loaded, allow_missing=["params/head"])
    for leaf in ("kernel", "bias"):
        row = f"params/head/{leaf} would keep its initial value: give variables, not shapes"
        assert row in str(error.value)


@pytest.mark.parametrize("argument", ["allow_missing", "allow_unexpected", "allow_reshaped"])
@pytest.mark.parametrize("leave", ["params/head", "params/conv", "head", ""])
def test_leave_for_what_does_not_need_it_is_refused(argument, leave):
    with pytest.raises(ValueError, match=f"{leave} in `{argument}` is the name of nothing"):
        merge(INITIAL, weights(), **{argument: [leave]})


def test_leave_is_for_whole_names_and_for_its_own_kind():
    loaded = weights()
    del loaded["params"]["block1"]["bn"], loaded["params"]["block1"]["bn2"]
    with pytest.raises(ValueError) as error:
        merge(INITIAL, loaded, allow_missing=["params/block1/bn"])
    assert "bn2/scale is missing" in str(error.value)
    assert "bn/scale is missing" not in str(error.value)
    with pytest.raises(ValueError, match="params/block1/bn/scale is missing"):
        merge(INITIAL, loaded, allow_unexpected=["params/block1"])


def test_one_name_must_still_be_in_a_tuple():
    with pytest.raises(ValueError, match=r"`allow_missing` must be several .*\('params/head',\)"):
        merge(INITIAL, weights(), allow_missing="params/head")


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float64])
def test_floating_point_becomes_the_models(dtype):
    loaded = weights()
    value = np.array([0.1, -3.0], dtype)
    loaded["params"]["conv1"]["bias"] = value
    merged = merge(INITIAL, loaded)["params"]["conv1"]["bias"]
    assert merged.dtype == jnp.float32
    np.testing.assert_array_equal(merged, value.astype(np.float32))


def test_a_value_beyond_float32_is_refused():
    loaded = weights()
    loaded["params"]["conv1"]["bias"] = np.array([1e300, 0])
    with pytest.raises(ValueError, match="params/conv1/bias is not finite, as float32"):
        merge(INITIAL, loaded)


def test_a_count_is_taken_only_as_a_count():
    variables = {"counts": {"steps": jnp.zeros((), jnp.int32)}}
    assert merge(variables, {"counts": {"steps": np.int32(3)}})["counts"]["steps"] == 3
    for steps in (np.float32(3), np.int64(3), np.array(True)):
        with pytest.raises(ValueError, match="counts/steps is of another dtype: expected int32"):
            merge(variables, {"counts": {"steps": steps}})
