"""Nested dicts and lists as one dict, whose names are the paths: {"a": [x]} is {"a/0": x}.

The tree comes out of a file that may be hostile: a branch can be in many places, or in itself, and
then a small file stands for a tree of any size.
"""

from itertools import count
from pathlib import Path
from typing import Any

from jaxvision.pretrained.claims import WeightsError, check_number

MAX_DEPTH, MAX_NAME = 32, 1000


def flatten(path: Path, tree: Any) -> dict[str, Any]:
    """The leaves of `tree`, which came out of the file `path`, by their names and in order.

    Raises:
        WeightsError: if `tree` is a leaf itself, is too large or nested too deep, or has two leaves
            of one name, or a name that is too long or no text.
    """
    leaves: dict[str, Any] = {}
    visits = count(1)

    def visit(node: Any, name: str, depth: int) -> None:
        check_number(path, next(visits))
        if isinstance(node, dict | list) and depth < MAX_DEPTH and len(name) <= MAX_NAME:
            for key, child in node.items() if isinstance(node, dict) else enumerate(node):
                if not isinstance(key, str | int):
                    raise WeightsError(f"{path}: has names that are no text. Name every tensor.")
                visit(child, f"{name}/{key}" if depth else str(key), depth + 1)
        elif depth in (0, MAX_DEPTH) or len(name) > MAX_NAME:
            raise WeightsError(
                f"{path}: holds no dict of tensors by name, or one that is nested more than "
                f"{MAX_DEPTH} deep. Write one, flat or of a few levels."
            )
        elif name in leaves:
            raise WeightsError(f"{path}: has {name!r} twice. Write each tensor once.")
        else:
            leaves[name] = node

    visit(tree, "", 0)
    return leaves
