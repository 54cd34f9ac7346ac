"""`jaxvision filter`: what it writes, what it never writes over, and a line for what is wrong."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage


@pytest.fixture
def colour(tmp_path):
    """A picture of smooth colours with an edge: (its file, its pixels)."""
    rows, columns = np.mgrid[:20, :30]
    pixels = np.stack([8 * columns, 12 * rows, 255 * (columns > 14)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "colour.png")
    return tmp_path / "colour.png", pixels


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def by_scipy(pixels, filtered):
    planes = [filtered(np.float64(plane)) for plane in np.moveaxis(pixels, 2, 0)]
    return np.clip(np.rint(np.stack(planes, axis=2)), 0, 255)


EXPECTED = {
    ("gaussian", "--sigma", "2"): lambda p: ndimage.gaussian_filter(p, 2, mode="nearest"),
    ("box", "--size", "5"): lambda p: ndimage.uniform_filter(p, 5, mode="nearest"),
    ("binomial",): lambda p: ndimage.convolve(
        p, np.outer([1, 2, 1], [1, 2, 1]) / 16, mode="nearest"
    ),
    ("laplacian4",): lambda p: 127.5 + ndimage.laplace(p, mode="nearest") / 8,
    ("laplacian8",): lambda p: (
        127.5 + ndimage.correlate(p, 1 - 9 * np.eye(9)[4].reshape(3, 3), mode="nearest") / 16
    ),
    ("sobel_x", "--amount", "3"): lambda p: 127.5 + 3 * ndimage.sobel(p, 1, mode="nearest") / 8,
    ("sobel_y",): lambda p: 127.5 + ndimage.sobel(p, 0, mode="nearest") / 8,
    ("sobel",): lambda p: (
        np.hypot(*(ndimage.sobel(p, axis, mode="nearest") for axis in (0, 1))) / 20**0.5
    ),
    ("sobel", "--amount", "2"): lambda p: (
        np.hypot(*(ndimage.sobel(p, axis, mode="nearest") for axis in (0, 1))) / 5**0.5
    ),
    ("sharpen", "--amount", "0.5"): lambda p: p - 0.5 * ndimage.laplace(p, mode="nearest"),
    ("unsharp", "--sigma", "1.5", "--amount", "2"): lambda p: (
        3 * p - 2 * ndimage.gaussian_filter(p, 1.5, mode="nearest")
    ),
}


@pytest.mark.parametrize("options", EXPECTED, ids=" ".join)
def test_every_kernel_is_scipys(jaxvision, colour, options):
    path, pixels = colour
    code, output, error = jaxvision("filter", path, "--kernel", *options, "-o", "out.png")
    assert code == 0, error
    assert "out.png" in output and "30 x 20 pixels" in output
    found, expected = read("out.png"), by_scipy(pixels, EXPECTED[options])
    assert np.abs(found - expected).max() <= 1  # rounded in fewer digits
    assert (found == expected).mean() > 0.9
    assert found.std() > 1


def test_sharpening_says_how_much_was_clipped(jaxvision, tmp_path):
    Image.fromarray(np.repeat(np.uint8([[0, 255]]), 5, axis=1)).save("a.png")
    _, output, _ = jaxvision("filter", "a.png", "--kernel", "sharpen", "--amount", "0")
    assert "a-sharpen.png" in output and "0.0 % of the values cut off" in output
    _, output, _ = jaxvision("filter", "a.png", "--kernel", "sharpen")
    assert "a-sharpen-2.png" in output and "20.0 % of the values cut off" in output
    np.testing.assert_array_equal(read("a-sharpen-2.png"), read("a.png"))


def test_grey_stays_grey_and_sides_that_are_up_are_up(jaxvision, tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(pixels).save("grey.png", exif=exif)
    code, _, error = jaxvision(
        "filter", "grey.png", "--kernel", "box", "--size", "1", "-o", "o.png"
    )
    assert code == 0, error
    np.testing.assert_array_equal(read("o.png"), np.rot90(pixels, -1))


def test_transparency_is_laid_over_white(jaxvision, tmp_path):
    Image.fromarray(np.zeros((4, 5, 4), np.uint8)).save("clear.png")
    code, _, error = jaxvision("filter", "clear.png", "--kernel", "gaussian", "-o", "out.png")
    assert code == 0, error
    assert (read("out.png") == 255).all()


def test_never_writes_over_what_it_reads_and_others_only_if_told(jaxvision, colour):
    path, _ = colour
    before = path.read_bytes()
    blur = ("filter", path, "--kernel", "gaussian", "-o")
    for force in ((), ("--force",)):
        code, _, error = jaxvision(*blur, path, *force)
        assert code == 2 and "is one of the files to read" in error
    path.with_name("link.png").symlink_to(path)
    code, _, error = jaxvision(*blur, "link.png", "--force")
    assert code == 2 and path.read_bytes() == before
    assert jaxvision(*blur, "out.png")[0] == 0
    code, _, error = jaxvision(*blur, "out.png")
    assert code == 2 and "replace it by --force" in error
    assert jaxvision(*blur, "out.png", "--force")[0] == 0
    assert path.read_bytes() == before


def test_what_cannot_be_written_leaves_what_was_there(jaxvision, colour, monkeypatch):
    path, _ = colour
    out = path.with_name("out.png")
    out.write_bytes(b"before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    code, _, error = jaxvision("filter", path, "--kernel", "box", "-o", out, "--force")
    assert code == 1 and "No space left" in error
    assert out.read_bytes() == b"before"
    assert sorted(file.name for file in path.parent.iterdir()) == ["colour.png", "out.png"]


def test_help_names_the_kernels(jaxvision):
    code, output, _ = jaxvision("filter", "--help")
    assert code == 0
    assert all(name in output for name in ("gaussian", "laplacian8", "--sigma", "unsharp", "-o"))
    assert "filter" in jaxvision("--help")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("box", "--sigma", "2"), "`--sigma` has no use with `--kernel box`, but with gaussian"),
        (("gaussian", "--amount", "2"), "`--amount` has no use with `--kernel gaussian`"),
        (("sobel", "--size", "3"), "`--size` has no use with `--kernel sobel`"),
        (("gaussian", "--sigma", "0"), "`--sigma` must be above 0, got 0.0"),
        (("gaussian", "--sigma", "nan"), "`--sigma` must be above 0, got nan"),
        (("gaussian", "--sigma", "1e300"), "must be at most 61 for a picture with a side of 30"),
        (("gaussian", "--sigma", "7.7"), "must be at most 61"),
        (("box", "--size", "63"), "must be at most 61 for a picture with a side of 30, got 63"),
        (("box", "--size", "4"), "`--size` must be an odd number from 1 on, got 4"),
        (("unsharp", "--amount", "-1"), "`--amount` must be in [0, 1000], got -1.0"),
        (("sobel", "--amount", "1e40"), "`--amount` must be in [0, 1000], got 1e+40"),
        (("box", "--out", "a.gif"), "`--out` must end in .png, .jpg, .jpeg, .webp, got a.gif"),
        (("box", "--out", "nowhere/a.png"), "the folder of nowhere/a.png does not exist"),
    ],
)
def test_wrong_usage_is_one_line(jaxvision, colour, options, message):
    path, _ = colour
    code, _, error = jaxvision("filter", path, "--kernel", *options)
    assert code == 2 and message in error and error.count("\n") == 1
    assert [file.name for file in path.parent.iterdir()] == ["colour.png"]


def test_broken_and_absent_pictures_are_named(jaxvision, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    for name in ("broken.png", "absent.png"):
        code, _, error = jaxvision("filter", name, "--kernel", "box")
        assert code == 2 and name in error and error.count("\n") == 1


def test_an_unknown_kernel_is_answered_with_those_there_are(jaxvision, colour):
    code, _, error = jaxvision("filter", colour[0], "--kernel", "gauss")
    assert code == 2 and "gaussian" in error
