"""Docstrings say what a caller has to know: what it is, the arguments, the errors; examples run.

Public is what a file defines without an underscore, in a module without one.
"""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxvision"
FILES = sorted(PACKAGE.rglob("*.py"))
ARRAYS = re.compile(r"Float|Int|Num|Bool|UInt|Shaped|Key|Array|PyTree|ndarray")


def public_functions(tree):
    """(name, function, its class or None) of what can be called from outside."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node, None
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                    yield f"{node.name}.{part.name}", part, node


def settings(function):
    """The parameters that are no arrays."""
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [
        argument.arg
        for argument in arguments
        if argument.arg not in ("self", "cls")
        and not (argument.annotation and ARRAYS.search(ast.unparse(argument.annotation)))
    ]


def own_nodes(function):
    """What is in the function itself, not in functions inside it."""
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def raises_value_error(function):
    return any(
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func) == "ValueError"
        for node in own_nodes(function)
    )


def exported(path):
    """What the package of this file has in its `__all__`; all public names where it has none."""
    names = set()
    for package in path.parents[:2]:
        if (package / "__init__.py").exists():
            for node in ast.parse((package / "__init__.py").read_text()).body:
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                    names |= set(ast.literal_eval(node.value))
    return names


def problems_of(path, documented):
    """Everything that this file's docstrings leave out."""
    tree = ast.parse(path.read_text())
    if not ast.get_docstring(tree):
        yield "the module has no docstring"
    for node in tree.body:
        is_public = isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_"
        if is_public and not ast.get_docstring(node):
            yield f"{node.name} has no docstring"
    told, names = words(tree), exported(path) if path.parent.name != "ops" else None
    for name, function, of in public_functions(tree):
        doc = ast.get_docstring(function) or ""
        # The docstring of a sub-command is its help, and a method's may be that of its protocol.
        if (
            raises_value_error(function)
            and "raises" not in doc.lower()
            and path.parent.name != "cli"
        ):
            yield f"{name} raises ValueError and does not say so"
        if of is not None and not doc and function.name in documented:
            continue
        if names is None or (of or function).name in names:
            unknown = set(settings(function)) - words(function) - told
            if len(settings(function)) > 1 and unknown and not DEFERS.search(doc):
                yield f"{name} does not explain {sorted(unknown)}"


DEFERS = re.compile(r"[Aa]rguments")  # "the other arguments are those of `sweep`"


def words(node):
    return set(re.findall(r"\w+", ast.get_docstring(node) or ""))


def documented_methods():
    return {
        function.name
        for path in FILES
        for _, function, of in public_functions(ast.parse(path.read_text()))
        if of is not None and ast.get_docstring(function)
    }


def test_docstrings_say_what_a_caller_has_to_know():
    documented = documented_methods()
    problems = {str(p.relative_to(PACKAGE)): list(problems_of(p, documented)) for p in FILES}
    assert not {path: found for path, found in problems.items() if found}


PARSER = doctest.DocTestParser()


def examples():
    """Every docstring with examples, and the file that it stands in."""
    for path in FILES:
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if ">>>" in source else ():
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if ">>>" in text:
                    name = getattr(node, "name", "module")
                    yield pytest.param(path, text, id=f"{path.relative_to(PACKAGE)}-{name}")


@pytest.mark.parametrize(("path", "text"), list(examples()))
def test_examples_say_what_happens(path, text):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    names = vars(importlib.import_module(".".join(part for part in parts if part != "__init__")))
    example = PARSER.get_doctest(text, dict(names), path.stem, str(path), 0)
    said = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not said, "".join(said)


def test_there_are_examples():
    assert len(list(examples())) >= 20
