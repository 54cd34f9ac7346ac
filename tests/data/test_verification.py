"""`jaxvision data verify` finds what is damaged, misnamed, changed, or there twice; and no more."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from jaxvision.data.pictures import photographs
from jaxvision.data.verification import split_and_class, verify_data, where
from tests.data.image_files import encode

CROPS = [(80 * column, 80 * row) for row in (3, 2, 4, 1, 0) for column in range(8)]


def crop(i):
    with Image.open(photographs()[i % 2]) as image:
        left, top = CROPS[i // 2]
        return image.crop((left, top, left + 80, top + 80))


@pytest.fixture
def folder(tmp_path):
    """24 different images of two classes, in two splits; nothing wrong."""
    for i in range(24):
        path = tmp_path / "photos" / ("train", "val")[i // 16] / ("ant", "bee")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        crop(i).save(path)
    return tmp_path / "photos"


def found(folder, **options):
    return [tuple(finding) for finding in verify_data(folder, **options).findings]


def test_nothing_is_found_where_nothing_is(folder):
    result = verify_data(folder)
    assert (result.files, result.images, result.findings, result.notes) == (24, 24, (), ())


def test_damaged_and_misnamed_files(folder):
    (folder / "train/ant/cut.png").write_bytes(encode(crop(40))[:-400])
    (folder / "train/ant/empty.jpg").touch()
    (folder / "train/bee/design.png").write_bytes(b"8BPS\0\1" + bytes(40))
    (folder / "train/bee/really.jpg").write_bytes(encode(crop(42)))
    (folder / "train/bee/no.dat").write_bytes(encode(crop(44)))
    (folder / "notes.txt").write_text("BM and P6 begin as images do")
    result = verify_data(folder)
    cut, empty, design, really, data = result.findings
    assert cut[:2] == ("unreadable", ("train/ant/cut.png",)) and "cut short" in cut.detail
    assert empty.files == ("train/ant/empty.jpg",) and "it is empty" in empty.detail
    assert design.files == ("train/bee/design.png",) and "Photoshop" in design.detail
    assert really == ("misnamed", ("train/bee/really.jpg",), "is PNG by its content: rename it")
    assert data[:2] == ("misnamed", ("train/bee/no.dat",)) and "PNG" in data.detail
    assert result.files == 30 and result.images == 25
    assert result.notes == ("2 files are no images by their names, as notes.txt",)


def test_links_that_lead_nowhere_and_pipes(folder):
    (folder / "train/ant/gone.png").symlink_to(folder / "nowhere.png")
    (folder / "train/gone.txt").symlink_to(folder / "nowhere.txt")
    os.mkfifo(folder / "train/ant/pipe.png")  # to read it would wait for ever
    result = verify_data(folder, {})
    assert [finding.files for finding in result.findings if finding.kind == "unreadable"] == [
        ("train/ant/gone.png",),
        ("train/gone.txt",),
    ]
    assert len(result.hashes) == 24 and result.files == 26


def test_copies_of_each_kind_and_where_they_are(folder):
    (folder / "val/bee/copy.png").write_bytes((folder / "train/ant/0.png").read_bytes())
    crop(2).save(folder / "train/ant/2.bmp")
    crop(4).resize((40, 40)).save(folder / "val/ant/small.jpg", quality=75)
    for name in ("a", "b"):  # a copy of a copy that was compressed: near, once, and the same file
        crop(6).save(folder / f"train/bee/{name}.jpg", quality=75)
    assert found(folder) == [
        (
            "same_file",
            ("train/ant/0.png", "val/bee/copy.png"),
            "splits train, validation; classes ant, bee",
        ),
        ("same_file", ("train/bee/a.jpg", "train/bee/b.jpg"), ""),
        ("same_pixels", ("train/ant/2.bmp", "train/ant/2.png"), ""),
        ("near", ("train/ant/4.png", "val/ant/small.jpg"), "splits train, validation"),
        ("near", ("train/ant/6.png", "train/bee/a.jpg"), "classes ant, bee"),
    ]


def test_a_turned_copy_has_the_same_pixels(folder):
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.asarray(crop(0))[::-1, ::-1]).save(folder / "val/ant/t.png", exif=exif)
    assert [kind for kind, *_ in found(folder)] == ["same_pixels"]


def test_an_animation_is_no_fault_but_a_note(folder):
    crop(40).save(folder / "val/ant/moving.png", save_all=True, append_images=[crop(42)])
    result = verify_data(folder)
    assert not result.findings
    assert result.notes == (
        "1 have several frames, of which the first is read: val/ant/moving.png",
    )


def test_a_photograph_with_another_behind_it_is_a_jpeg(folder):
    crop(40).save(folder / "val/ant/two.jpg", "MPO", save_all=True, append_images=[crop(42)])
    assert not verify_data(folder).findings


def test_splits_and_classes_are_told_from_the_path():
    assert split_and_class("train/ant/deep/1.png") == ("train", "ant")
    assert split_and_class("images/val2017/1.jpg") == ("validation", "")
    assert split_and_class("ant/1.png") == ("", "ant") and split_and_class("1.png") == ("", "")
    assert where(["a/1.png", "a/2.png"]) == ""
    assert where(["test/a/1.png", "train/b/1.png"]) == "splits test, train; classes a, b"


def test_wrong_paths_are_refused(folder, tmp_path):
    with pytest.raises(NotADirectoryError, match="is a file"):
        verify_data(folder / "train/ant/0.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.txt").touch()
    with pytest.raises(ValueError, match=r"has no images \(.png .*among its 1 files\. Give"):
        verify_data(tmp_path / "empty")


def test_the_command_is_0_if_clean_1_if_not_and_2_if_wrong(jaxvision, folder):
    code, output, error = jaxvision("data", "verify", folder)
    assert (code, error) == (0, "") and "24 images" in output and "nothing found" in output
    (folder / "val/ant/[a copy].png").write_bytes((folder / "train/ant/0.png").read_bytes())
    code, output, error = jaxvision("data", "verify", folder)
    assert (code, error) == (1, "")
    assert "train/ant/0.png = val/ant/[a copy].png  (splits train, validation)" in output
    code, output, error = jaxvision("data", "verify", folder, "--json")
    answer = json.loads(output)
    assert code == 1 and not answer["clean"] and answer["counts"] == {"same_file": 1}
    assert answer["findings"][0]["files"] == ["train/ant/0.png", "val/ant/[a copy].png"]
    code, output, error = jaxvision("data", "verify", folder / "nowhere")
    assert code == 2 and "nowhere: no such folder" in error


def test_a_jpeg_damaged_in_its_body_is_caught_by_the_manifest(jaxvision, folder):
    crop(40).save(folder / "train/ant/photo.jpg", quality=95)
    sums = folder / "SHA256SUMS"  # among the data, and not one of them
    code, output, _ = jaxvision("data", "verify", folder, "--write-manifest", sums)
    assert code == 0 and "the sha256 of 25 files" in output
    assert jaxvision("data", "verify", folder, "--manifest", sums)[0] == 0
    content = bytearray((folder / "train/ant/photo.jpg").read_bytes())
    place = len(content) // 2
    content[place : place + 4] = bytes(x ^ 0x15 for x in content[place : place + 4])
    (folder / "train/ant/photo.jpg").write_bytes(content)
    (folder / "val/bee/17.png").rename(folder / "val/bee/18.png")
    assert jaxvision("data", "verify", folder)[0] == 0  # it decodes: nobody else can tell
    code, output, _ = jaxvision("data", "verify", folder, "--manifest", sums)
    assert code == 1 and "train/ant/photo.jpg  (is not what it was)" in output
    assert "val/bee/17.png  (is in the manifest only)" in output
    assert "val/bee/18.png  (is not in the manifest)" in output
    for wrong, message in (
        (sums, "SHA256SUMS exists"),
        (folder / "no/sums", "must be in a folder"),
    ):
        code, _, error = jaxvision("data", "verify", folder, "--write-manifest", wrong)
        assert code == 2 and message in error


def test_a_name_that_is_no_text_is_shown(jaxvision, folder):
    name = os.fsdecode(b"\xff\xfe.png")
    try:
        (folder / "train/ant" / name).write_bytes(b"")
    except OSError:
        pytest.skip("this file system has no such names")
    code, output, error = jaxvision("data", "verify", folder)
    assert (code, error) == (1, "") and r"\udcff\udcfe.png" in output
