"""Examples with prompts as blocks of code, wherever they stand in a docstring.

Markdown takes `>>>` at the beginning of a line for a quotation. This extension of Python-Markdown
indents such lines, and what follows them up to an empty line, as a block of code is.
"""

from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

PROMPT = ">>> "


class Indent(Preprocessor):
    """Four spaces before each line of an example, and an empty line before the first."""

    def run(self, lines: list[str]) -> list[str]:
        """The lines of a text, as Python-Markdown calls for them."""
        done: list[str] = []
        inside = False
        for line in lines:
            begins = not inside and line.startswith(PROMPT)
            inside = (inside or begins) and bool(line.strip())
            done += [""] if begins else []
            done.append("    " + line if inside else line)
        return done


class Doctests(Extension):
    """Registers `Indent` behind the rule that keeps fenced blocks of code as they are."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802, the name that is called
        """Adds the rule to `md`."""
        md.preprocessors.register(Indent(md), "doctests", 20)


def makeExtension(**settings: object) -> Extension:  # noqa: N802, the name that is called
    """What `markdown_extensions` in mkdocs.yml asks a module for."""
    return Doctests(**settings)
