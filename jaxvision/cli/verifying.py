"""`jaxvision data verify`: what of a folder of images would spoil a training."""

import json as json_format
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from rich.table import Table

    from jaxvision.data.verification import Verification

KINDS = {
    "unreadable": "cannot be read",
    "misnamed": "named as another format",
    "same_file": "the same file",
    "same_pixels": "the same image in other files",
    "near": "images that look the same",
    "changed": "not as in the manifest",
    "missing": "in the manifest only",
    "new": "not in the manifest",
}
FOUND = 1  # exit code

data_app = tyro.extras.SubcommandApp()


@data_app.command
def verify(
    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")],
    manifest: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    write_manifest: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    json: tyro.conf.FlagCreatePairsOff[bool] = False,
) -> None:
    """Read every image below a folder: what is damaged, misnamed, or there twice.

    Copies have the same bytes, the same pixels, or look the same; within a split, across splits and
    across classes. The exit code is 0 if nothing is found, 1 if something is, 2 for wrong usage. No
    file is changed.

    Args:
        path: The folder, whatever it is arranged like.
        manifest: sha256 of all files, as `sha256sum` writes it: shows changes that still decode.
        write_manifest: Write such a list into this new file.
        json: Print everything as JSON.
    """
    from jaxvision.data import manifest as manifests
    from jaxvision.data.verification import verify_data

    if write_manifest is not None and write_manifest.exists():
        raise FileExistsError(
            f"`--write-manifest` must name a new file, and {write_manifest} exists: check against "
            "it by --manifest, or move it"
        )
    if write_manifest is not None and not write_manifest.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"`--write-manifest` must be in a folder that exists, got {write_manifest}: make it"
        )
    expected = None if manifest is None else manifests.read_manifest(manifest)
    lists = [file for file in (manifest, write_manifest) if file is not None]
    found = verify_data(path, expected, besides=lists)
    if write_manifest is not None:
        manifests.write_manifest(write_manifest, found.hashes)
    if json:
        print(json_format.dumps(_as_json(path, found), indent=2))
    else:
        _show(path, found, write_manifest)
    if found.findings:
        raise SystemExit(FOUND)


def _as_json(path: Path, found: "Verification") -> dict:
    return {
        "path": str(path),
        "files": found.files,
        "images": found.images,
        "clean": not found.findings,
        "counts": Counter(finding.kind for finding in found.findings),
        "findings": [finding._asdict() for finding in found.findings],
        "notes": found.notes,
    }


def _show(path: Path, found: "Verification", written: Path | None) -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)

    def show(line: str) -> None:  # a name may have bytes that are no text
        console.print(line.encode(errors="backslashreplace").decode())

    show(f"{path}: {found.files} files, {found.images} images that can be read")
    for note in found.notes:
        show(f"note: {note}")
    if written is not None:
        show(f"{written}: the sha256 of {len(found.hashes)} files")
    if not found.findings:
        show("nothing found")
        return
    console.print(_table(found))
    for kind, title in KINDS.items():
        findings = [finding for finding in found.findings if finding.kind == kind]
        if findings:
            show(f"\n{title}:")
        for finding in findings:
            detail = f"  ({finding.detail})" if finding.detail else ""
            show(f"  {' = '.join(finding.files)}{detail}")


def _table(found: "Verification") -> "Table":
    from rich.table import Table

    table = Table("what", "found", "across splits", "across classes")
    for kind, title in KINDS.items():
        details = [finding.detail for finding in found.findings if finding.kind == kind]
        if details:
            across = [sum(f"{word} " in text for text in details) for word in ("splits", "classes")]
            shown = map(str, across) if kind in ("same_file", "same_pixels", "near") else ("", "")
            table.add_row(title, str(len(details)), *shown)
    return table
