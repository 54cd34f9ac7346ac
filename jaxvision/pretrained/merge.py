"""Other weights into a model's variables: all of them, or a list of what does not fit.

Nothing is left out in silence. A leaf that the weights lack, one that the model lacks, and one of
another shape each need leave by name: their own, "params/head/kernel", or that of a module they are
in, "params/head". Where the shapes tell why they do not fit, the list says it: kernels in PyTorch's
order of axes, and a head for other classes.
"""

from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import empty_node, flatten_dict, unflatten_dict

FROM_TORCH = {4: (2, 3, 1, 0), 2: (1, 0)}  # [out, in, h, w] to [h, w, in, out], by rank


def merge(
    variables: Mapping[str, Any],
    loaded: Mapping[str, Any],
    *,
    allow_missing: Collection[str] = (),
    allow_unexpected: Collection[str] = (),
    allow_reshaped: Collection[str] = (),
) -> dict[str, Any]:
    """Returns `variables` with the values of `loaded`, if every leaf fits or has leave not to.

    Floating-point values become the model's dtype (float32), whether they are float16, bfloat16,
    float32 or float64; any other dtype has to be the model's.

    Args:
        variables: {"params": ..., "batch_stats": ...} of the model, or only their shapes, from
            `jax.eval_shape`.
        loaded: the weights, by the same names.
        allow_missing: leaves or modules that `loaded` lacks: they keep their initial values.
        allow_unexpected: leaves or modules that only `loaded` has: they are left out.
        allow_reshaped: leaves or modules that have another shape in `loaded`, as a head for other
            classes has: they keep their initial values.

    Raises:
        ValueError: with one list of every leaf that is missing, unexpected, of another shape or
            dtype, or not finite, and of what was expected and found; of every name that gives
            leave to nothing; and, where `variables` are only shapes, of every leaf that would keep
            an initial value.
    """
    tree = flatten_dict(dict(variables), sep="/", keep_empty_nodes=True)
    expected = {name: leaf for name, leaf in tree.items() if leaf is not empty_node}
    found = flatten_dict(dict(loaded), sep="/")
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    shared = [name for name in expected if name in found]
    reshaped = [name for name in shared if found[name].shape != expected[name].shape]

    problems, kept = [], []
    for word, names, argument, allowed in (
        ("missing", missing, "allow_missing", allow_missing),
        ("unexpected", unexpected, "allow_unexpected", allow_unexpected),
        ("reshaped", reshaped, "allow_reshaped", allow_reshaped),
    ):
        idle, covered = _give_leave(names, argument, allowed)
        problems += idle
        problems += [_differs(n, word, expected, found) for n in names if n not in covered]
        kept += [name for name in names if name in covered and name in expected]
    for name in kept:
        if isinstance(expected[name], jax.ShapeDtypeStruct):
            problems.append(f"{name} would keep its initial value: give variables, not shapes")
    for name in shared:
        if name not in reshaped:
            value = _convert(found[name], expected[name].dtype)
            if value is None:
                problems.append(_differs(name, "of another dtype", expected, found))
            elif not np.isfinite(value).all():
                problems.append(f"{name} is not finite, as {value.dtype}")
            else:
                tree[name] = jnp.array(value)
    if problems:
        rows = "\n  ".join(problems)
        raise ValueError(
            f"`loaded` must fit the model, and {len(problems)} things do not:\n  {rows}\n"
            f"{_other_classes(problems, reshaped, expected, found)}"
            "Load weights of this very network, or name what may differ, a leaf or a module, in "
            "`allow_missing`, `allow_unexpected` or `allow_reshaped`."
        )
    return unflatten_dict(tree, sep="/")


def _give_leave(
    names: list[str], argument: str, allowed: Collection[str]
) -> tuple[list[str], set[str]]:
    """The complaints about entries that cover nothing, and the names that are covered."""
    if isinstance(allowed, str):
        raise ValueError(f"`{argument}` must be several names, got one: write ({allowed!r},).")
    idle, covered = [], set()
    for entry in allowed:
        own = {name for name in names if name == entry or name.startswith(f"{entry}/")}
        covered |= own
        if not own:
            idle.append(f"{entry} in `{argument}` is the name of nothing that needs it")
    return idle, covered


def _differs(name: str, how: str, expected: dict[str, Any], found: dict[str, Any]) -> str:
    want, got = (
        f"{side[name].dtype}{list(side[name].shape)}" if name in side else "nothing"
        for side in (expected, found)
    )
    row = f"{name} is {how}: expected {want}, found {got}"
    if how != "reshaped":
        return row
    shape, axes = found[name].shape, FROM_TORCH.get(found[name].ndim, ())
    if tuple(shape[axis] for axis in axes) != expected[name].shape:
        return row
    return f"{row}; it is transposed, as PyTorch's kernels are: give it by .transpose({axes})"


def _other_classes(
    problems: list[str], reshaped: list[str], expected: dict[str, Any], found: dict[str, Any]
) -> str:
    """The remedy, where all that does not fit is one layer of another width: the head's."""
    modules = {name.rpartition("/")[0] for name in reshaped}
    pairs = [(expected[name].shape, found[name].shape) for name in reshaped]
    if len(problems) != len(reshaped) or len(modules) != 1:
        return ""
    if not all(len(want) == len(got) and want[:-1] == got[:-1] for want, got in pairs):
        return ""
    (module,) = modules
    return (
        f"Only {module} differs, as a head for {pairs[0][1][-1]} classes does from one for "
        f"{pairs[0][0][-1]}: make the model with as many, or allow_reshaped=[{module!r}] keeps "
        "its initial values.\n"
    )


def _convert(value: Any, dtype: Any) -> np.ndarray | None:
    """`value` in the model's `dtype`, or None where that is another kind of number."""
    value = np.asarray(value)
    if value.dtype == dtype:
        return value
    if not all(jnp.issubdtype(kind, jnp.floating) for kind in (value.dtype, dtype)):
        return None
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
        return value.astype(dtype)
