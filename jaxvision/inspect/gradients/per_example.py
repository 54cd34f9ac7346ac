"""The gradient of each example's own loss: whose mean is the gradient that training goes by.

    g_i = grad_params loss_i(params, example i)        gradient of the mean loss = mean_i g_i

Their spread is the noise of stochastic gradients; their lengths show the examples that are odd or
wrongly labelled, and are what private training clips (Abadi et al., "Deep Learning with
Differential Privacy", CCS 2016, algorithm 1, https://arxiv.org/abs/1607.00133).

They are exact: each example goes through the network alone. On a CPU that is one after another:
side by side, the gradients of a convolution's kernel are one convolution of as many groups as there
are examples, at which XLA's CPU compiler is slow (`benchmarks/per_example_gradients.py`).

An example has a gradient of its own only if the others do not enter its loss. With batch
normalization in training they do, by mean and variance, and then there is no such thing. Neither is
there where a loss draws random numbers for the batch as a whole: dropout of an example then depends
on its place. So the first examples' losses are computed together and one by one, and have to agree.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, PyTree

from jaxvision.hyperparameters import Whole, require_whole
from jaxvision.ops.platform import prefers_cpu_form

AT_ONCE = 64  # where they go side by side
TOGETHER = 4  # examples whose losses are compared
AGREE = 1e-3  # of the largest loss: more than rounding, and less than what statistics do


def per_example_gradients(
    loss: Callable[[PyTree, PyTree], Float[Array, " b"]],
    params: PyTree,
    batch: PyTree,
    at_once: Whole | None = None,
) -> PyTree:
    """Each leaf of the parameters as [b, ...], the gradients of the b losses.

    Args:
        loss: (params, batch) -> one loss an example, [b], of a batch of any size: a loss of
            `jaxvision.ops.losses`, without the mean.
        params: where the gradients are taken.
        batch: arrays with the examples along their first axis, as {"image": ..., "label": ...}.
        at_once: examples that go through the network side by side; more take more memory. By
            default 1 on a CPU, and 64 elsewhere.

    Raises:
        ValueError: if `batch` has no examples, or arrays of different lengths, `loss` is not one
            value an example, or an example's loss depends on the others. Inside `jit`, where losses
            have no value yet, gradients that depend on other examples are NaN.
    """
    if at_once is None:
        at_once = 1 if prefers_cpu_form() else AT_ONCE
    require_whole("at_once", at_once, low=1)
    b = _count(batch)
    shape = jax.eval_shape(loss, params, batch)
    if getattr(shape, "shape", None) != (b,):
        raise ValueError(
            f"`loss` must return one value an example, [{b}], got {shape}: leave out the mean."
        )
    gradients, agree = _gradients(loss, params, batch, int(at_once))
    if not isinstance(agree, jax.core.Tracer) and not agree:
        raise ValueError(
            "`loss` of an example must not depend on the others, and that of the first few is "
            "another for each alone: evaluate batch normalization with its running averages "
            "(`train=False`), and draw no random numbers for the batch as a whole."
        )
    return gradients


@partial(jax.jit, static_argnums=(0, 3))
def _gradients(
    loss: Callable, params: PyTree, batch: PyTree, at_once: int
) -> tuple[PyTree, Bool[Array, ""]]:
    def alone(params: PyTree, example: PyTree) -> Float[Array, ""]:
        return loss(params, jax.tree.map(lambda a: a[None], example))[0]

    first = jax.tree.map(lambda a: jnp.asarray(a)[:TOGETHER], batch)
    together, each = loss(params, first), lax.map(partial(alone, params), first)
    largest = jnp.max(jnp.abs(jnp.stack([together, each])))
    # Losses that are NaN are their own trouble: their gradients are NaN, and say so.
    agree = ~jnp.any(jnp.abs(together - each) > AGREE * largest)
    params = jax.tree.map(lambda leaf: jnp.where(agree, leaf, jnp.nan), params)
    # Not `batch_size=1`, which would be a `vmap` of one inside of the loop.
    size = None if at_once == 1 else at_once
    return lax.map(partial(jax.grad(alone), params), batch, batch_size=size), agree


def _count(batch: PyTree) -> int:
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(batch)]
    lengths = {shape[0] if shape else 0 for shape in shapes}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "`batch` must be arrays with the same number of examples, at least one, along their "
            f"first axis, got shapes {shapes}."
        )
    return shapes[0][0]
