"""A manifest says of every byte whether it is as it was, and sha256sum agrees."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jaxvision.data.manifest import (
    compare,
    hash_files,
    read_manifest,
    visible_files,
    write_manifest,
)

NAMES = ("plain.png", "a b/ünïcode 雪.png", "back\\slash.png", "line\nbreak.png", "tail \r.png")


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(NAMES):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * 1000)
    (tmp_path / "data" / ".hidden").mkdir()
    (tmp_path / "data" / ".hidden" / "x").touch()
    (tmp_path / "data" / ".DS_Store").touch()
    return tmp_path / "data"


def test_every_name_comes_back_and_sha256sum_agrees(folder, tmp_path):
    hashes = hash_files(folder, visible_files(folder))
    assert hashes == {
        name: hashlib.sha256(bytes([i]) * 1000).hexdigest() for i, name in enumerate(NAMES)
    }
    file = tmp_path / "SHA256SUMS"
    write_manifest(file, hashes)
    assert read_manifest(file) == hashes
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("there is no sha256sum")
    subprocess.run([tool, "-c", "--strict", file], cwd=folder, check=True, capture_output=True)
    paths = [f"./{name}" for name in NAMES]
    theirs = subprocess.run([tool, *paths], cwd=folder, check=True, capture_output=True).stdout
    (tmp_path / "theirs").write_bytes(theirs)
    assert read_manifest(tmp_path / "theirs") == hashes


def test_a_link_that_leads_nowhere_is_a_file_and_a_pipe_is_none(folder):
    (folder / "link.png").symlink_to(folder / "gone.png")
    os.mkfifo(folder / "pipe.png")
    names = {path.name for path in visible_files(folder)}
    assert "link.png" in names and "pipe.png" not in names


def test_a_folder_that_may_not_be_listed_is_no_empty_one(folder, monkeypatch):
    scandir = os.scandir

    def refused(path):
        if Path(path).name == "a b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(PermissionError, match="a b"):
        visible_files(folder)


def test_what_changed_is_told(folder):
    before = hash_files(folder, visible_files(folder))
    content = bytearray((folder / "plain.png").read_bytes())
    content[500] ^= 1
    (folder / "plain.png").write_bytes(content)
    (folder / NAMES[1]).rename(folder / "new.png")
    after = hash_files(folder, visible_files(folder))
    assert compare(before, after) == (("plain.png",), (NAMES[1],), ("new.png",))
    assert compare(before, before) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", r"line 1 must be a sha256, two spaces and a path, got 'hello'"),
        (f"{'0' * 64}  a\n{'0' * 64}  ./a\n", r"line 2: 'a' is named twice"),
        (f"{'0' * 64}  ../a\n", r"line 1: '../a' lies outside"),
        (f"{'0' * 64}  /etc/passwd\n", r"'/etc/passwd' lies outside .*anew"),
        (f"{'G' * 64}  a\n", "line 1 must be"),
    ],
)
def test_what_is_no_manifest_is_refused(text, message, tmp_path):
    (tmp_path / "sums").write_text(text)
    with pytest.raises(ValueError, match=rf"sums: .*{message}"):
        read_manifest(tmp_path / "sums")


def test_a_manifest_is_never_replaced(tmp_path):
    write_manifest(tmp_path / "sums", {})
    with pytest.raises(FileExistsError, match=r"sums: exists, and a manifest is never replaced"):
        write_manifest(tmp_path / "sums", {})
    with pytest.raises(FileNotFoundError, match=r"none: no such manifest"):
        read_manifest(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        visible_files(tmp_path / "none")
    with pytest.raises(NotADirectoryError, match="is a file"):
        visible_files(tmp_path / "sums")
