"""Notebooks as pages: Markdown with what each cell shows, and formulas as MathML.

Notebooks are stored without output. With JAXVISION_EXECUTE_NOTEBOOKS in the environment, building
the site runs each of them first; otherwise the pages have the cells alone, which takes no time.
MathML is drawn by the browser itself: no page loads a script from another host.
"""

import os
import re
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from latex2mathml.converter import convert
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

EXECUTE = "JAXVISION_EXECUTE_NOTEBOOKS"
FORMULA = re.compile(
    r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL
)


def page_of(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook in Markdown, and its pictures by the names that the page has for them.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed, where notebooks are run.
    """
    cells = nbformat.read(notebook, as_version=4)
    if os.environ.get(EXECUTE):
        with TemporaryDirectory() as folder:  # what a notebook writes is not kept
            NotebookClient(cells, timeout=600, resources={"metadata": {"path": folder}}).execute()
    names = {"unique_key": notebook.stem}  # what the pictures' names begin with
    text, found = MarkdownExporter().from_notebook_node(cells, resources=names)
    return text, found["outputs"]


def with_mathml(html: str) -> str:
    """The page with each formula that `pymdownx.arithmatex` found as MathML."""

    def mathml(found: re.Match) -> str:
        kind = "inline" if found[2] is not None else "block"
        return convert(unescape(found[2] or found[3]), display=kind)

    return FORMULA.sub(mathml, html)
