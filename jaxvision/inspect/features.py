"""What `summarize` finds out about a network, as a table and as JSON. All is for one image.

The receptive field of a feature is the smallest interval of rows, and of columns, that is known to
hold all the pixels that a unit depends on, by whichever path. It is exact for convolutions, pools,
crops, zero padding, sums and what lies between them, and never too small: where the program goes
ways that are not followed, it is the whole image.
"""

import dataclasses
from fractions import Fraction
from typing import Any

from rich.console import Console, Group

IMAGE = "image"  # as the source of a feature
Pixels = int | Fraction | None


@dataclasses.dataclass(frozen=True)
class Feature:
    """An array that a network returns; the pairs are (rows, columns).

    Attributes:
        name: its key, after those of the dicts that it is in and "/".
        shape: for one image.
        receptive_field: pixels that a unit depends on, those in the padding included; None for the
            whole image.
        stride: pixels from one unit to the next, a fraction after an enlargement; None where units
            have no order.
        offset: the first pixel that the first unit depends on, negative in the padding: unit i
            sees `receptive_field` pixels from offset + i stride on. None with the whole image.
        parameters: numbers in the parameters that it depends on.
        macs: multiply-accumulates that it depends on: what it costs to ask for it alone.
        bytes: of the array itself.
        sources: the features, or "image", that it is computed from with no feature in between.
        joins: "add" if a sum joins paths that come from one source through different layers, as a
            residual block does; "concatenate" if they are put side by side; or both, or neither.
        same_as: an earlier name of the very same array, which others then have as their source.
    """

    name: str
    shape: tuple[int, ...]
    receptive_field: tuple[int | None, int | None]
    stride: tuple[Pixels, Pixels]
    offset: tuple[int | None, int | None]
    parameters: int
    macs: int
    bytes: int
    sources: tuple[str, ...]
    joins: tuple[str, ...]
    same_as: str | None = None


@dataclasses.dataclass(frozen=True)
class Summary:
    """A network in numbers, for one image. `print` shows a table; `to_dict` is for JSON.

    Attributes:
        image_shape: what was traced, [1, h, w, c].
        parameters: numbers in the parameters.
        statistics: numbers in the other variables, such as batch norm's averages.
        macs: multiply-accumulates of convolutions and dense layers that the outputs depend on.
        features: what is returned by name, in that order.
        outputs: what is returned beside them; without any, the last feature is the output.
        feature_bytes: of all features, if each is kept.
        peak_bytes: the most that is alive at once when the outputs alone are computed in the order
            of the program, with elementwise operations in place. XLA may do better.
    """

    image_shape: tuple[int, ...]
    parameters: int
    statistics: int
    macs: int
    features: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    feature_bytes: int
    peak_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Numbers, strings and lists: a pair of equals as one number, None for the whole image."""
        result = dataclasses.asdict(self)
        for feature in (*result["features"], *result["outputs"]):
            for pair in ("receptive_field", "stride", "offset"):
                rows, columns = (float(p) if isinstance(p, Fraction) else p for p in feature[pair])
                feature[pair] = rows if rows == columns else [rows, columns]
        return result

    def __rich__(self) -> Group:
        from jaxvision.inspect.summary_table import summary_table

        return summary_table(self)

    def __str__(self) -> str:
        # A string is text everywhere: in a notebook, Rich would write HTML and hand nothing out.
        console = Console(width=80, force_jupyter=False, color_system=None)
        with console.capture() as captured:
            console.print(self)
        return captured.get()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows where it is a cell's last line: the table, not the fields."""
        return {"text/plain": str(self)}
