"""SHA256SUMS: any change of a folder is noticed, and named."""

import os

import pytest

from jaxvision.checkpoint.sums import differing, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_bytes(bytes(range(256)))
    (tmp_path / "data" / "b").write_bytes(b"")
    (tmp_path / "c.json").write_text("{}")
    write_sums(tmp_path)
    assert differing(tmp_path) == []
    return tmp_path


def test_the_text_is_known(folder):
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # FIPS 180's
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert [line[64:] for line in lines] == ["  c.json", "  data/a", "  data/b"]
    assert lines[2] == f"{empty}  data/b"


def test_each_file_that_differs_is_named(folder):
    (folder / "data" / "a").write_bytes(bytes(range(255)))
    (folder / "data" / "b").unlink()
    (folder / "d").touch()
    expected = ["d is not in SHA256SUMS", "data/a is damaged", "data/b is missing"]
    assert differing(folder) == expected


def test_two_files_that_changed_places_are_named(folder):
    (folder / "data" / "a").rename(folder / "x")
    (folder / "data" / "b").rename(folder / "data" / "a")
    (folder / "x").rename(folder / "data" / "b")
    assert differing(folder) == ["data/a is damaged", "data/b is damaged"]


@pytest.mark.parametrize("target", ["data", "nowhere", "data/a", "/dev/zero"])
def test_a_link_is_damage_wherever_it_leads(folder, target):
    (folder / "e").symlink_to(target)
    assert differing(folder) == ["e is no plain file"]


def test_a_pipe_is_damage_and_nobody_waits_for_it(folder):
    os.mkfifo(folder / "data" / "pipe")
    assert differing(folder) == ["data/pipe is no plain file"]


def test_the_text_is_no_link_either(folder):
    (folder / "SHA256SUMS").rename(folder.parent / "sums")
    (folder / "SHA256SUMS").symlink_to(folder.parent / "sums")
    assert differing(folder) == ["SHA256SUMS is no plain file"]


def test_a_bit_of_the_text_itself_counts_wherever_it_is(folder):
    path = folder / "SHA256SUMS"
    text = path.read_bytes()
    for bit in range(0, 8 * len(text), 5):
        changed = bytearray(text)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert differing(folder) == ["SHA256SUMS is damaged"], bit


def test_a_text_cut_off_anywhere_is_named(folder):
    path = folder / "SHA256SUMS"
    text = path.read_bytes()
    for length in range(len(text)):
        path.write_bytes(text[:length])
        (*_, last) = found = differing(folder)
        if text[:length].endswith(b"\n"):  # as if a file had come
            assert last == "data/b is not in SHA256SUMS"
        else:
            assert found == ["SHA256SUMS is damaged"], length


@pytest.mark.parametrize("text", [b"\0" * 200, b"what\n" * 40, b"\xff" * 300, b"\n" * 500])
def test_a_text_that_is_none_is_named(folder, text):
    (folder / "SHA256SUMS").write_bytes(text)
    assert differing(folder)[0] == "SHA256SUMS is damaged"


def test_a_line_too_many_and_lines_in_another_order_are_damage(folder):
    path = folder / "SHA256SUMS"
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in ([*lines, lines[0]], lines[::-1]):
        path.write_bytes(b"".join(changed))
        assert differing(folder) == ["SHA256SUMS is damaged"]


def test_without_the_text_nothing_can_be_said(folder):
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(FileNotFoundError):
        differing(folder)
