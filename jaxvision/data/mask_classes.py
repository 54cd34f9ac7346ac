"""Which value of a mask is which class: as a file says, or as the values themselves do."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jaxvision.data.mask_file import LARGEST
from jaxvision.data.masks import NOT_COUNTED

CLASSES = "classes.json"
LISTED = 20  # values in a message


def classes_of(
    root: Path, values: Mapping[Path, Sequence[int]]
) -> tuple[tuple[str, ...], dict[int, int]]:
    """The names of the classes, and the class of each value, or `NOT_COUNTED`.

    Args:
        root: where `classes.json` would be.
        values: those that each mask has.

    Raises:
        ValueError: if a mask has values that are no class, there are fewer than two classes, or
            `classes.json` is not as it must be.
    """
    found = set().union(*values.values())
    if (root / CLASSES).is_file():
        names = _read_classes(root / CLASSES)
        rule = f"{CLASSES} names {_listed(names)}"
    elif found == {0, 255}:
        names = {0: "0", 255: "255"}
        rule = ""
    else:
        count = next(value for value in range(LARGEST + 2) if value not in found)
        names = {value: str(value) for value in range(count)}
        rule = (
            f"without a {CLASSES} the classes are 0, 1, ... without a gap, or 0 and 255 alone, and "
            f"so these masks have {count or 'none'}"
        )
    strange = {file: sorted(set(some) - names.keys()) for file, some in values.items()}
    strange = {file: some for file, some in strange.items() if some}
    if strange:
        listed = sorted(set().union(*strange.values()))
        file = next(iter(strange))
        raise ValueError(
            f"{root}: masks have values that are no class: {_listed(listed)}, as "
            f"{file} with {_listed(strange[file])} ({len(strange)} files); {rule}. "
            f'Name every value in {root / CLASSES}: {{"0": "background", "255": null}}, where null '
            "is not counted."
        )
    classes = tuple(name for name in names.values() if name is not None)
    if len(classes) < 2:
        raise ValueError(
            f"{root}: masks have {len(classes)} class ({', '.join(classes)}), and one cannot be "
            "told apart: it takes two."
        )
    index = {name: i for i, name in enumerate(classes)}
    return classes, {
        value: NOT_COUNTED if name is None else index[name] for value, name in names.items()
    }


def _read_classes(file: Path) -> dict[int, str | None]:
    try:
        read = json.loads(file.read_text())
        names = {int(value): name for value, name in read.items()}
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f'{file}: must be {{"0": "background", "1": "cell", ...}}, a name for each value of '
            f"a mask ({error})."
        ) from error
    given = [name for name in names.values() if name is not None]
    right = all(isinstance(name, str) and name for name in given)
    if not right or len(set(given)) < len(given) or not all(0 <= v <= LARGEST for v in names):
        raise ValueError(
            f"{file}: must have values from 0 to {LARGEST}, each with a name of its own or null, "
            f"got {read}."
        )
    return names


def _listed(values: Iterable[int]) -> str:
    values = sorted(values)
    more = f" and {len(values) - LISTED} more" if values[LISTED:] else ""
    return ", ".join(map(str, values[:LISTED])) + more
