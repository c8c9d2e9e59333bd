"""The 1,797 handwritten digits that scikit-learn ships (Alpaydin and Kaynak 1998): 8x8 pixels, 17 levels of grey."""

import base64
import struct
import zlib
from collections.abc import Iterator
from typing import Any

SCALE = 4


def documents() -> Iterator[dict[str, Any]]:
    """A document per digit: what it shows, a thumbnail as a data URI, and its 64 pixels as the vector."""
    # Imported where it works: the command line shall not load scikit-learn to print its help.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    pixels, digits = load_digits(return_X_y=True)
    for number, (row, digit) in enumerate(zip(pixels, digits, strict=True)):
        yield {
            "document_id": f"digit-{number:04}",
            "metadata": {"digit": int(digit), "thumbnail": thumbnail(row.tolist())},
            "vectors": {"bring_your_own": row.tolist()},
        }


def thumbnail(pixels: list[float]) -> str:
    """The 64 pixels (0..16) as a PNG data URI, dark on light, each pixel SCALE points wide."""
    side = 8 * SCALE
    lines = []
    for y in range(8):
        grey = bytes(255 - min(255, int(value * 16)) for value in pixels[8 * y : 8 * y + 8] for _ in range(SCALE))
        lines += [b"\x00" + grey] * SCALE
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(b"".join(lines), 9)), _chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file (ISO/IEC 15948, section 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
