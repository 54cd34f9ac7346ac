"""The hyperparameters that a run is made of, which remembers the ones that were asked for.

So an axis that nothing reads is found: a misspelt one would sweep over nothing.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class Hyperparameters(Mapping):
    """A candidate's values by name: numbers, traced arrays in a compiled sweep, or words.

    Attributes:
        read: the names that were asked for; the caller's set, if one is given.
    """

    def __init__(self, values: Mapping[str, Any], read: set[str] | None = None):
        self._values, self.read = dict(values), set() if read is None else read

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            near = difflib.get_close_matches(name, self._values, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ValueError(
                f"the run asks for the hyperparameter `{name}`, which no axis gives.{hint} The "
                f"axes are {', '.join(self._values)}."
            )
        self.read.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def check_all_read(names: Iterable[str], read: set[str]) -> None:
    """Raises ValueError if one of the axes' names is not among those that the run asked for."""
    for name in names:
        if name not in read:
            near = difflib.get_close_matches(name, read, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ValueError(
                f"the axis `{name}` changes nothing: the run never asks for it.{hint} It asks for "
                f"{', '.join(sorted(read)) or 'none'}."
            )
