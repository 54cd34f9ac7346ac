"""Golden files: every mode, depth, orientation and animation becomes the array that NumPy computes.

The files are made here, of blocks of one colour each; what is expected is computed from the blocks
by the rules in the module's docstring, never by Pillow. All are exact to one level of 255, but for
two of 16-bit colour with alpha.
"""

import numpy as np
import pytest
from PIL import Image

from jaxvision.data.images import ImageError, decode_image, read_image
from tests.data.image_files import encode, png, with_orientation

BLOCK = 8  # pixels: a JPEG compresses blocks of 8 x 8, so that those of one colour stay exact
RNG = np.random.default_rng(0)


def blocks(*levels):
    """Random values [24, 32, c] in blocks, below each channel's number of levels."""
    small = np.stack([RNG.integers(0, count, (3, 4)) for count in levels], axis=2)
    small[0, 0], small[2, 3] = 0, [count - 1 for count in levels]  # both ends
    return small.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


def image_of(values, mode):
    values = np.uint8(values)
    return Image.frombytes(mode, (values.shape[1], values.shape[0]), values.tobytes())


def scaled(values, depth):
    return values * (255 / (2**depth - 1))


def over_white(colour, alpha):
    return colour * alpha / 255 + 255 - alpha


def coloured(values):
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


GREY, RGB, LA, RGBA, CMYK = (blocks(*[256] * n) for n in (1, 3, 2, 4, 4))
BIT, INDEX, PALETTE = blocks(2), blocks(16), RNG.integers(0, 256, (16, 3))
YCBCR = np.add(blocks(256, 1, 1), [0, 120, 140])
WIDE = [blocks(*[65536] * n) for n in (1, 2, 3, 4)]
FROM_CMYK = (255 - CMYK[..., :3]) * (255 - CMYK[..., 3:]) / 255
SHADES = dict(enumerate(RNG.permutation(256)[:16]))  # of alpha, by the palette's index
ALPHA = np.vectorize(SHADES.get)(INDEX)


def from_ycbcr(values):
    """JFIF 1.02, cut to what a byte holds."""
    y, b, r = np.moveaxis(values.astype(float), 2, 0)
    rgb = [
        y + 1.402 * (r - 128),
        y - 0.344136 * (b - 128) - 0.714136 * (r - 128),
        y + 1.772 * (b - 128),
    ]
    return np.clip(np.stack(rgb, axis=2), 0, 255)


def with_palette(values, colours):
    image = image_of(values, "P")
    image.putpalette(np.uint8(colours).tobytes())
    return image


def words(*values):
    return np.array(values, ">u2").tobytes()


def pngs():
    """Every kind of the specification, by hand."""
    for depth in (1, 2, 4, 8, 16):
        values = blocks(2**depth)
        yield f"PNG grey {depth}", png(values, depth, "grey"), scaled(values, depth)
    for depth in (1, 2, 4, 8):
        index = blocks(min(2**depth, 16))
        chunk = ("PLTE", np.uint8(PALETTE[: min(2**depth, 16)]).tobytes())
        yield f"PNG palette {depth}", png(index, depth, "palette", chunk), PALETTE[index[..., 0]]
    for depth, grey, la, rgb, rgba in ((8, GREY, LA, RGB, RGBA), (16, *WIDE)):
        yield f"PNG colour {depth}", png(rgb, depth, "colour"), scaled(rgb, depth)
        for kind, values in (("LA", la), ("RGBA", rgba)):
            of_255 = scaled(values, depth)
            expected = over_white(of_255[..., :-1], of_255[..., -1:])
            yield f"PNG {kind} {depth}", png(values, depth, kind), expected
        key = grey[0, 0]
        expected = np.where(grey == key, 255, scaled(grey, depth))
        data = png(grey, depth, "grey", ("tRNS", words(*key)))
        yield f"PNG grey {depth}, one transparent", data, expected
    expected = np.where((RGB[0, 0] == RGB).all(2, keepdims=True), 255, RGB)
    data = png(RGB, 8, "colour", ("tRNS", words(*RGB[0, 0])))
    yield "PNG colour 8, one transparent", data, expected
    chunks = (
        ("PLTE", np.uint8(PALETTE).tobytes()),
        ("tRNS", np.uint8(list(SHADES.values())).tobytes()),
    )
    expected = over_white(PALETTE[INDEX[..., 0]], ALPHA)
    yield "PNG palette 4 with alpha", png(INDEX, 4, "palette", *chunks), expected


def modes():
    """What Pillow writes in each mode."""
    black = 255 * BIT
    bit = image_of(black, "L").convert("1", dither=Image.Dither.NONE)
    grey, rgb, rgba = image_of(GREY, "L"), image_of(RGB, "RGB"), image_of(RGBA, "RGBA")
    la, cmyk, ycbcr = image_of(LA, "LA"), image_of(CMYK, "CMYK"), image_of(YCBCR, "YCbCr")
    exact = {"quality": 100, "subsampling": 0}
    for form in ("BMP", "PPM", "TIFF"):
        yield f"{form} 1", encode(bit, form), black
        yield f"{form} L", encode(grey, form), GREY
        yield f"{form} RGB", encode(rgb, form), RGB
    for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"TIFF RGB {packing}", encode(rgb, "TIFF", compression=packing), RGB
    yield "TIFF 1 group4", encode(bit, "TIFF", compression="group4"), black
    yield "TIFF LA", encode(la, "TIFF"), over_white(LA[..., :1], LA[..., 1:])
    yield "TIFF RGBA", encode(rgba, "TIFF"), over_white(RGBA[..., :3], RGBA[..., 3:])
    yield "TIFF CMYK", encode(cmyk, "TIFF"), FROM_CMYK
    yield "TIFF YCbCr", encode(ycbcr, "TIFF"), from_ycbcr(YCBCR)
    yield "TIFF P", encode(with_palette(INDEX, PALETTE), "TIFF"), PALETTE[INDEX[..., 0]]
    yield "BMP P", encode(with_palette(INDEX, PALETTE), "BMP"), PALETTE[INDEX[..., 0]]
    yield "GIF P", encode(with_palette(INDEX, PALETTE), "GIF"), PALETTE[INDEX[..., 0]]
    yield "GIF L", encode(grey, "GIF"), GREY
    data = encode(with_palette(INDEX, PALETTE), "GIF", transparency=int(INDEX[0, 0, 0]))
    yield "GIF one transparent", data, np.where(INDEX[0, 0] == INDEX, 255, PALETTE[INDEX[..., 0]])
    yield "JPEG L", encode(grey, "JPEG", **exact), GREY
    yield "JPEG RGB", encode(rgb, "JPEG", **exact), RGB
    yield "JPEG progressive", encode(rgb, "JPEG", progressive=True, **exact), RGB
    yield "JPEG without YCbCr", encode(rgb, "JPEG", keep_rgb=True, **exact), RGB
    yield "JPEG YCbCr", encode(ycbcr, "JPEG", **exact), from_ycbcr(YCBCR)
    yield "JPEG CMYK", encode(cmyk, "JPEG", quality=100), FROM_CMYK
    yield "WEBP RGB", encode(rgb, "WEBP", lossless=True), RGB
    data = encode(rgba, "WEBP", lossless=True, exact=True)
    yield "WEBP RGBA", data, over_white(RGBA[..., :3], RGBA[..., 3:])


def wide():
    """16 bits, beside the PNGs."""
    (grey, _, rgb, _), (h, w) = WIDE, WIDE[0].shape[:2]
    expected = scaled(grey, 16)
    little, big = grey.astype("<u2").tobytes(), grey.astype(">u2").tobytes()
    yield "TIFF 16", encode(Image.frombytes("I;16", (w, h), little), "TIFF"), expected
    yield "TIFF 16 big-endian", encode(Image.frombytes("I;16B", (w, h), big), "TIFF"), expected
    yield "PGM 16", b"P5 %d %d 65535\n" % (w, h) + big, expected
    yield "PPM 16", b"P6 %d %d 65535\n" % (w, h) + rgb.astype(">u2").tobytes(), scaled(rgb, 16)
    levels = blocks(1001)  # a white of its own
    data = b"P5 %d %d 1000\n" % (w, h) + levels.astype(">u2").tobytes()
    yield "PGM to 1000", data, levels * (255 / 1000)


def texts():
    """Netpbm's plain formats, and a maximum that is no power of two."""
    h, w = BIT.shape[:2]
    yield "PBM plain", b"P1 %d %d\n" % (w, h) + _text(1 - BIT), 255 * BIT
    yield "PGM plain", b"P2 %d %d 255\n" % (w, h) + _text(GREY), GREY
    yield "PPM plain", b"P3 # a comment\n%d %d 255\n" % (w, h) + _text(RGB), RGB
    yield "PGM to 15", b"P5 %d %d 15\n" % (w, h) + np.uint8(INDEX).tobytes(), INDEX * 17


def _text(values):
    return " ".join(map(str, values.ravel().tolist())).encode()


def turned(values, orientation):
    """EXIF 2.3: which side of the picture the file's row 0 and column 0 are."""
    return {
        1: values,
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: values.swapaxes(0, 1),
        6: np.rot90(values, -1),
        7: values[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(values),
    }[orientation]


def orientations():
    rgba = over_white(RGBA[..., :3], RGBA[..., 3:])
    h, w = GREY.shape[:2]
    sixteen = Image.frombytes("I;16", (w, h), WIDE[0].astype("<u2").tobytes())
    files = {
        "JPEG RGB": (image_of(RGB, "RGB"), RGB, {"quality": 100, "subsampling": 0}),
        "JPEG L": (image_of(GREY, "L"), GREY, {"quality": 100}),
        "JPEG CMYK": (image_of(CMYK, "CMYK"), FROM_CMYK, {"quality": 100}),
        "PNG RGBA": (image_of(RGBA, "RGBA"), rgba, {}),
        "PNG P": (with_palette(INDEX, PALETTE), PALETTE[INDEX[..., 0]], {}),
        "PNG 16": (sixteen, scaled(WIDE[0], 16), {}),
        "TIFF RGB": (image_of(RGB, "RGB"), RGB, {}),
        "WEBP RGB": (image_of(RGB, "RGB"), RGB, {"lossless": True}),
    }
    for name, (image, expected, options) in files.items():
        for orientation in range(1, 9):
            data = with_orientation(image, name.split()[0], orientation, **options)
            yield f"{name} orientation {orientation}", data, turned(expected, orientation)


def animations():
    first, second = RGB, 255 - RGB
    frames = [image_of(values, "RGB") for values in (first, second)]
    moving = {"save_all": True, "append_images": frames[1:]}
    for form in ("PNG", "TIFF"):
        yield f"{form} of two frames", encode(frames[0], form, **moving), first
    yield "WEBP of two frames", encode(frames[0], "WEBP", lossless=True, **moving), first
    frames = [with_palette(INDEX, colours) for colours in (PALETTE, 255 - PALETTE)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "GIF of two frames", data, PALETTE[INDEX[..., 0]]


MAKERS = (pngs, modes, wide, texts, orientations, animations)
GOLDEN = {name: (data, expected) for make in MAKERS for name, data, expected in make()}


def test_there_are_enough_of_them():
    assert len(GOLDEN) >= 60 and sum("orientation" in name for name in GOLDEN) == 64


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_file_becomes_what_numpy_computes(name):
    data, expected = GOLDEN[name]
    rgb, tolerance = coloured(expected), 2 if name in ("PNG RGBA 16", "PNG LA 16") else 1
    np.testing.assert_allclose(decode_image(data).astype(float), rgb, atol=tolerance)
    grey = expected if expected.shape[2] == 1 else rgb @ np.array([[0.299], [0.587], [0.114]])
    np.testing.assert_allclose(decode_image(data, 1).astype(float), grey, atol=tolerance)


def fits():
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "END"]
    return "".join(card.ljust(80) for card in cards).encode().ljust(2880)


RGB_IMAGE = image_of(RGB, "RGB")
REFUSED = {
    "EPS": (encode(RGB_IMAGE, "EPS"), r"it is PostScript \(EPS\)"),
    "PDF": (encode(RGB_IMAGE, "PDF"), "it is PDF"),
    "PSD": (b"8BPS\0\1" + bytes(40), r"it is a Photoshop file \(PSD\)"),
    "FITS": (fits(), "it is FITS"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is SVG"),
    "SVG with a head": (b"<?xml version='1.0'?>\n<!-- a cat -->\n<svg/>", "it is SVG"),
    "ICO": (encode(RGB_IMAGE, "ICO"), r"it is a Windows icon \(ICO\)"),
    "ICNS": (encode(RGB_IMAGE.resize((16, 16)), "ICNS"), r"it is an Apple icon \(ICNS\)"),
    "JPEG 2000": (encode(RGB_IMAGE, "JPEG2000"), "it is JPEG 2000"),
    "AVIF": (encode(RGB_IMAGE, "AVIF"), "it is AVIF"),
    "DDS": (encode(RGB_IMAGE, "DDS"), r"it is a DirectDraw surface \(DDS\)"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(20), "it is HEIC"),
    "video": (b"\0\0\0\x18ftypisom" + bytes(20), "it is a video"),
    "HTML": (b"\n<!DOCTYPE html><html>", "it is a web page"),
    "zip": (b"PK\3\4" + bytes(30), "it is a zip archive"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "it is a pointer of Git LFS"),
    "TGA, which has no beginning": (encode(RGB_IMAGE, "TGA"), "it begins with b"),
    "float": (encode(Image.new("F", (2, 2), np.nan), "TIFF"), "floating-point pixels.*save it"),
    "grey float map": (b"Pf\n1 1\n-1\n" + bytes(4), "floating-point pixels"),
    "float map": (b"PF\n1 1\n-1\n" + bytes(12), r"it is a float map \(PFM\)"),
    "32 bits": (encode(Image.new("I", (2, 2), 70_000), "TIFF"), "32-bit pixels.*Scale it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named_whatever_it_is_called(name, tmp_path):
    data, found = REFUSED[name]
    path = tmp_path / "cat.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=rf"cat\.jpg: .*{found}") as caught:
        read_image(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
