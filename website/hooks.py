"""What MkDocs does beside rendering docs/: pages from elsewhere, links between them, formulas.

MkDocs calls these functions by their names (`hooks` in mkdocs.yml).
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from website import api, links, notebooks

ROOT = Path(__file__).parents[1]
OUTSIDE = {  # pages whose files are not in docs/
    links.PAGES[path]: path
    for path in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "experiments/RESULTS.md")
}
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The parts of the navigation that have a page for each file: notebooks and packages."""
    names = [f"notebooks/{path.stem}.md" for path in NOTEBOOKS]
    config.nav += [
        {"Notebooks": names},
        {"API": [{package: api.page_name(package)} for package in api.packages()]},
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """All pages of the site and what they link to, with every link as it is on the site."""
    texts = {
        file.src_uri: (f"docs/{file.src_uri}", file.content_string)
        for file in files.documentation_pages()
    }
    texts |= {
        place: (path, (ROOT / path).read_text())
        for place, path in OUTSIDE.items()
        if (ROOT / path).exists()
    }
    for notebook in NOTEBOOKS:
        text, pictures = notebooks.page_of(notebook)
        texts[f"notebooks/{notebook.stem}.md"] = (f"notebooks/{notebook.name}", text)
        for name, content in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    for package in api.packages():
        place = api.page_name(package)
        files.append(File.generated(config, place, content=api.page_of(package)))
    beside = set()
    for place, (path, text) in texts.items():
        text, found = links.redirect(text, path, place)
        beside |= found
        if (file := files.get_file_from_path(place)) is not None:
            files.remove(file)
        files.append(File.generated(config, place, content=text))
    for path in sorted(beside):
        content = (ROOT / path).read_bytes()
        files.append(File.generated(config, f"source/{path}", content=content))
    return files


def on_page_content(html: str, **_) -> str:
    """Formulas become MathML."""
    return notebooks.with_mathml(html)
