"""Every kind of image file becomes the same uint8 [h, w, c], or an error that says what to do."""

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from jaxvision.data.images import ImageError, decode_image, fit_image, read_image
from tests.data.image_files import encode, raw_png

RED, GREEN, BLUE, GREY = [200, 10, 30], [20, 180, 40], [0, 60, 255], [90, 90, 90]
RGB = np.array([[RED, GREEN, BLUE], [GREY, BLUE, RED]], np.uint8)
ENCODINGS = [
    ("PNG", {}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("BMP", {}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "jpeg"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("PPM", {}),
]
each_encoding = pytest.mark.parametrize(
    ("form", "options"), ENCODINGS, ids=[" ".join(map(str, (f, *o))) for f, o in ENCODINGS]
)


def grey_of(rgb):
    return np.dot(rgb.astype(float), [0.299, 0.587, 0.114])


def smooth_photo(height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 5, (x + y) * 2], axis=2).astype(np.uint8)


@each_encoding
def test_each_format_is_read(form, options, tmp_path):
    lossy = form in ("JPEG", "WEBP") or options.get("compression") == "jpeg"
    photo = smooth_photo()
    path = tmp_path / "photo.of-any-name"
    path.write_bytes(encode(Image.fromarray(photo), form, **options))
    image = read_image(path)
    tolerance = 0 if options.get("lossless") or not lossy else 24
    if form == "GIF":
        tolerance = 40  # 256 colours
    np.testing.assert_allclose(image.astype(int), photo, atol=tolerance)
    np.testing.assert_array_equal(decode_image(path.read_bytes()), image)
    grey = read_image(path, channels=1)
    assert grey.shape == (48, 64, 1)
    np.testing.assert_allclose(grey[..., 0], grey_of(image), atol=1)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_once(form, orientation):
    # TIFF 6.0 and EXIF 2.3: which side of the picture row 0 and column 0 of the file are.
    upright = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(RGB, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(Image.fromarray(RGB), form, exif=exif, **options)
    np.testing.assert_array_equal(decode_image(data), upright[orientation])


V16 = np.array([[0, 128, 129, 257, 1000, 40000, 65535]], np.uint16)
SIXTEEN_BITS = {
    "PNG": encode(Image.fromarray(V16)),
    "TIFF": encode(Image.fromarray(V16), "TIFF"),
    "big-endian TIFF": encode(
        Image.frombytes("I;16B", (7, 1), V16.astype(">u2").tobytes()), "TIFF"
    ),
    "PGM": b"P5 7 1 65535\n" + V16.astype(">u2").tobytes(),
}


@pytest.mark.parametrize("kind", SIXTEEN_BITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_scaled_not_clipped(kind, channels):
    image = decode_image(SIXTEEN_BITS[kind], channels)
    expected = np.repeat([[0, 0, 1, 1, 4, 156, 255]], channels).reshape(1, 7, channels)
    np.testing.assert_array_equal(image, expected)


def test_16_bit_colour_is_within_one_level():
    values = np.array([[[0, 257, 65535], [1000, 40000, 128]]], ">u2")
    image = decode_image(raw_png(2, 1, 16, 2, b"\0" + values.tobytes()))
    np.testing.assert_allclose(image, values / 257, atol=1)


def test_a_transparent_16_bit_grey_is_white():
    values = np.array([[0, 1000]], ">u2")
    transparent = ("tRNS", struct.pack(">H", 1000))
    image = decode_image(raw_png(2, 1, 16, 0, b"\0" + values.tobytes(), transparent), 1)
    np.testing.assert_array_equal(image[..., 0], [[0, 255]])


def palette_image():
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    return image


def rgba_image():
    return Image.fromarray(np.array([[[*RED, 255], [*GREEN, 0], [*BLUE, 51]]], np.uint8))


FADED_BLUE = [255 + (c - 255) * 0.2 for c in BLUE]  # 51 / 255 of blue, the rest white
WHITE = [255, 255, 255]
MODES = {
    "1 bit": (encode(Image.fromarray(np.array([[True, False]]))), [WHITE, [0, 0, 0]]),
    "grey": (encode(Image.fromarray(np.array([[0, 90]], np.uint8))), [[0, 0, 0], GREY]),
    "palette": (encode(palette_image()), [RED, GREEN, BLUE]),
    "palette with alpha": (
        encode(palette_image(), transparency=bytes([255, 0, 51])),
        [RED, WHITE, FADED_BLUE],
    ),
    "palette with one transparent colour": (
        encode(palette_image(), "GIF", transparency=1),
        [RED, WHITE, BLUE],
    ),
    "RGBA": (encode(rgba_image()), [RED, WHITE, FADED_BLUE]),
    "RGB with a transparent colour": (
        encode(Image.fromarray(RGB[:1]), transparency=tuple(GREEN)),
        [RED, WHITE, BLUE],
    ),
    "grey with alpha": (
        encode(Image.merge("LA", [Image.new("L", (1, 1), v) for v in (90, 51)])),
        [[222, 222, 222]],
    ),
    # (255 - ink) (255 - black) / 255, ink by ink
    "CMYK": (
        encode(Image.new("CMYK", (1, 1), (0, 255, 100, 51)), "TIFF"),
        [[204, 0, 155 * 204 / 255]],
    ),
    "CMYK JPEG": (
        encode(Image.new("CMYK", (8, 8), (0, 255, 100, 51)), "JPEG", quality=100),
        [[204, 0, 155 * 204 / 255]] * 8,
    ),
    "YCbCr": (encode(Image.new("YCbCr", (1, 1), (90, 128, 128)), "TIFF"), [GREY]),
}


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_becomes_rgb_and_grey(mode):
    data, row = MODES[mode]
    np.testing.assert_allclose(decode_image(data)[0], row, atol=1)
    np.testing.assert_allclose(decode_image(data, 1)[0, :, 0], grey_of(np.array(row)), atol=1)


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_an_animation_the_first_frame_is_read(form):
    frames = [Image.new("RGB", (4, 4), color) for color in ("black", "white")]
    data = encode(frames[0], form, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_image(data), np.zeros((4, 4, 3)))


@each_encoding
def test_a_file_cut_short_is_an_error(form, options, tmp_path):
    data = encode(Image.fromarray(smooth_photo()), form, **options)
    path = tmp_path / "cut.jpg"
    # The last bytes may hold nothing of the picture (a PNG's 16 do not): what is cut is more. Not
    # even Pillow's warnings, which tests elsewhere turn into errors, may be what finds it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for size in (*range(0, len(data) - 24, len(data) // 20), len(data) - 25):
            path.write_bytes(data[:size])
            with pytest.raises(ImageError, match=r"cut\.jpg: is (damaged|cut).*(copy|remove)"):
                read_image(path)


@each_encoding
def test_a_damaged_file_is_an_image_or_an_image_error(form, options):
    data = encode(Image.fromarray(smooth_photo(6, 8)), form, **options)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(60):
            damaged = bytearray(data)
            for place in rng.integers(0, min(len(data), rng.choice([60, 10_000])), 3):
                damaged[place] = rng.integers(256)
            try:
                # 1 MP: a size that the damage invents shall not cost the test its time
                assert decode_image(bytes(damaged), max_pixels=1_000_000).dtype == np.uint8
            except ImageError as error:
                assert str(error).startswith("image: ") and "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it is empty"),
        (b"my notes on cats", "it begins with b'my notes on '"),
        (b"\xff\xd8\xff and nothing", "it begins as JPEG does"),
        (b"<!DOCTYPE html>", "it is a web page (HTML)"),
    ],
)
def test_what_is_no_image_is_named(content, found, tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(path) in str(caught.value) and found in str(caught.value)
    assert "none of the formats PNG, JPEG" in str(caught.value)
    assert "Convert it to PNG or JPEG, or remove it." in str(caught.value)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_white_are_refused(mode):
    data = encode(Image.new(mode, (2, 2), 1), "TIFF")
    with pytest.raises(ImageError, match=r"x.tif: has (float.*|32-bit) pixels.*save it with 8 or"):
        decode_image(data, name="x.tif")


@pytest.mark.parametrize("side", [8_000, 12_000, 20_000])
def test_an_image_too_large_is_refused_before_it_is_decoded(side):
    # 20,000^2 pixels are beyond what Pillow opens, 12,000^2 beyond what it opens in silence.
    data = raw_png(side, side, 8, 0, b"\0")
    with pytest.raises(ImageError, match=r"big: is too large \(.*50000000\)\. Shrink it, or raise"):
        decode_image(data, name="big")


def test_the_limit_on_pixels_is_an_argument():
    data = encode(Image.fromarray(RGB))
    assert decode_image(data, max_pixels=6).shape == (2, 3, 3)
    with pytest.raises(ImageError, match=r"too large \(3 x 2 pixels; `max_pixels` is 5\)"):
        decode_image(data, max_pixels=5)
    with pytest.raises(ValueError, match=r"`max_pixels` must be in \[1, .*got 0\. Shrink"):
        decode_image(data, max_pixels=0)
    with pytest.raises(ValueError, match=r"`max_pixels` must be in .* Pillow's own limit"):
        decode_image(data, max_pixels=10**9)


def test_a_compressed_comment_does_not_fill_the_memory():
    text = ("zTXt", b"comment\0\0" + zlib.compress(bytes(20_000_000)))
    with pytest.raises(ImageError, match="Decompressed data too large"):
        decode_image(raw_png(1, 1, 8, 0, b"\0\0", text))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png: no such image file\. Check"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match=r"cannot be opened \(Is a directory\)\. Give a file"):
        read_image(tmp_path)


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match=r"`channels` must be 1 \(grey\) or 3 \(RGB\), got 4"):
        decode_image(encode(Image.fromarray(RGB)), channels=4)


def test_threads_read_the_same(tmp_path):
    for i, (form, options) in enumerate(ENCODINGS):
        (tmp_path / str(i)).write_bytes(encode(Image.fromarray(smooth_photo()), form, **options))
    paths = sorted(tmp_path.iterdir()) * 10
    with ThreadPoolExecutor(8) as threads:
        for image, path in zip(threads.map(read_image, paths), paths, strict=True):
            np.testing.assert_array_equal(image, read_image(path))


@pytest.mark.real_data
def test_real_photographs_are_read_as_pillow_reads_them(shared):
    paths = sorted((shared / "datasets" / "hymenoptera").rglob("*.jpg"))[::20]
    assert len(paths) > 15
    for path in paths:
        image = read_image(path)
        with Image.open(path) as reference:
            np.testing.assert_array_equal(image, np.asarray(reference.convert("RGB")))
        assert fit_image(image, 64, 64).shape == (64, 64, 3)
        # A thumbnail keeps the colours of the middle.
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        middle = image[top : top + side, left : left + side]
        np.testing.assert_allclose(
            fit_image(image, 64, 64).mean((0, 1)), middle.mean((0, 1)), atol=1.5
        )
