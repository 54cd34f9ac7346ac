"""SHA256SUMS: one text that says what every file of a folder holds, in the form of sha256sum(1).

    <64 hexadecimal digits><two spaces><path relative to the folder>

a line a file, sorted. A folder is whole if the text computed from it anew is the text that lies in
it, byte for byte: a changed, a missing and a further file are noticed, and a change of the text
itself, and anyone can look with `sha256sum -c SHA256SUMS`. A link, which can lead to any file, is
damage, and is not followed.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUMS = "SHA256SUMS"
LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")
FEW = 16  # of the 64 digits of two digests, 4 agree by chance
CORES = 2  # hashing is arithmetic, and saving shares the machine with the training


def write_sums(folder: Path) -> None:
    """Writes `folder/SHA256SUMS` over all other files below `folder`."""
    (folder / SUMS).write_bytes(_render(_hashes(folder)))


def differing(folder: Path) -> list[str]:
    """What is wrong with `folder`, as "tensors/d/1 is damaged"; [] if it is as it was written.

    Raises:
        FileNotFoundError: if it holds no `SHA256SUMS`.
    """
    if strangers := [name for name in [SUMS, *_names(folder)] if not _is_plain(folder / name)]:
        return [f"{name} is no plain file" for name in strangers]
    text = (folder / SUMS).read_bytes()
    found = _hashes(folder)
    if text == _render(found):
        return []
    if _nearly(text, _render(found)):  # a file that changed has another digest from end to end
        return [f"{SUMS} is damaged"]
    lines = [LINE.fullmatch(line) for line in text.decode(errors="replace").splitlines()]
    expected = {line["name"]: line["digest"] for line in lines if line}
    wrong = [] if all(lines) else [f"{SUMS} is damaged"]
    for name in sorted(expected | found):
        if name not in found:
            wrong.append(f"{name} is missing")
        elif name not in expected:
            wrong.append(f"{name} is not in {SUMS}")
        elif expected[name] != found[name]:
            wrong.append(f"{name} is damaged")
    return wrong or [f"{SUMS} is damaged"]


def flush(paths: Iterable[Path]) -> None:
    """Waits until these files and folders are on the disk."""
    with ThreadPoolExecutor(8) as pool:  # waiting, not arithmetic
        list(pool.map(_flush, paths))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(folder: Path) -> list[str]:
    names = (
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_symlink() or not file.is_dir()
    )
    return sorted(name for name in names if name != SUMS)


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and (path.is_file() or not path.exists())


def _hashes(folder: Path) -> dict[str, str]:
    names = _names(folder)
    with ThreadPoolExecutor(CORES) as pool:
        return dict(zip(names, pool.map(lambda name: _hash(folder / name), names), strict=True))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _render(hashes: dict[str, str]) -> bytes:
    return b"".join(os.fsencode(f"{digest}  {name}\n") for name, digest in hashes.items())


def _nearly(text: bytes, expected: bytes) -> bool:
    if len(text) != len(expected):
        return expected.startswith(text) and not text.endswith(b"\n")  # else a file has come
    return sum(a != b for a, b in zip(text, expected, strict=True)) < FEW
