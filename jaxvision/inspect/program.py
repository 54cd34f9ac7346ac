"""A function of images as the flat list of operations that it traces to; nothing is computed.

`jax.make_jaxpr` gives the program of any JAX function, whatever framework wrote it. Here it is laid
out flat, so that whoever reads it meets nothing but arrays and the operations between them:

    calls     (`jit`, `remat`, functions with their own derivatives) are replaced by their bodies
    `scan`    is unrolled: it is its body, as many times as it goes round
    `cond`    is all its branches and a choice between their results; the dearest branch counts
    the rest  (`while`, whose rounds nobody knows) stays one operation, and is refused where it
              holds convolutions or dense layers, which could then not be counted

Multiply-accumulates (MACs) are those of convolutions and of matrix products into which the image
enters: of dense layers, and of whatever else is written as one.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step of a program; arrays are named by their place in `Program.arrays`."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: Mapping[str, Any]
    macs: int = 0


@dataclasses.dataclass(frozen=True)
class Program:
    """A function laid out flat.

    Attributes:
        arrays: shape and dtype of everything that is read or written.
        operations: in an order in which they can run.
        inputs: the arrays that are given, in the order of the leaves of the arguments.
        outputs: the arrays that come back, likewise.
    """

    arrays: list[jax.ShapeDtypeStruct]
    operations: list[Operation]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_program(function: Callable, *arguments: Any) -> Program:
    """Traces `function(*arguments)`, whose arguments may be shapes, and lays it out flat.

    Raises:
        ValueError: if a loop of unknown length holds convolutions or matrix products.
    """
    closed = jax.make_jaxpr(function)(*arguments)
    reader = _Reader()
    inputs = [reader.new_array(var.aval) for var in closed.jaxpr.invars]
    outputs = reader.read(closed, inputs)
    return Program(reader.arrays, reader.operations, tuple(inputs), tuple(outputs))


def find_sources(
    program: Program, marked: Collection[int], stop: Collection[int] = ()
) -> list[int]:
    """For each array those of `marked` that it is made of, as a number whose bits are arrays.

    Args:
        program: the operations.
        marked: arrays.
        stop: arrays that are not looked behind, though they may be marked themselves.
    """
    found = [0] * len(program.arrays)
    marked, stop = frozenset(marked), frozenset(stop)
    for operation in program.operations:
        bits = 0
        for array in operation.inputs:
            if array in marked:
                bits |= 1 << array
            if array not in stop:
                bits |= found[array]
        for array in operation.outputs:
            found[array] = bits
    return found


class _Reader:
    """Gathers arrays and operations while it goes through a program and the programs inside it."""

    def __init__(self) -> None:
        self.arrays: list[jax.ShapeDtypeStruct] = []
        self.operations: list[Operation] = []

    def new_array(self, aval: Any) -> int:
        shape, dtype = getattr(aval, "shape", ()), getattr(aval, "dtype", np.dtype(bool))
        self.arrays.append(jax.ShapeDtypeStruct(shape, dtype))
        return len(self.arrays) - 1

    def add(self, name: str, inputs: Sequence[int], avals, params=None, macs: int = 0) -> list[int]:
        outputs = [self.new_array(aval) for aval in avals]
        params = jax.tree.map(lambda p: int(p) if isinstance(p, np.integer) else p, params or {})
        self.operations.append(Operation(name, tuple(inputs), tuple(outputs), params, macs))
        return outputs

    def read(self, program: Jaxpr | ClosedJaxpr, inputs: Sequence[int]) -> list[int]:
        """Appends the operations of `program` applied to `inputs`; returns its results."""
        jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
        place = dict(zip(jaxpr.invars, inputs, strict=True))
        place |= {var: self.new_array(var.aval) for var in jaxpr.constvars}

        def find(atom) -> int:
            return self.new_array(atom.aval) if isinstance(atom, Literal) else place[atom]

        for eqn in jaxpr.eqns:
            outputs = self.read_equation(eqn, [find(atom) for atom in eqn.invars])
            place |= zip(eqn.outvars, outputs, strict=True)
        return [find(atom) for atom in jaxpr.outvars]

    def read_equation(self, eqn: JaxprEqn, inputs: list[int]) -> list[int]:
        name = eqn.primitive.name
        if name == "scan":
            return self.unroll(eqn, inputs)
        if name == "cond":
            return self.choose(eqn, inputs)
        inner = list(_inner_programs(eqn))
        if len(inner) == 1 and _is_call(eqn, inner[0]):
            return self.read(inner[0], inputs)
        if any(map(_holds_macs, inner)):
            raise ValueError(
                f"`fn` must be countable, and its `{name}` holds convolutions or dense layers that "
                "run an unknown number of times: write the loop as `lax.scan`, or leave it out."
            )
        macs = _count_macs(eqn)
        return self.add(name, inputs, [var.aval for var in eqn.outvars], eqn.params, macs)

    def unroll(self, eqn: JaxprEqn, inputs: list[int]) -> list[int]:
        """A scan as its rounds: the carry goes from one to the next, slices go in and out."""
        p = eqn.params
        constants, carry = inputs[: p["num_consts"]], inputs[p["num_consts"] :][: p["num_carry"]]
        sequences = inputs[p["num_consts"] + p["num_carry"] :]
        body: ClosedJaxpr = p["jaxpr"]
        rounds = range(p["length"])
        results: list[list[int]] = []
        for i in reversed(rounds) if p["reverse"] else rounds:
            slices = [self.take(sequence, i) for sequence in sequences]
            outputs = self.read(body, [*constants, *carry, *slices])
            carry = outputs[: p["num_carry"]]
            results.append(outputs[p["num_carry"] :])
        if p["reverse"]:
            results.reverse()
        avals = [var.aval for var in eqn.outvars[p["num_carry"] :]]
        if not results:
            return carry + [self.new_array(aval) for aval in avals]
        columns = zip(*results, strict=True)
        stacks = [
            self.add("stack", column, [aval], {"axis": 0})
            for column, aval in zip(columns, avals, strict=True)
        ]
        return carry + [stack for (stack,) in stacks]

    def take(self, sequence: int, i: int) -> int:
        """Entry `i` along the first axis, as the two operations of indexing."""
        whole = self.arrays[sequence]
        one = jax.ShapeDtypeStruct((1, *whole.shape[1:]), whole.dtype)
        limits = {
            "start_indices": (i, *(0 for _ in whole.shape[1:])),
            "limit_indices": (i + 1, *whole.shape[1:]),
            "strides": None,
        }
        (entry,) = self.add("slice", [sequence], [one], limits)
        shape = jax.ShapeDtypeStruct(whole.shape[1:], whole.dtype)
        return self.add("squeeze", [entry], [shape], {"dimensions": (0,)})[0]

    def choose(self, eqn: JaxprEqn, inputs: list[int]) -> list[int]:
        """All branches and a choice between them; only the one with the most MACs counts."""
        which, *operands = inputs
        results, parts = [], []
        for branch in eqn.params["branches"]:
            before = len(self.operations)
            results.append(self.read(branch, operands))
            parts.append(range(before, len(self.operations)))
        dearest = max(parts, key=lambda part: sum(self.operations[i].macs for i in part))
        for part in parts:
            for i in part if part is not dearest else ():
                self.operations[i] = dataclasses.replace(self.operations[i], macs=0)
        return [
            self.add("select_n", [which, *cases], [var.aval])[0]
            for var, *cases in zip(eqn.outvars, *results, strict=True)
        ]


def _inner_programs(eqn: JaxprEqn) -> Iterator[Jaxpr | ClosedJaxpr]:
    for value in eqn.params.values():
        for entry in value if isinstance(value, tuple | list) else (value,):
            if isinstance(entry, Jaxpr | ClosedJaxpr):
                yield entry


def _is_call(eqn: JaxprEqn, inner: Jaxpr | ClosedJaxpr) -> bool:
    """Whether the equation applies its inner program to its inputs: `jit`, `remat` and the like.

    They are known by what they take and return, for their names change from release to release. A
    reduction's inner program takes scalars.
    """
    jaxpr = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner

    def types(atoms) -> list:
        return [(getattr(a.aval, "shape", None), getattr(a.aval, "dtype", None)) for a in atoms]

    return types(eqn.invars) == types(jaxpr.invars) and types(eqn.outvars) == types(jaxpr.outvars)


def _holds_macs(program: Jaxpr | ClosedJaxpr) -> bool:
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    return any(_count_macs(e) or any(map(_holds_macs, _inner_programs(e))) for e in jaxpr.eqns)


def _count_macs(eqn: JaxprEqn) -> int:
    """Products that the equation adds up: those of each output entry, times the entries."""
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        shape = eqn.invars[0].aval.shape
        return math.prod(eqn.outvars[0].aval.shape) * math.prod(shape[d] for d in contracted)
    if eqn.primitive.name == "conv_general_dilated":
        return _count_conv_macs(eqn)
    return 0


def _count_conv_macs(eqn: JaxprEqn) -> int:
    """As `conv_macs`, but for what a transposed convolution writes as zeros between the pixels."""
    p, kernel, output = eqn.params, eqn.invars[1].aval.shape, eqn.outvars[0].aval.shape
    _, inputs_of_a_group, *kernel_axes = p["dimension_numbers"].rhs_spec
    batch, channels, *axes = p["dimension_numbers"].out_spec
    macs = output[batch] * output[channels] * kernel[inputs_of_a_group]
    for place, (axis, kernel_axis) in enumerate(zip(axes, kernel_axes, strict=True)):
        outputs = np.arange(output[axis])[:, None] * p["window_strides"][place]
        window = np.arange(kernel[kernel_axis]) * p["rhs_dilation"][place]
        pixels = outputs + window - p["padding"][place][0]
        macs *= int(np.count_nonzero(pixels % p["lhs_dilation"][place] == 0))
    return macs
