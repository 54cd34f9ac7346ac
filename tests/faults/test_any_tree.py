"""Any pytree comes back to the bit, and what is not of its names, shapes, dtypes is refused."""

import tempfile
from pathlib import Path

import hypothesis.extra.numpy as numpy_trees
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxvision.checkpoint.checkpoint import restore_checkpoint, save_checkpoint
from jaxvision.train.fit import Progress
from jaxvision.train.state import TrainState
from tests.faults.scale import times

EXAMPLES = times(500, 20_000)
# That it reaches the disk is for other tests, and takes most of the time.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
DTYPES = [
    *(np.dtype(name) for name in ("bool", "int8", "uint16", "int32", "int64", "uint8", "uint64")),
    *(np.dtype(name) for name in ("float16", "float32", "float64", "complex64", "complex128")),
    *(np.dtype(d) for d in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)),
    *(np.dtype(d) for d in (ml_dtypes.int4, ml_dtypes.uint2, ml_dtypes.float8_e8m0fnu)),
]


@st.composite
def arrays(draw):
    """An array of any dtype and shape, 0-d and empty ones too, whose numbers are finite."""
    dtype, shape = (
        draw(st.sampled_from(DTYPES)),
        draw(numpy_trees.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
    )
    content = draw(st.integers(0, 2**32 - 1))
    size = int(np.prod(shape))
    random = np.random.default_rng(content)
    if dtype in (ml_dtypes.int4, ml_dtypes.uint2):
        return np.asarray(random.integers(0, 4, shape)).astype(dtype)
    if jnp.issubdtype(dtype, jnp.inexact):
        with np.errstate(over="ignore"):
            values = (random.standard_normal(size) * 10.0 ** random.integers(-3, 3)).astype(dtype)
        values = np.where(np.isfinite(values), values, np.ones_like(values))
        return np.asarray(values).reshape(shape)
    if dtype == np.bool_:
        return np.asarray(random.random(shape) < 0.5)
    return np.frombuffer(random.bytes(size * dtype.itemsize), dtype).reshape(shape).copy()


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
TREES = st.recursive(
    arrays(),
    lambda inner: st.one_of(
        st.dictionaries(NAMES.filter(lambda n: "." not in n), inner, max_size=3),
        st.lists(inner, max_size=3),
        st.tuples(inner),
    ),
    max_leaves=5,
)


def progress_of(tree):
    """One that holds little else: every leaf is a file, and there are many examples."""
    step, key = jnp.asarray(3, jnp.int32), jax.random.key(0)
    state = TrainState(step, params={"tree": tree}, batch_stats={}, opt_state=(), key=key)
    return Progress(state=state, best={}, best_epoch=0, history=(), totals={})


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.timeout(300 + EXAMPLES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_any_tree_comes_back_to_the_bit(unchecked, tree):
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        save_checkpoint(Path(folder), progress_of(tree))
        like = progress_of(jax.tree.map(np.zeros_like, tree))
        restored, refused = restore_checkpoint(Path(folder), like)
    assert refused == []
    given, got = (jax.tree.flatten(t) for t in (tree, restored.state.params["tree"]))
    assert given[1] == got[1]
    assert all(map(same, given[0], got[0]))


def test_zeros_keep_their_sign(tmp_path):
    tree = {"minus": np.full(3, -0.0), "plus": np.zeros(3), "mixed": np.array([0.0, -0.0])}
    save_checkpoint(tmp_path, progress_of(tree))
    restored, _ = restore_checkpoint(tmp_path, progress_of(jax.tree.map(np.ones_like, tree)))
    assert jax.tree.all(jax.tree.map(same, restored.state.params["tree"], tree))


def test_names_that_a_file_system_takes_for_one_are_kept_apart(tmp_path):
    names = ["a/b", "a_b", "A_B", "a b", "..", "ä", "a\u0308", "x" * 300, "x" * 301]
    tree = {name: np.full(2, i) for i, name in enumerate(names)}
    save_checkpoint(tmp_path, progress_of(tree))
    written = [file.name.lower() for file in (tmp_path / "00000003" / "tensors").iterdir()]
    assert len(set(written)) == len(written) and all(name.isascii() for name in written)
    restored, _ = restore_checkpoint(tmp_path, progress_of(jax.tree.map(np.zeros_like, tree)))
    assert jax.tree.all(jax.tree.map(same, restored.state.params["tree"], tree))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(folder, progress_of({"a b/ü": np.ones((2, 3), np.float32), "c": np.zeros(2)}))
    return folder


WRONG = {
    "shape": {"a b/ü": np.ones((3, 2), np.float32), "c": np.zeros(2)},
    "dimension": {"a b/ü": np.ones((2, 3, 1), np.float32), "c": np.zeros(2)},
    "dtype": {"a b/ü": np.ones((2, 3), np.float64), "c": np.zeros(2)},
    "narrower dtype": {"a b/ü": np.ones((2, 3), np.float16), "c": np.zeros(2)},
    "missing": {"c": np.zeros(2)},
}


@pytest.mark.parametrize("tree", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_by_name(folder, tree):
    with pytest.raises(
        ValueError, match=r"00000003 .*1 tensors differ, as state\.params\.tree\.a b/ü is"
    ):
        restore_checkpoint(folder, progress_of(tree))


def test_another_name_is_refused_by_name(folder):
    with pytest.raises(ValueError, match=r"state\.params\.tree\.d is missing, not float64\[2\]"):
        tree = {"a b/ü": np.ones((2, 3), np.float32), "c": np.zeros(2), "d": np.zeros(2)}
        restore_checkpoint(folder, progress_of(tree))
