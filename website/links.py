"""Where a link between files of the repository leads on the site.

Pages link as their files lie, so that the links work on the repository's own pages too. What is on
the site under another name is found there; any other file is laid beside the pages, as it is.
"""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

from website import api

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "docs": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "experiments/RESULTS.md": "results.md",
    "experiments": "results.md",
    "benchmarks": "benchmarks.md",
} | {package.replace(".", "/"): api.page_name(package) for package in api.packages()}
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")


def place_of(path: str) -> str:
    """Where a file or a folder of the repository is on the site.

    Args:
        path: relative to the repository's root, as `docs/style.md`.
    """
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("notebooks/") and path.endswith(".ipynb"):
        return path.removesuffix("ipynb") + "md"
    return f"source/{path}" if (ROOT / path).is_file() else path


def redirect(text: str, source: str, place: str) -> tuple[str, set[str]]:
    """A page's Markdown with its links as they are on the site.

    Args:
        text: the Markdown.
        source: the page's file, relative to the repository's root.
        place: where the page is on the site.

    Returns:
        The Markdown, and the files of the repository that must lie beside the pages.
    """
    beside = set()

    def moved(found: re.Match) -> str:
        path = normpath(f"{dirname(source)}/{found[1]}".lstrip("/"))
        if not (ROOT / path).exists():  # a picture that a notebook drew, or a link to nowhere
            return found[1]
        target = place_of(path)
        if target.startswith("source/"):
            beside.add(path)
        return relpath(target, dirname(place) or ".")

    return LINK.sub(moved, text), beside
