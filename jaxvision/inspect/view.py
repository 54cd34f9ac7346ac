"""Which pixels each entry of an array depends on: an interval that moves with the entry's place.

Along each axis a of the image (height, width), the entry at i_1, i_2, ... of an array depends on no
pixel outside

    step_1 i_1 + step_2 i_2 + ... + low  ..  step_1 i_1 + step_2 i_2 + ... + high

with the steps, low and high of that axis. After a 7x7 convolution with stride 2 and padding 3 the
steps of rows are (0, 2, 0, 0), low is -3 and high is 3. Pixels outside the image are padding. Zero
steps say that the place does not matter, infinite ends that nothing better is known than "the whole
image". Fractional steps are those of enlarged arrays, whose entries share pixels.

A dimension that a reshape merged from several, like rows and columns as one list of pixels, keeps
what it was made of as `Factor`s, the slowest first, so that a later split finds them again.

`merge` is where knowledge is given up: it takes the smallest interval that holds all given ones, or
the whole image where they move differently. Nothing here claims less than a function sees.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

Number = int | Fraction | float


class Factor(NamedTuple):
    """A dimension, or a part of a merged one: entries, and pixels from one to the next by axis."""

    size: int
    steps: tuple[Number, Number] = (0, 0)


class Span(NamedTuple):
    """First and last pixel, inclusive, for the entry at 0, 0, ..."""

    low: Number
    high: Number

    def shifted(self, pixels: Number) -> "Span":
        return Span(self.low + pixels, self.high + pixels)

    def widened(self, pixels: Number) -> "Span":
        """With everything that moving by 0 up to `pixels` meets, which may be negative."""
        return Span(self.low + min(pixels, 0), self.high + max(pixels, 0))


class Field(NamedTuple):
    """Where the units of a feature look along one axis of the image.

    Unit i sees the `size` pixels from offset + stride * i on, those in the padding included.

    Attributes:
        size: the receptive field in pixels; None for the whole image, however large.
        stride: pixels from one unit's field to the next's, a fraction after an enlargement; None
            where the units have no order along this axis.
        offset: first pixel of the first field, negative in the padding; None for the whole image.
    """

    size: int | None
    stride: int | Fraction | None
    offset: int | None


EVERYTHING = Span(-math.inf, math.inf)


@dataclasses.dataclass(frozen=True)
class View:
    """The intervals of all entries: factors for each dimension, a span for each image axis."""

    dimensions: tuple[tuple[Factor, ...], ...]
    spans: tuple[Span, Span]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(math.prod(f.size for f in factors) for factors in self.dimensions)

    def steps(self, dimension: int) -> tuple[Number, Number]:
        """The steps of a dimension of one factor."""
        (factor,) = self.dimensions[dimension]
        return factor.steps

    def with_dimension(self, dimension: int, *factors: Factor) -> "View":
        dimensions = list(self.dimensions)
        dimensions[dimension] = factors
        return View(tuple(dimensions), self.spans)

    def rearranged(self, dimensions: Iterable[int | Factor]) -> "View":
        """Dimensions of this view by number, and new ones; others must have been absorbed."""
        return View(
            tuple(self.dimensions[d] if isinstance(d, int) else (d,) for d in dimensions),
            self.spans,
        )

    def moved(self, change, pixels: Sequence[Number]) -> "View":
        """With each axis's span changed: `change` is `Span.shifted` or `Span.widened`."""
        spans = (change(span, p) for span, p in zip(self.spans, pixels, strict=True))
        return View(self.dimensions, tuple(spans))

    def absorbed(self, dimensions: Iterable[int]) -> "View":
        """As if every entry were the sum over these dimensions, which stay, without steps."""
        view = self
        for d in dimensions:
            for factor in self.dimensions[d]:
                view = view.moved(Span.widened, [(factor.size - 1) * s for s in factor.steps])
            view = view.with_dimension(d, Factor(self.shape[d]))
        return view

    def without(self, dimensions: Iterable[int]) -> "View":
        """What is left of the dimensions after a sum over these."""
        gone = set(dimensions)
        kept = [d for d in range(len(self.dimensions)) if d not in gone]
        return self.absorbed(gone).rearranged(kept)

    def collapsed(self, dimension: int) -> "View":
        """With one factor for `dimension`, on whose entries the interval moves evenly."""
        factors = _joined(self.dimensions[dimension])
        if len(factors) == 1:
            return self.with_dimension(dimension, *factors)
        size = self.shape[dimension]
        enlarged = not any(any(factor.steps) for factor in factors[1:])
        # Pixels repeated n times move by 1 / n; where other things follow each other, by nothing.
        steps = tuple(
            _divide(s, size // factors[0].size) if enlarged else 0 for s in factors[0].steps
        )
        view, entries = self, size
        for factor in factors:
            entries //= factor.size  # of the merged dimension, from one of the factor to the next
            rest = [f - s * entries for f, s in zip(factor.steps, steps, strict=True)]
            view = view.moved(Span.widened, [(factor.size - 1) * r for r in rest])
        return view.with_dimension(dimension, Factor(size, steps))

    def windowed(
        self,
        dimension: int,
        size: int,
        *,
        window: int = 1,
        stride: int = 1,
        before: int = 0,
        dilation: int = 1,
        spread: int = 1,
    ) -> "View":
        """What windows along `dimension` see: those of convolutions, pools, slices and pads.

        Args:
            dimension: the one that the windows move along.
            size: how many windows there are.
            window: entries in one.
            stride: entries from one window to the next.
            before: entries of padding before the first, negative for a crop.
            dilation: distance between the entries of a window.
            spread: distance between the entries themselves, with padding between them.
        """
        if (window, stride, before, spread, size) == (1, 1, 0, 1, self.shape[dimension]):
            return self
        view = self.collapsed(dimension)
        steps = [_divide(step, spread) for step in view.steps(dimension)]
        view = view.moved(Span.shifted, [-before * step for step in steps])
        view = view.moved(Span.widened, [(window - 1) * dilation * step for step in steps])
        return view.with_dimension(dimension, Factor(size, tuple(stride * s for s in steps)))

    def reshaped(self, shape: Sequence[int]) -> "View":
        """The same entries in the same order in another shape."""
        if 0 in shape:
            return whole_image(shape)
        rest = [f for factors in self.dimensions for f in factors if f.size > 1]
        dimensions = []
        for size in shape:
            taken = []
            while size > 1:
                factor = rest.pop(0)
                here = math.gcd(size, factor.size)
                if here < min(size, factor.size):  # rows of 6 as rows of 4: nothing lines up
                    return self.without(range(len(self.dimensions))).rearranged(map(Factor, shape))
                inner = factor.size // here
                taken.append(Factor(here, tuple(inner * s for s in factor.steps)))
                if inner > 1:
                    rest.insert(0, Factor(inner, factor.steps))
                size //= here
            dimensions.append(tuple(taken) or (Factor(1),))
        return View(tuple(dimensions), self.spans)

    def field(self, axis: int, side: int) -> Field:
        """Sums up the view along `axis` of an image with that many pixels a `side`."""
        view = self
        for d in range(len(self.dimensions)):
            view = view.collapsed(d)
        steps = [view.steps(d)[axis] for d in range(len(self.dimensions))]
        moving = [d for d, step in enumerate(steps) if step]
        main = max(moving, key=lambda d: abs(steps[d]), default=None)
        low, high = view.absorbed(d for d in moving if d != main).spans[axis]
        stride = None if main is None else steps[main]
        if math.isinf(high - low) or (main is None and low <= 0 and high >= side - 1):
            return Field(None, stride, None)
        return Field(math.floor(high - low) + 1, stride, math.ceil(low))

    def unknown_along(self, moves: Sequence[bool]) -> "View":
        """With the whole image on the axes that are marked."""
        spans = zip(moves, self.spans, strict=True)
        return View(self.dimensions, tuple(EVERYTHING if move else span for move, span in spans))


def view_of_image(shape: Sequence[int]) -> View:
    """Of images [b, h, w, c] on themselves: each pixel sees itself."""
    b, h, w, c = shape
    factors = Factor(b), Factor(h, (1, 0)), Factor(w, (0, 1)), Factor(c)
    return View(tuple((factor,) for factor in factors), (Span(0, 0), Span(0, 0)))


def whole_image(shape: Sequence[int]) -> View:
    """Of an array each of whose entries may depend on every pixel."""
    return View(tuple((Factor(size),) for size in shape), (EVERYTHING, EVERYTHING))


def merge(views: Sequence[View]) -> View:
    """The smallest view known to hold all of `views`, which have one shape.

    On an axis where they move differently it is the whole image, with the first steps that move.
    """
    first, *others = views
    for other in others:
        first = _merge_two(first, other)
    return first


def _merge_two(a: View, b: View) -> View:
    dimensions, differ = [], [False, False]
    for d, (in_a, in_b) in enumerate(zip(a.dimensions, b.dimensions, strict=True)):
        if [f.size for f in in_a] != [f.size for f in in_b]:
            a, b = a.collapsed(d), b.collapsed(d)
    for in_a, in_b in zip(a.dimensions, b.dimensions, strict=True):
        factors = []
        for f, g in zip(in_a, in_b, strict=True):
            steps = [0, 0]
            for axis, (s, t) in enumerate(zip(f.steps, g.steps, strict=True)):
                differ[axis] |= s != t and f.size > 1  # one entry alone does not move
                steps[axis] = s or t
            factors.append(Factor(f.size, tuple(steps)))
        dimensions.append(tuple(factors))
    spans = tuple(
        Span(min(s.low, t.low), max(s.high, t.high)) for s, t in zip(a.spans, b.spans, strict=True)
    )
    return View(tuple(dimensions), spans).unknown_along(differ)


def _joined(factors: Sequence[Factor]) -> list[Factor]:
    """The fewest factors that say the same: rows by twos, of which there are two, are rows."""
    joined = [factors[0]]
    for factor in factors[1:]:
        size, steps = joined[-1]
        if factor.size == 1:
            continue
        if size == 1:
            joined[-1] = factor
        elif all(s == factor.size * t for s, t in zip(steps, factor.steps, strict=True)):
            joined[-1] = Factor(size * factor.size, factor.steps)
        else:
            joined.append(factor)
    return joined


def _divide(number: Number, by: int) -> Number:
    return number if by == 1 else Fraction(number, by) if number % by else number // by
