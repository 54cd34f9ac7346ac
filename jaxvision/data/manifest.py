"""A manifest of a folder: the sha256 of every file, as sha256sum(1) writes and checks it.

    <64 hexadecimal digits><two spaces><path below the folder>

a line a file, sorted by path. `cd FOLDER && sha256sum -c MANIFEST` checks it, too. A path with a
backslash or a line break is written as that program does: with \\\\, \\n and \\r, and a backslash
before the line. Whatever decodes without complaint and is still not what it was (a JPEG with some
bytes changed, mostly) is found by this and by nothing else.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

LINE = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-f]{64}) [ *](?P<name>.+)")
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
UNESCAPES = {escape: character for character, escape in ESCAPES.items()}


class Changes(NamedTuple):
    """What differs from a manifest: paths below the folder, sorted."""

    changed: tuple[str, ...]
    missing: tuple[str, ...]  # named, but not there
    new: tuple[str, ...]  # there, but not named


def visible_files(root: Path) -> list[Path]:
    """All files below a folder, sorted, but for the hidden ones. Links to folders are not followed.

    A link that leads nowhere is one, too; a pipe, a socket or a device is none.

    Raises:
        FileNotFoundError: if there is no such folder.
        NotADirectoryError: if it is a file.
        OSError: if a folder below may not be listed.
    """
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such folder. Check the path.")
    if not root.is_dir():
        raise NotADirectoryError(f"{root}: is a file. Give the folder that holds the data.")
    found = []
    for parent, folders, files in os.walk(root, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(path for path in found if path.is_file() or not path.exists())


def hash_files(root: Path, files: Sequence[Path]) -> dict[str, str]:
    """The sha256 of each file that can be opened, in hexadecimal, by its path below `root`."""

    def digest(path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(digest, files)
        return {
            path.relative_to(root).as_posix(): found
            for path, found in zip(files, digests, strict=True)
            if found is not None
        }


def write_manifest(file: Path, hashes: Mapping[str, str]) -> None:
    """Writes a new manifest.

    Raises:
        FileExistsError: if the file exists.
    """
    lines = []
    for name, digest in sorted(hashes.items()):
        escaped = "".join(ESCAPES.get(character, character) for character in name)
        lines.append(f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n")
    try:
        with file.open("x", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write("".join(lines))
    except FileExistsError:
        raise FileExistsError(
            f"{file}: exists, and a manifest is never replaced. Check against it, or move it."
        ) from None


def read_manifest(file: Path) -> dict[str, str]:
    """The sha256 of each path that a manifest names.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no manifest, or names a path twice or one outside of its folder.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: no such manifest. Write it first.") from None
    hashes: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise ValueError(
                f"{file}: line {number} must be a sha256, two spaces and a path, got "
                f"{line[:80]!r}. Write the manifest anew, or get a whole copy."
            )
        name = found["name"].removeprefix("./")
        if found["escaped"]:
            name = re.sub(r"\\[\\nr]", lambda escape: UNESCAPES[escape[0]], name)
        if name in hashes or Path(name).is_absolute() or ".." in Path(name).parts:
            fault = "is named twice" if name in hashes else "lies outside of the folder"
            raise ValueError(f"{file}: line {number}: {name!r} {fault}. Write the manifest anew.")
        hashes[name] = found["digest"]
    return hashes


def compare(expected: Mapping[str, str], found: Mapping[str, str]) -> Changes:
    """What differs between a manifest and what is there."""
    both = expected.keys() & found.keys()
    return Changes(
        tuple(sorted(name for name in both if expected[name] != found[name])),
        tuple(sorted(expected.keys() - found.keys())),
        tuple(sorted(found.keys() - expected.keys())),
    )


def _raise(error: OSError) -> None:
    raise error  # a folder that may not be listed must not pass for an empty one
