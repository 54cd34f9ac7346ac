"""A network that is another one at a place or two, without its code being touched.

A JAX function is known by its program, which `jax.make_jaxpr` gives: a list of equations. Evaluated
equation by equation, it may take another rule for some of them, or another value for one of its
variables. Hooks and modules are not needed, whatever framework wrote the function.

Another backward pass of y = max(x, 0), for the derivative g of what y leads to:

    plain              g (x > 0)
    guided_rule        g (x > 0) (g > 0)    Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving
                                            for Simplicity", 2015, section 3.4 and Figure 1,
                                            https://arxiv.org/abs/1412.6806
    deconvolution_rule g (g > 0)            Zeiler & Fergus, "Visualizing and Understanding
                                            Convolutional Networks", ECCV 2014, section 2.1,
                                            https://arxiv.org/abs/1311.2901

The rest of Zeiler & Fergus' deconvolutional network is the ordinary backward pass: a transposed
convolution is the gradient of a convolution, and unpooling by switches that of max pooling.

Equations that nothing is changed in are applied as they are, with the derivatives that were written
for them.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jax.extend.core.primitives import (
    custom_jvp_call_p,
    custom_vjp_call_p,
    jit_p,
    max_p,
    remat_p,
)
from jaxtyping import Array, Float

from jaxvision.inspect.pictures.network import Network, feature_of, run

ReluRule: TypeAlias = Callable[[Float[Array, "*shape"], Float[Array, "*shape"]], Array]
Value: TypeAlias = Any  # of a variable: an array, or a number that the program states
Change: TypeAlias = Callable[[JaxprEqn, list[Value]], list[Value] | None]

INLINED = {jit_p: "jaxpr", remat_p: "jaxpr"}  # which of the parameters is the program inside
CALLS = INLINED | {custom_jvp_call_p: "call_jaxpr", custom_vjp_call_p: "call_jaxpr"}


def guided_rule(x: Float[Array, "*shape"], g: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """g where both the unit is on and more of it is wanted."""
    return jnp.where((x > 0) & (g > 0), g, 0)


def deconvolution_rule(
    x: Float[Array, "*shape"], g: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The ReLU of g, whether the unit is on or not."""
    del x
    return jnp.maximum(g, 0)


def with_relu_gradient(fn: Callable, rule: ReluRule) -> Callable:
    """The same function, in whose backward pass each ReLU follows `rule`.

    A ReLU is the maximum of x and a 0 that the program states, in this order: `jax.nn.relu`, the
    fused batch norm, or `jnp.maximum(x, 0)`. In the other order it is none, for so normalisations
    keep a variance from being negative. A function with its own derivative that holds one gets
    JAX's in its place.

    Args:
        fn: any function of arrays.
        rule: (x, g) -> the derivative by x, as `guided_rule`.

    Returns:
        a function with the values of `fn`, to the bit. It takes reverse mode only.

    Raises:
        ValueError: when called, if there is no ReLU in `fn`, or one in a loop or a branch.
    """

    @jax.custom_vjp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defvjp(lambda x: (relu(x), x), lambda x, g: (rule(x, g),))

    def change(equation: JaxprEqn, inputs: list[Value]) -> list[Value] | None:
        if _is_relu(equation):
            return [relu(inputs[0])]
        if equation.primitive in CALLS and _holds_relu(body := _body(equation, CALLS)):
            return _evaluate(body, inputs, change)
        return None

    def rewritten(*arguments: Any) -> Any:
        program, results = jax.make_jaxpr(fn, return_shape=True)(*arguments)
        if not _holds_relu(program):
            raise ValueError(
                "`fn` must have a ReLU for its gradient to be another, got none: write it as "
                "`jax.nn.relu(x)` or `jnp.maximum(x, 0)`; for other activations there is the plain "
                "gradient."
            )
        outputs = _evaluate(program, jax.tree.leaves(arguments), change)
        return jax.tree.unflatten(jax.tree.structure(results), outputs)

    return rewritten


def split_at(
    network: Network, feature: str, images: Float[Array, "b h w c"]
) -> tuple[Float[Array, "b ..."], Callable[[Array], Float[Array, "b k"]]]:
    """Cuts a network in two where a feature is: its value, and the logits as a function of it.

    What goes round the feature, as a shortcut does, is part of that function, with its values for
    these images. Rematerialised blocks are computed without, so that the features inside them are
    found; only memory differs. To be called inside of `jax.jit`: elsewhere each equation is run by
    itself.

    Args:
        network: images -> (logits, features).
        feature: its name.
        images: what goes in.

    Returns:
        (value, rest) with rest(value) = logits.

    Raises:
        ValueError: if there is no such feature, or the logits do not depend on it.
    """

    def both(images: Array) -> list[Array]:
        logits, features = run(network, images)
        return [logits, feature_of(features, feature)]

    def inline(equation: JaxprEqn, inputs: list[Value]) -> list[Value] | None:
        if equation.primitive not in INLINED:
            return None
        return _evaluate(_body(equation, INLINED), inputs, inline)

    traced = jax.make_jaxpr(both)(images)
    # Once more: a variable that leaves a call has another name outside of it, and only where all
    # calls are inlined is a feature the very variable that the rest is computed from.
    program = jax.make_jaxpr(lambda images: _evaluate(traced, [images], inline))(images)
    jaxpr = program.jaxpr
    logits, cut = jaxpr.outvars
    given = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*program.consts, images], strict=True))
    after = _needed(jaxpr, logits, {*given, cut})
    if cut is not logits and not any(cut is atom for e in after for atom in e.invars):
        raise ValueError(
            f"`feature` must be one that the logits are computed from, got {feature!r}: they do "
            "not read it, but perhaps what it is made of. Take another."
        )

    def rest(value: Array) -> Array:
        return _apply(jaxpr, after, [logits], given | {cut: value})[0]

    before = _needed(jaxpr, cut, set(given))
    return _apply(jaxpr, before, [cut], given)[0], rest


def _is_relu(equation: JaxprEqn) -> bool:
    if equation.primitive is not max_p:
        return False
    _, zero = equation.invars
    return isinstance(zero, Literal) and bool(jnp.ndim(zero.val) == 0 and zero.val == 0)


def _holds_relu(program: ClosedJaxpr) -> bool:
    """Whether there is a ReLU in it, or in the calls in it.

    Raises:
        ValueError: if there is one that cannot be changed.
    """
    found = False
    for equation in program.jaxpr.eqns:
        if equation.primitive in CALLS:
            found |= _holds_relu(_body(equation, CALLS))
            continue
        for inner in jax.tree.leaves(equation.params, is_leaf=_is_program):
            if _is_program(inner) and _holds_relu(_closed(inner)):
                raise ValueError(
                    f"`fn` has a ReLU inside `{equation.primitive.name}`, where its gradient cannot"
                    " be changed: write loops and branches out, or leave the ReLU outside."
                )
        found |= _is_relu(equation)
    return found


def _is_program(value: Any) -> bool:
    return isinstance(value, Jaxpr | ClosedJaxpr)


def _closed(program: Jaxpr | ClosedJaxpr) -> ClosedJaxpr:
    return program if isinstance(program, ClosedJaxpr) else ClosedJaxpr(program, ())


def _body(equation: JaxprEqn, calls: dict) -> ClosedJaxpr:
    return _closed(equation.params[calls[equation.primitive]])


def _evaluate(program: ClosedJaxpr, inputs: Sequence[Value], change: Change) -> list[Value]:
    """The results of a program, in which `change` answers for the equations that it returns
    something for."""
    jaxpr = program.jaxpr
    variables = [*jaxpr.constvars, *jaxpr.invars]
    values = dict(zip(variables, [*program.consts, *inputs], strict=True))
    for equation in jaxpr.eqns:
        outputs = change(equation, [_read(values, atom) for atom in equation.invars])
        if outputs is None:
            outputs = _apply(jaxpr, [equation], equation.outvars, values)
        values |= zip(equation.outvars, outputs, strict=True)
    return [_read(values, atom) for atom in jaxpr.outvars]


def _apply(
    jaxpr: Jaxpr, equations: Sequence[JaxprEqn], wanted: Sequence[Var], values: dict[Var, Value]
) -> list[Value]:
    """The `wanted` results of equations of `jaxpr`, given the `values` that they begin with.

    They become a program of their own: how one is bound differs from release to release.
    """
    made = {variable for equation in equations for variable in equation.outvars}
    read = [atom for equation in equations for atom in equation.invars] + [*wanted]
    begin = list(dict.fromkeys(v for v in read if not isinstance(v, Literal) and v not in made))
    part = jaxpr.replace(constvars=[], invars=begin, outvars=[*wanted], eqns=[*equations])
    return jaxpr_as_fun(ClosedJaxpr(part, ()))(*(values[variable] for variable in begin))


def _needed(jaxpr: Jaxpr, wanted: Var, given: set[Var]) -> list[JaxprEqn]:
    """The equations that `wanted` is computed by, where those `given` are not computed again."""
    needed, equations = {wanted} - given, []
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            equations.append(equation)
            needed.update(
                atom
                for atom in equation.invars
                if not isinstance(atom, Literal) and atom not in given
            )
    return equations[::-1]


def _read(values: dict[Var, Value], atom: Var | Literal) -> Value:
    return atom.val if isinstance(atom, Literal) else values[atom]
