"""Receptive fields, read off a program: which pixels each operation's results depend on.

Every array gets a `View` of the image, an interval of pixels for each of its entries. An operation
makes its result's view from those of its inputs by a rule: a convolution widens the interval and
multiplies the steps, a sum over rows takes them all in, an addition merges two views. What has no
rule, or may read anywhere (`fft`, a `while` loop), is said to see the whole image.

    Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill,
    2019, https://distill.pub/2019/computing-receptive-fields

derives the same numbers from layers; for a chain of them, `arithmetic.receptive_field`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxvision.inspect.program import Operation, Program
from jaxvision.inspect.view import Factor, View, merge, view_of_image, whole_image

Shape = tuple[int, ...]


class Step(NamedTuple):
    """One result of an operation, as its rule is asked for it.

    Attributes:
        params: of the operation.
        shapes: of its inputs.
        views: of its inputs, None for those that the image does not enter.
        shape: of the result.
    """

    params: Any
    shapes: Sequence[Shape]
    views: Sequence[View | None]
    shape: Shape

    @property
    def seen(self) -> list[View]:
        return [view for view in self.views if view is not None]


def find_views(program: Program, image: int) -> dict[int, View]:
    """The view of every array of `program` that depends on the array `image`, [b, h, w, c]."""
    shapes = [array.shape for array in program.arrays]
    views = {image: view_of_image(shapes[image])}
    for operation in program.operations:
        inputs = [views.get(array) for array in operation.inputs]
        if all(view is None for view in inputs):
            continue
        for place, array in enumerate(operation.outputs):
            step = Step(
                operation.params, [shapes[i] for i in operation.inputs], inputs, shapes[array]
            )
            views[array] = _apply_rule(operation, step, place)
    return views


def _apply_rule(operation: Operation, step: Step, place: int) -> View:
    if operation.name == "split":
        sizes = operation.params["sizes"]
        return _crop(step, {operation.params["axis"]: (sum(sizes[:place]), 1)})
    rule = RULES.get(operation.name)
    return whole_image(step.shape) if rule is None else rule(step)


def _elementwise(step: Step) -> View:
    return merge([_spread(view, step.shape) for view in step.seen])


def _spread(view: View, shape: Shape) -> View:
    """Broadcasts dimensions of size 1, and scalars, which some operations take beside arrays."""
    if not view.dimensions:
        return view.rearranged(map(Factor, shape))
    sizes = enumerate(zip(view.shape, shape, strict=True))
    return view.rearranged(d if own == full else Factor(full) for d, (own, full) in sizes)


def _conv(step: Step) -> View:
    view, kernel = step.views
    p = step.params
    if view is None or kernel is not None or p["batch_group_count"] > 1:
        return whole_image(step.shape)
    batch, channels, *axes = p["dimension_numbers"].lhs_spec
    out_batch, out_channels, *out_axes = p["dimension_numbers"].out_spec
    view = view.absorbed([channels])
    for place, (axis, out_axis) in enumerate(zip(axes, out_axes, strict=True)):
        view = view.windowed(
            axis,
            step.shape[out_axis],
            window=step.shapes[1][p["dimension_numbers"].rhs_spec[2 + place]],
            stride=p["window_strides"][place],
            before=p["padding"][place][0],
            dilation=p["rhs_dilation"][place],
            spread=p["lhs_dilation"][place],
        )
    order: dict[int, int | Factor] = dict(zip(out_axes, axes, strict=True))
    order |= {out_batch: batch, out_channels: Factor(step.shape[out_channels])}
    return view.rearranged(order[d] for d in range(len(order)))


def _reduce_window(step: Step) -> View:
    (view,) = step.views
    p = step.params
    for d, size in enumerate(step.shape):
        view = view.windowed(
            d,
            size,
            window=p["window_dimensions"][d],
            stride=p["window_strides"][d],
            before=p["padding"][d][0],
            dilation=p["window_dilation"][d],
            spread=p["base_dilation"][d],
        )
    return view


def _cumulate(step: Step) -> View:
    (view,) = step.views
    view = view.collapsed(step.params["axis"])
    return view.unknown_along([step != 0 for step in view.steps(step.params["axis"])])


def _dot(step: Step) -> View:
    contracted, batch = step.params["dimension_numbers"]
    views = []
    for side, (view, shape) in enumerate(zip(step.views, step.shapes, strict=True)):
        if view is None:
            continue
        free = [d for d in range(len(shape)) if d not in (*contracted[side], *batch[side])]
        own: list[int | Factor] = [*free]
        sizes = [Factor(size) for size in step.shape[len(batch[side]) :]]
        others = sizes[: len(sizes) - len(free)] if side else sizes[len(free) :]
        views.append(
            view.absorbed(contracted[side]).rearranged(
                [*batch[side], *others, *own] if side else [*batch[side], *own, *others]
            )
        )
    return merge(views)


def _pad(step: Step) -> View:
    view, value = step.views
    if view is None or value is not None:
        return whole_image(step.shape)
    for d, (before, _, between) in enumerate(step.params["padding_config"]):
        view = view.windowed(d, step.shape[d], before=before, spread=between + 1)
    return view


def _slice(step: Step) -> View:
    starts = step.params["start_indices"]
    strides = step.params["strides"] or [1] * len(starts)
    return _crop(step, dict(enumerate(zip(starts, strides, strict=True))))


def _crop(step: Step, cuts: dict[int, tuple[int, int]]) -> View:
    """The view from `cuts` on: by dimension, (first entry, entries from one to the next)."""
    (view,) = step.views
    for d, (start, stride) in cuts.items():
        view = view.windowed(d, step.shape[d], before=-start, stride=stride)
    return view


def _dynamic_slice(step: Step) -> View:
    view, *starts = step.views
    if view is None or any(start is not None for start in starts):
        return whole_image(step.shape)
    moved = [d for d, size in enumerate(step.shape) if size != step.shapes[0][d]]
    kept = [Factor(size) if d in moved else d for d, size in enumerate(step.shape)]
    return view.absorbed(moved).rearranged(kept)


def _gather(step: Step) -> View:
    view, indices = step.views
    if view is None or indices is not None:
        return whole_image(step.shape)
    numbers, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    gone = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    sliced = [d for d in range(len(sizes)) if d not in gone]
    whole = {d for d in sliced if sizes[d] == step.shapes[0][d]}
    place = dict(zip(numbers.offset_dims, sliced, strict=True))
    return view.absorbed(set(range(len(sizes))) - whole).rearranged(
        place[d] if place.get(d) in whole else Factor(size) for d, size in enumerate(step.shape)
    )


def _concatenate(step: Step) -> View:
    axis = step.params["dimension"]
    pieces, before = [], 0
    for view, shape in zip(step.views, step.shapes, strict=True):
        if view is not None:
            pieces.append((shape[axis], view.windowed(axis, step.shape[axis], before=before)))
        before += shape[axis]
    pieces.sort(key=lambda piece: piece[0], reverse=True)
    return _joined_along(axis, [view for _, view in pieces])


def _stack(step: Step) -> View:
    axis = step.params["axis"]
    shape = (*step.shape[:axis], 1, *step.shape[axis + 1 :])
    order = [d if d < axis else d - 1 for d in range(len(shape))]
    views = []
    for before, view in enumerate(step.views):
        if view is not None:
            view = view.rearranged(Factor(1) if d == axis else order[d] for d in range(len(shape)))
            views.append(view.windowed(axis, step.shape[axis], before=before))
    return _joined_along(axis, views)


def _joined_along(axis: int, views: Sequence[View]) -> View:
    """Of pieces of one array: what they see along it must be one interval that moves evenly.

    If it is not, as in padding by reflection, the first piece says how the whole image is seen.
    """
    joined = merge(views).collapsed(axis)
    steps = zip(joined.steps(axis), zip(*(view.spans for view in views), strict=True), strict=True)
    return joined.unknown_along([step != 0 and len(set(spans)) > 1 for step, spans in steps])


def _broadcast(step: Step) -> View:
    (view, *_) = step.views
    place = {d: i for i, d in enumerate(step.params["broadcast_dimensions"])}
    view = view.rearranged(place.get(d, Factor(1)) for d in range(len(step.shape)))
    return _spread(view, step.shape)


def _reshape(step: Step) -> View:
    return step.views[0].reshaped(step.shape)


def _squeeze(step: Step) -> View:
    return step.views[0].without(d % len(step.shapes[0]) for d in step.params["dimensions"])


def _transpose(step: Step) -> View:
    return step.views[0].rearranged(step.params["permutation"])


def _reverse(step: Step) -> View:
    (view,) = step.views
    for d in step.params["dimensions"]:
        view = view.windowed(d, step.shape[d], stride=-1, before=1 - step.shape[d])
    return view


def _reduce(step: Step) -> View:
    return step.views[0].without(step.params["axes"])


def _sort(step: Step) -> View:
    return merge([view.absorbed([step.params["dimension"]]) for view in step.seen])


def _top_k(step: Step) -> View:
    (view,) = step.views
    axis = step.params.get("axis", len(step.shape) - 1)
    return view.absorbed([axis]).with_dimension(axis, Factor(step.shape[axis]))


_ELEMENTWISE = """
    abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type
    copy cos cosh div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le log
    log1p logistic lt max min mul name ne neg nextafter not or pow reduce_precision rem round rsqrt
    select_n sign sin sinh sqrt square sub tan tanh xor
"""
_REDUCTIONS = "argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum"
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
RULES = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    **dict.fromkeys(("cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum"), _cumulate),
    **dict.fromkeys(
        ("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _reduce_window
    ),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv_general_dilated": _conv,
    "dot_general": _dot,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "sort": _sort,
    "squeeze": _squeeze,
    "stack": _stack,
    "top_k": _top_k,
    "transpose": _transpose,
}
