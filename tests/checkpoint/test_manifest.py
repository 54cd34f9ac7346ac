"""What goes into the manifest comes back as it was, or is refused by name."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.checkpoint.checkpoint import restore_checkpoint, save_checkpoint
from jaxvision.train.fit import Progress
from tests.checkpoint.made_up import made_up_progress


@pytest.mark.parametrize("value", [0.1, 1 / 3, 5e-324, -0.0, 1e308, float("nan"), float("inf")])
def test_totals_come_back_to_the_bit(tmp_path, value):
    save_checkpoint(tmp_path, made_up_progress(1).replace(totals={"loss": value}))
    restored, _ = restore_checkpoint(tmp_path, made_up_progress())
    assert np.float64(restored.totals["loss"]).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize(
    "value", [{1: 2.0}, {"a": (1, 2)}, {"a": jnp.ones(2)}, {"a": {1, 2}}, {"a": b"c"}]
)
def test_what_json_would_change_is_refused_by_name(tmp_path, value):
    progress = object.__new__(Progress)  # as a field that is not so well checked could be
    progress.__dict__.update(made_up_progress(1).__dict__, totals=value)
    with pytest.raises(ValueError, match=r"`totals` is .*JSON does not give back"):
        save_checkpoint(tmp_path, progress)
    with pytest.raises(ValueError, match=r"`config` is .*JSON does not give back"):
        save_checkpoint(tmp_path, made_up_progress(1), identity={"config": value})
    assert list(tmp_path.iterdir()) == []


def test_a_leaf_that_is_no_array_is_named(tmp_path):
    progress = made_up_progress(1)
    progress = progress.replace(state=progress.state.replace(opt_state=({"count": 3},)))
    with pytest.raises(ValueError, match=r"`state\.opt_state\.0\.count` is 3: only arrays"):
        save_checkpoint(tmp_path, progress)


def test_two_leaves_with_one_name_are_refused(tmp_path):
    progress = made_up_progress(1)
    params = {"a.b": jnp.ones(1), "a": {"b": jnp.zeros(1)}}
    progress = progress.replace(state=progress.state.replace(params=params))
    with pytest.raises(ValueError, match=r"two leaves have the name `state\.params\.a\.b`"):
        save_checkpoint(tmp_path, progress)
