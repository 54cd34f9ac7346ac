"""Image files in memory, those too that Pillow does not write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_CHANNELS = {"grey": (0, 1), "colour": (2, 3), "palette": (3, 1), "LA": (4, 2), "RGBA": (6, 4)}


def encode(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def raw_png(width, height, depth, color, rows, *chunks):
    """A PNG of a kind that Pillow does not write, by the specification (ISO/IEC 15948)."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = (("IHDR", header), *chunks, ("IDAT", zlib.compress(rows)), ("IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind.encode(), data) for kind, data in chunks)


def png(values, depth, kind, *chunks):
    """`raw_png` of values [h, w, c], each of `depth` bits."""
    color, channels = PNG_CHANNELS[kind]
    height, width, _ = values.shape
    assert values.shape[2] == channels
    numbers = values.reshape(height, -1).astype(np.int64)
    bits = (numbers[:, :, None] >> np.arange(depth)[::-1]) & 1  # the highest first
    packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)  # 0: no filter
    return raw_png(width, height, depth, color, rows, *chunks)


def with_orientation(image, form, orientation, **options):
    """A file whose EXIF tag says which of the eight ways up it is."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, form, exif=exif, **options)
