"""Only finite numbers are saved, and the earlier checkpoints stay."""

import jax
import jax.numpy as jnp
import pytest

from jaxvision.checkpoint.checkpoint import NonFiniteStateError, save_checkpoint
from tests.checkpoint.made_up import made_up_progress


@pytest.fixture
def saved(tmp_path):
    save_checkpoint(tmp_path / "checkpoints", made_up_progress(40))
    return tmp_path / "checkpoints"


def poison(progress, where, value):
    """`progress` with `value` in the middle of one leaf."""

    def replace(path, leaf):
        if jax.tree_util.keystr(path, simple=True, separator=".") != where:
            return leaf
        return leaf.ravel().at[leaf.size // 2].set(value).reshape(leaf.shape)

    return jax.tree_util.tree_map_with_path(replace, progress)


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize(
    "where",
    [
        "state.params.conv1.kernel",
        "state.params.head.half",
        "state.batch_stats.norm.mean",
        "state.opt_state.0.conv1.bias",
        "best.params.head.kernel",
    ],
)
def test_a_state_that_is_not_finite_is_never_saved(saved, where, value):
    before = {path: path.stat().st_mtime_ns for path in saved.rglob("*")}
    with pytest.raises(NonFiniteStateError, match=rf"of step 60 is not saved.* {where} has values"):
        save_checkpoint(saved, poison(made_up_progress(60), where, value))
    assert before == {path: path.stat().st_mtime_ns for path in saved.rglob("*")}


def test_an_optimizers_number_may_be_infinite_but_not_a_nan(saved):
    where = "state.opt_state.1.best"
    save_checkpoint(saved, poison(made_up_progress(60), where, -jnp.inf))
    with pytest.raises(NonFiniteStateError, match=where):
        save_checkpoint(saved, poison(made_up_progress(80), where, jnp.nan))


def test_a_parameter_may_not_be_infinite_even_if_it_is_one_number(saved):
    progress = made_up_progress(60)
    progress = progress.replace(best={"temperature": jnp.asarray(jnp.inf)})
    with pytest.raises(NonFiniteStateError, match=r"best\.temperature has values"):
        save_checkpoint(saved, progress)
