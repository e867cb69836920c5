"""One image file in, one array out: uint8 (H, W, 3) RGB, upright, over white."""

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from madf_jax.data.decoding import (
    DECODING,
    PIXELS_AT_ONCE,
    ImageError,
    decode,
    opened,
    orientation,
    turn_upright,
    working_bytes,
)

_READ_WHOLE = 64 * 2**20  # bytes
_END_OF_JPEG = b"\xff\xd9"
_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def read_image(file: Path | BinaryIO, name: str | None = None, *, at_least: int = 0) -> np.ndarray:
    """Reads any image as RGB.

    The EXIF orientation is applied, transparent images are composited over white, 16-bit grayscale
    is scaled to 8 bits (Pillow alone would clip it), and an animation yields its first frame.

    Args:
        file: a path, or an open binary file.
        name: of the image in errors; the path by default.
        at_least: pixels; a JPEG may be decoded at a half, a quarter or an eighth of its size, which
            is many times faster, if its shorter side keeps at least this many. 0 keeps the size.

    Returns:
        uint8 (H, W, 3) in RGB, read-only.

    Raises:
        UserError: as `decoding.opened`.
    """
    with opened(file, name) as image:
        pixels = _plain_jpeg(image, at_least)
        if pixels is None:
            with DECODING.hold(working_bytes(image)):
                pixels = _rgb(decode(image))
    pixels.flags.writeable = False
    return pixels


def image_size(file: Path | BinaryIO, name: str | None = None) -> tuple[int, int]:
    """Width and height as stored, from the header only; arguments and errors as `read_image`."""
    with opened(file, name) as image:
        return image.size


def _plain_jpeg(image: Image.Image, at_least: int) -> np.ndarray | None:
    """The pixels of a complete RGB JPEG that is stored upright; None for everything else.

    OpenCV decodes to the same values as Pillow in three quarters of the time, but it accepts
    truncated files; those, and images that need more than decoding, are left to Pillow.
    """
    if image.format != "JPEG" or image.mode != "RGB" or orientation(image) != 1:
        return None
    file: BinaryIO = getattr(image, "fp")  # noqa: B009 - Pillow's types hide it
    file.seek(0)
    data = file.read(_READ_WHOLE)
    if not data.endswith(_END_OF_JPEG):
        return None
    fraction = next((n for n in _REDUCED if at_least and min(image.size) // n >= at_least), 1)
    with DECODING.hold(working_bytes(image, fraction)):
        return _decode_jpeg(np.frombuffer(data, np.uint8), image.size, fraction)


def _decode_jpeg(encoded: np.ndarray, size: tuple[int, int], fraction: int) -> np.ndarray | None:
    try:
        if fraction > 1:
            pixels = cv2.imdecode(encoded, _REDUCED[fraction] | _AS_STORED)
            return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB | _AS_STORED)
    except cv2.error:  # also when out of memory, which Pillow then reports
        return None
    fits = pixels is not None and pixels.shape[:2] == size[::-1]
    return pixels if fits else None


def _rgb(image: Image.Image) -> np.ndarray:
    """Upright RGB pixels of a decoded image, converted in parts."""
    width, height = image.size
    rows = max(1, PIXELS_AT_ONCE // width)
    if rows >= height:
        stored = _convert(image)
    else:
        stored = np.empty((height, width, 3), np.uint8)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            stored[top:bottom] = _convert(image.crop((0, top, width, bottom)))
    return np.ascontiguousarray(turn_upright(stored, orientation(image)))


def _convert(image: Image.Image) -> np.ndarray:
    if image.mode == "F":
        raise ImageError("has floating-point pixels of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        gray = np.clip(np.asarray(image), 0, 65535).astype(np.uint32)
        return np.repeat(((gray + 128) // 257).astype(np.uint8)[..., None], 3, axis=-1)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
