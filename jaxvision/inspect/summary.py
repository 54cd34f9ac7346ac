"""Reads a network off its program: parameters, MACs, memory, and what each feature sees.

    print(summarize_model(vgg16(num_classes=1000), (224, 224, 3)))

Nothing runs and nothing is compiled: the function is traced with shapes, and the largest network
takes seconds. It may be anyone's, a Flax module or a few lines of `jax.lax`.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, Shaped

from jaxvision.inspect.features import IMAGE, Feature, Summary
from jaxvision.inspect.field_rules import find_views
from jaxvision.inspect.memory import count_bytes, peak_bytes
from jaxvision.inspect.program import Program, find_sources, read_program
from jaxvision.inspect.view import Field
from jaxvision.ops.platform import PLAIN, form

JOINS = ("add", "concatenate")


def summarize(
    fn: Callable,
    images: Shaped[Array | np.ndarray, "b h w c"] | jax.ShapeDtypeStruct,
    *,
    variables: PyTree = None,
) -> Summary:
    """Reads the program of `fn(images)`, or of `fn(variables, images)`, for one image.

    Args:
        fn: returns features by name, (outputs, features by name), or outputs alone.
        images: arrays or their shape; only shape and dtype matter, and of the batch one is traced.
        variables: the parameters, or Flax's variables, of which "params" are the parameters; again
            only their shapes matter. Arrays that `fn` holds itself are not counted.

    Raises:
        ValueError: if `images` are not [b, h, w, c] or hold nothing, if `fn` returns no array, or
            if it has a loop of unknown length around convolutions or dense layers.
    """
    if len(images.shape) != 4 or 0 in images.shape[1:]:
        raise ValueError(
            "`images` must be [b, h, w, c] with at least one pixel and channel, got shape "
            f"{list(images.shape)}: add the axes of batch and channels, of size 1 if need be."
        )
    image = jax.ShapeDtypeStruct((1, *images.shape[1:]), images.dtype)
    names: list[list[str]] = []

    def run(variables, image):
        result = fn(image) if variables is None else fn(variables, image)
        outputs, features = _sort_out(result)
        names[:] = [[*outputs], [*features]]
        return [*outputs.values(), *features.values()]

    with form(PLAIN):  # one program on every machine, and the one that the usual counts are of
        program = read_program(run, variables, image)
    if not program.outputs:
        raise ValueError("`fn` must return arrays, got none: return features by name.")
    if taken := ({IMAGE, *names[0]} & {*names[1]}):
        raise ValueError(
            f"`fn` must not name a feature {taken.pop()!r}, as the summary calls something else: "
            "rename it."
        )
    is_flax = isinstance(variables, Mapping) and "params" in variables
    leaves = zip(program.inputs, jax.tree.leaves_with_path(variables), strict=False)
    parameters = {array for array, (path, _) in leaves if not is_flax or path[0].key == "params"}
    return _Reading(program, parameters).summary(*names)


def summarize_model(
    model: nn.Module, image_shape: tuple[int, int, int], dtype: Any = jnp.float32
) -> Summary:
    """Reads the program of one of `jaxvision.models` in evaluation.

    >>> from jaxvision.models import LeNet5
    >>> summarize_model(LeNet5(num_classes=10), (32, 32, 1)).parameters
    61706

    Args:
        model: takes (images, train=...), as they all do. Its parameters need not exist.
        image_shape: height, width and channels.
        dtype: of the images.

    Raises:
        ValueError: if the model refuses images of that shape.
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), dtype)
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    return summarize(partial(model.apply, train=False), images, variables=variables)


class _Reading:
    """A program whose last input is the image, and what was found out about its arrays."""

    def __init__(self, program: Program, parameters: set[int]):
        *self.variables, self.image = program.inputs
        self.program = program
        self.parameters = parameters
        self.views = find_views(program, self.image)
        self.macs = {
            operation.outputs[0]: operation.macs
            for operation in program.operations
            if operation.macs and operation.outputs[0] in self.views
        }
        self.sources = find_sources(program, parameters | self.macs.keys())

    def summary(self, outputs: list[str], features: list[str]) -> Summary:
        """What there is to say, given the names of the program's results."""
        arrays = self.program.outputs
        first_names = dict(zip(reversed(arrays), reversed(outputs + features), strict=True))
        first_names[self.image] = IMAGE
        sources = find_sources(self.program, first_names, stop=first_names)
        joins = self.find_joins(first_names.keys(), sources)
        described = [
            dataclasses.replace(
                self.describe(name, array),
                sources=tuple(first_names[source] for source in _arrays(sources[array])),
                joins=joins[array],
                same_as=None if first_names[array] == name else first_names[array],
            )
            for name, array in zip(outputs + features, arrays, strict=True)
        ]
        wanted = arrays[: len(outputs)] or arrays[-1:]
        kept = set(arrays[len(outputs) :])
        return Summary(
            image_shape=self.program.arrays[self.image].shape,
            parameters=self.count(self.parameters),
            statistics=self.count(set(self.variables) - self.parameters),
            macs=self.count_macs(*wanted),
            features=tuple(described[len(outputs) :]),
            outputs=tuple(described[: len(outputs)]),
            feature_bytes=sum(count_bytes(self.program, array) for array in kept),
            peak_bytes=peak_bytes(self.program, self.views.keys() - {self.image}, wanted),
        )

    def find_joins(self, named: Set[int], sources: list[int]) -> dict[int, tuple[str, ...]]:
        """For each named array, which operations joined paths from one source to it.

        Paths are different if different layers lie on them: x + layer(x) is a join, x + x is not.

        Args:
            named: arrays at which paths begin and end.
            sources: for each array, those of `named` next before it.
        """
        layers = find_sources(self.program, self.macs.keys() - named, stop=named)
        joins: dict[int, str] = {}
        for operation in self.program.operations:
            if operation.name in JOINS:
                paths, begins = set(), -1  # all bits
                for array in self.views.keys() & set(operation.inputs):
                    begin = array in named
                    paths.add(0 if begin else layers[array] | (array in self.macs) << array)
                    begins &= 1 << array if begin else sources[array]
                if len(paths) > 1 and begins:
                    joins[operation.outputs[0]] = operation.name
        found = find_sources(self.program, joins.keys() - named, stop=named)
        return {
            array: tuple(
                name
                for name in JOINS
                if any(joins.get(join) == name for join in (array, *_arrays(found[array])))
            )
            for array in named
        }

    def describe(self, name: str, array: int) -> Feature:
        """A feature by itself, without its sources."""
        height, width = self.program.arrays[self.image].shape[1:3]
        view = self.views.get(array)
        nothing = Field(0, None, None)  # what does not depend on the image sees nothing of it
        rows, columns = (
            nothing if view is None else view.field(axis, side)
            for axis, side in enumerate((height, width))
        )
        return Feature(
            name=name,
            shape=self.program.arrays[array].shape,
            receptive_field=(rows.size, columns.size),
            stride=(rows.stride, columns.stride),
            offset=(rows.offset, columns.offset),
            parameters=self.count(self.parameters & {array, *_arrays(self.sources[array])}),
            macs=self.count_macs(array),
            bytes=count_bytes(self.program, array),
            sources=(),
            joins=(),
        )

    def count(self, arrays: set[int]) -> int:
        return sum(math.prod(self.program.arrays[array].shape) for array in arrays)

    def count_macs(self, *wanted: int) -> int:
        """Of all that any of the arrays depends on, itself included."""
        run = set(wanted).union(*(_arrays(self.sources[array]) for array in wanted))
        return sum(self.macs.get(array, 0) for array in run)


def _arrays(bits: int) -> Iterator[int]:
    """The arrays that a number of `find_sources` stands for."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits -= lowest


def _sort_out(result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs and features, by name and in their order, of whatever a function returned."""
    if isinstance(result, Mapping):
        return {}, dict(_flatten("", result))
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        return dict(_flatten("output", result[0])), dict(_flatten("", result[1]))
    return dict(_flatten("output", result)), {}


def _flatten(name: str, tree: Any) -> Iterator[tuple[str, Any]]:
    """Arrays by path; JAX's own flattening would put the keys of a dict in alphabetical order."""
    if isinstance(tree, Mapping):
        children = tree.items()
    elif isinstance(tree, tuple | list):
        children = enumerate(tree)
    else:
        yield from ((name, leaf) for leaf in jax.tree.leaves(tree))
        return
    for key, child in children:
        yield from _flatten(f"{name}/{key}" if name else str(key), child)
