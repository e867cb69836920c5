"""Image files, read with everything that is written back.

Pixels are upright: EXIF orientation is applied. Pillow holds whatever it can; color of 16 bits,
which it would cut to 8, is a uint16 array that OpenCV reads. Files are untrusted (see
`data.decoding`).
"""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from madf_jax.data.decoding import (
    DECODING,
    ImageError,
    decode,
    opened,
    orientation,
    turn_upright,
    working_bytes,
)
from madf_jax.imaging.metadata import Metadata, read_metadata
from madf_jax.imaging.rasters import InMemory


@dataclasses.dataclass(frozen=True)
class StoredImage:
    """An image file in memory.

    Attributes:
        image: upright.
        file_format: a value of `FORMATS`.
        orientation: EXIF's number, by which the pixels in the file differ from `image`.
        metadata: what else it says.
    """

    image: InMemory
    file_format: str
    orientation: int
    metadata: Metadata


def read_image_file(path: Path) -> StoredImage:
    """Reads a still image.

    Raises:
        UserError: it is missing, no image, broken, an animation, or too large.
    """
    with opened(path, None) as image, DECODING.hold(working_bytes(image)):
        refuse_animation(image)
        # Neither can be seen any more once pixels were decoded.
        deep_mode, turned = _mode_of_16_bits(image), orientation(image)
        decoded = decode(image)
        metadata = read_metadata(decoded)
        if deep_mode:
            is_tiff = image.format == "TIFF"
            pixels: InMemory = _read_16_bit_color(path, deep_mode, is_tiff, turned)
        else:
            pixels = _with_whole_palette(_turn_upright(decoded))
        file_format = "JPEG" if image.format == "MPO" else str(image.format)
        if file_format == "WEBP" and _is_lossless_webp(path):
            metadata = dataclasses.replace(metadata, encoding={"lossless": True})
    return StoredImage(pixels, file_format, turned, metadata)


def refuse_animation(image: Image.Image) -> None:
    """Refuses an open file of which the first frame would not be all.

    Raises:
        ImageError: it is an animation or a document of several pages.
    """
    frames = getattr(image, "n_frames", 1)
    # A camera's JPEG may carry a preview or a depth map as further "frames".
    if frames == 1 or image.format in ("JPEG", "MPO"):
        return
    what = f"a document of {frames} pages" if image.format == "TIFF" else "an animation"
    raise ImageError(f"is {what}; give a still image")


def _mode_of_16_bits(image: Image.Image) -> str:
    """RGB, RGBA, LA or another mode if a file has color of 16 bits; otherwise ""."""
    if image.mode.startswith(("I", "F")):
        return ""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        if max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))) <= 8:
            return ""
        return image.mode
    if image.format != "PNG":
        return ""
    raw_mode = str(getattr(image, "tile")[0][3])  # noqa: B009 - Pillow's types hide it
    return raw_mode.split(";")[0] if ";16" in raw_mode else ""


def _read_16_bit_color(path: Path, mode: str, is_tiff: bool, turned: int) -> np.ndarray:
    """(H, W, C), uint16: RGB, RGBA, or gray with alpha."""
    pixels = None
    if mode in ("RGB", "RGBA", "LA"):
        flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ImageError("has color of 16 bits in a form that can't be read; use 8 bits")
    # OpenCV makes color of gray with alpha.
    order = [0, 3] if mode == "LA" else [2, 1, 0, 3][: pixels.shape[-1]]
    pixels = pixels[..., order]
    # OpenCV always turns a TIFF, whatever the flag says.
    return pixels if is_tiff else turn_upright(pixels, turned)


def _with_whole_palette(image: Image.Image) -> Image.Image:
    """With black for pixels beyond the palette; encoders would give them a color inside of it."""
    if image.mode == "P":
        palette = image.getpalette() or []
        missing = int(np.asarray(image).max()) + 1 - len(palette) // 3
        if missing > 0:
            image.putpalette([*palette, *[0] * (3 * missing)])
    return image


def _turn_upright(decoded: Image.Image) -> Image.Image:
    # Pillow has turned a TIFF already.
    return decoded.copy() if orientation(decoded) == 1 else ImageOps.exif_transpose(decoded)


def _is_lossless_webp(path: Path) -> bool:
    """The chunk that holds the pixels is named VP8L then, and VP8 otherwise."""
    with path.open("rb") as file:
        return b"VP8L" in file.read(1 << 16)
