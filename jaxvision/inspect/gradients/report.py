"""What `check_gradients` found: each element's verdict, the worst one, and what that points to."""

import dataclasses
from collections.abc import Callable
from math import isfinite
from typing import Literal, NamedTuple

Verdict = Literal["passes", "kink", "modes disagree", "differs", "not finite"]
LISTED = 5  # kinks that are printed


class Element(NamedTuple):
    """One number of the parameters, and its derivative by each method.

    Attributes:
        path: of its leaf.
        index: in the leaf.
        forward: None where the function has no forward mode.
        error: the largest relative error between two of the methods; inf if one is not finite.
    """

    path: str
    index: tuple[int, ...]
    reverse: float
    forward: float | None
    differences: float
    error: float
    verdict: Verdict

    @property
    def name(self) -> str:
        return f"{self.path}[{', '.join(map(str, self.index))}]" if self.index else self.path


class LeafCheck(NamedTuple):
    """The checked elements of one array."""

    path: str
    shape: tuple[int, ...]
    elements: tuple[Element, ...]


@dataclasses.dataclass(frozen=True)
class GradientCheck:
    """The result of `check_gradients`; printed, a table.

    Attributes:
        leaves: in the order of the tree.
        tolerance: what was allowed.
        forward_mode: False for functions with a `custom_vjp`, which have none.
    """

    leaves: tuple[LeafCheck, ...]
    tolerance: float
    forward_mode: bool

    @property
    def elements(self) -> tuple[Element, ...]:
        """All that were checked."""
        return tuple(element for leaf in self.leaves for element in leaf.elements)

    @property
    def failures(self) -> tuple[Element, ...]:
        """Those whose derivative is wrong, or not finite."""
        return _select(self.elements, lambda verdict: verdict not in ("passes", "kink"))

    @property
    def kinks(self) -> tuple[Element, ...]:
        """Those with a kink within the step: they say nothing."""
        return _select(self.elements, lambda verdict: verdict == "kink")

    @property
    def worst(self) -> Element | None:
        """The element with the largest error that is no kink; None if all are."""
        smooth = _select(self.elements, lambda verdict: verdict != "kink")
        # Where an infinite slope is one element's, forward mode is NaN for all: 0 times infinity.
        return max(
            smooth, key=lambda element: (element.error, not isfinite(element.reverse)), default=None
        )

    @property
    def verdict(self) -> Literal["passes", "fails", "kink"]:
        """What is to be said of all: "kink" where no element is anything else."""
        if self.failures:
            return "fails"
        return "passes" if self.worst else "kink"

    def __str__(self) -> str:
        header = ("leaf", "shape", "checked", "kinks", "failures", "largest error")
        rows = [header, *(_row(leaf) for leaf in self.leaves)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        lines += ["", f"Verdict: {self.verdict}, at a relative error of {self.tolerance:g}."]
        if self.worst:
            lines.append(f"The worst is {self.worst.name}, {_values(self.worst)}.")
        if self.worst and self.failures:
            lines.append(_meaning(self.worst, self.forward_mode))
        if not self.forward_mode:
            lines.append("Forward mode is left out: a custom_vjp has none.")
        if self.kinks:
            more = "" if len(self.kinks) <= LISTED else f" and {len(self.kinks) - LISTED} more"
            names = ", ".join(element.name for element in self.kinks[:LISTED])
            lines.append(f"Kinks, where no gradient is the right one: {names}{more}.")
        return "\n".join(lines)


def _select(
    elements: tuple[Element, ...], wanted: Callable[[Verdict], bool]
) -> tuple[Element, ...]:
    return tuple(element for element in elements if wanted(element.verdict))


def _row(leaf: LeafCheck) -> tuple[str, ...]:
    verdicts = [element.verdict for element in leaf.elements]
    kinks = verdicts.count("kink")
    errors = [element.error for element in leaf.elements if element.verdict != "kink"]
    return (
        leaf.path,
        "x".join(map(str, leaf.shape)) or "scalar",
        str(len(verdicts)),
        str(kinks),
        str(len(verdicts) - kinks - verdicts.count("passes")),
        f"{max(errors):.1e}" if errors else "-",
    )


def _values(element: Element) -> str:
    forward = "" if element.forward is None else f"forward mode {element.forward:.8g}, "
    return (
        f"{forward}reverse mode {element.reverse:.8g}, differences {element.differences:.8g}: "
        f"relative error {element.error:.1e}"
    )


def _meaning(element: Element, forward_mode: bool) -> str:
    if element.verdict == "not finite":
        return (
            "A derivative, or a value beside, is not finite: look for a root, a logarithm or a "
            "quotient at 0."
        )
    if element.verdict == "modes disagree" and element.forward is not None:
        modes = element.forward, element.reverse
        forward_error, reverse_error = (abs(value - element.differences) for value in modes)
        if forward_error < reverse_error:
            return "Reverse mode is the one that is off: a wrong transpose, or a wrong custom VJP."
        return "Forward mode is the one that is off: a wrong JVP."
    if not forward_mode:
        return "Reverse mode is not what the values do: a wrong custom VJP, or no smooth function."
    return (
        "Forward and reverse mode agree, and are not what the values do: a wrong custom JVP, or no "
        "smooth function."
    )
