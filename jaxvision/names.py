"""Finds a thing by its name, or says which names there are and which one was probably meant."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def lookup(argument: str, name: str, known: Mapping[str, T]) -> T:
    """Returns `known[name]`.

    Raises:
        ValueError: if there is no such name; the message names the `argument`, the nearest known
            name and all the others.
    """
    if name in known:
        return known[name]
    near = nearest(name, known)
    hint = f" Did you mean `{near}`?" if near else ""
    raise ValueError(f"`{argument}` is unknown: {name!r}.{hint} Known: {', '.join(sorted(known))}.")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, if one is at all like it.

    >>> nearest("resnet5O", ["lenet5", "resnet18", "resnet50"])
    'resnet50'
    """
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return near[0] if near else None
