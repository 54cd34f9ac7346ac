"""The pages of the API: one a package, from its `__all__`, with each module's own words.

mkdocstrings renders what stands after `:::`. A page has the docstring of the package, and for each
of its modules that docstring, with the equations, and the names that the package hands out. A
package without `__all__` hands out what its modules define. The files are read and never imported.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
BY_MODULES = {"jaxvision.models"}  # `__all__` has the zoo; other networks are imported by module


def packages() -> list[str]:
    """Every package by its dotted name, the outermost not among them."""
    files = sorted((ROOT / "jaxvision").rglob("__init__.py"))
    return [".".join(file.parent.relative_to(ROOT).parts) for file in files][1:]


def page_name(package: str) -> str:
    """Where the page of a package is, below the folder of the pages."""
    return f"api/{package.removeprefix('jaxvision.')}.md"


def page_of(package: str) -> str:
    """The page of a package, in Markdown for mkdocstrings."""
    own, modules = members_of(package)
    blocks = [f"# `{package}`", block(package, own, "show_root_heading: false")]
    for module, names in sorted(modules.items()):
        blocks += [f"## `{module}`", block(module, names, "show_root_heading: false")]
    return "\n\n".join(blocks) + "\n"


def block(path: str, names: list[str], *options: str) -> str:
    """What mkdocstrings is told of one module: what to show of it."""
    members = "false" if not names else "[" + ", ".join(names) + "]"
    lines = [f"::: {path}", "    options:", f"      members: {members}"]
    return "\n".join(lines + [f"      {option}" for option in options])


def members_of(package: str) -> tuple[list[str], dict[str, list[str]]]:
    """What a package hands out: names of its own, and names by the module that defines them."""
    folder = ROOT.joinpath(*package.split("."))
    tree = ast.parse((folder / "__init__.py").read_text())
    exported = names_in_all(tree)
    modules: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxvision."):
            for name in sorted({alias.name for alias in node.names} & exported):
                if node.module == package:  # a module is handed out, as `optim.schedules`
                    modules[f"{package}.{name}"] = defined_in(folder / f"{name}.py")
                else:
                    modules.setdefault(node.module, []).append(name)
    if not exported or package in BY_MODULES:
        for file in sorted(folder.glob("[!_]*.py")):
            if names := defined_in(file):
                modules[f"{package}.{file.stem}"] = names
    imported = {name for names in modules.values() for name in names}
    own = defined_in(folder / "__init__.py") + assigned_in(tree)
    return sorted((exported - imported) & {*own}), modules


def names_in_all(tree: ast.Module) -> set[str]:
    """The names in a module's `__all__`, none where there is no such list."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def assigned_in(tree: ast.Module) -> list[str]:
    """Names that get a value at the top of a module, with their type or without."""
    targets = [
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def defined_in(file: Path) -> list[str]:
    """Public functions and classes of a file, in its order."""
    return [
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
