"""One image or mask file in, one array out.

Every image is uint8 (H, W, 3) RGB, upright, over white. Every mask is uint8 (S, S, 1), 1 = known,
0 = hole. Files are untrusted: only four formats are tried, sizes are limited, and whatever a
decoder raises becomes one `UserError` that begins with the file's name.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from madf_jax.errors import UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MAX_PIXELS = 178_956_970  # Pillow's own bound for a decompression bomb
MASK_THRESHOLD = 127

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_READ_WHOLE = 64 * 2**20  # bytes
_END_OF_JPEG = b"\xff\xd9"
_AS_STORED = cv2.IMREAD_IGNORE_ORIENTATION
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}


def find_images(directory: Path) -> list[str]:
    """Names, relative to `directory`, of every image file below it.

    Args:
      directory: searched with all its subfolders; hidden files and folders are passed over, links
        to folders are not followed.

    Returns:
      Sorted names with forward slashes, so the order is the same on every machine.

    Raises:
      UserError: the folder is missing or holds no file with one of `EXTENSIONS`.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: there is no such folder of images")
    names, others = [], 0
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if file.lower().endswith(EXTENSIONS) and not file.startswith("."):
                names.append(Path(folder, file).relative_to(directory).as_posix())
            else:
                others += 1
    if not names:
        raise UserError(
            f"{directory}: no images found; looked in all subfolders for {' '.join(EXTENSIONS)} "
            f"and found {others} other files"
        )
    return sorted(names)


def digest(names: Sequence[str]) -> str:
    """Twelve hexadecimal digits that change with any name or with their order."""
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest()[:12]


def read_image(file: Path | BinaryIO, name: str | None = None, *, at_least: int = 0) -> np.ndarray:
    """Reads any image as RGB.

    EXIF orientation is applied, transparency is laid over white, 16-bit grayscale is scaled to
    8 bits (Pillow alone would clip it), and of an animation the first frame is taken.

    Args:
      file: a path, or an open binary file.
      name: what an error calls the image; the path by default.
      at_least: pixels; a JPEG may be decoded at a half, a quarter or an eighth of its size, many
        times faster, if its shorter side keeps so many. 0 keeps the size.

    Returns:
      uint8 (H, W, 3) in RGB, read-only.

    Raises:
      UserError: the file is missing, not an image, truncated, or larger than `MAX_PIXELS`.
    """
    with _opened(file, name) as image:
        pixels = _plain_jpeg(image, at_least)
        if pixels is not None:
            return pixels
        ImageOps.exif_transpose(image, in_place=True)
        return _rgb(image)


def image_size(file: Path | BinaryIO, name: str | None = None) -> tuple[int, int]:
    """Width and height as stored, from the header only; arguments and errors as `read_image`."""
    with _opened(file, name) as image:
        return image.size


def read_mask_file(
    file: Path | BinaryIO, *, hole: str, size: int, name: str | None = None
) -> np.ndarray:
    """Reads any image as a mask: gray, cut at `MASK_THRESHOLD`, resized by nearest neighbor.

    Args:
      file: a path, or an open binary file.
      hole: 'black' when black marks the hole, 'white' when white does.
      size: S, the side in pixels; other aspects are squashed to a square.
      name: what an error calls the mask; the path by default.

    Returns:
      uint8 (S, S, 1), 1 = known, 0 = hole.

    Raises:
      UserError: as `read_image`.
    """
    gray = np.asarray(Image.fromarray(read_image(file, name)).convert("L"))
    white = Image.fromarray((gray > MASK_THRESHOLD).astype(np.uint8))
    mask = np.array(white.resize((size, size), Image.Resampling.NEAREST))[..., None]
    return mask if hole == "black" else 1 - mask


@contextlib.contextmanager
def _opened(file: Path | BinaryIO, name: str | None) -> Iterator[Image.Image]:
    try:
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except Exception as error:  # broken files make decoders raise almost anything
        raise UserError(f"{name or file}: {_reason(error)}") from error


def _plain_jpeg(image: Image.Image, at_least: int) -> np.ndarray | None:
    """The pixels of an upright, complete RGB JPEG; None for everything else.

    OpenCV decodes them to the same numbers in three quarters of Pillow's time. What it would take
    for whole although it is not, and what needs more than decoding, is left to Pillow.
    """
    if image.format != "JPEG" or image.mode != "RGB":
        return None
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        return None
    file: BinaryIO = getattr(image, "fp")  # noqa: B009 - Pillow's types hide it
    file.seek(0)
    data = file.read(_READ_WHOLE)
    if not data.endswith(_END_OF_JPEG):
        return None
    fractions = [n for n in _REDUCED if at_least and min(image.size) // n >= at_least]
    encoded = np.frombuffer(data, np.uint8)
    if fractions:
        pixels = cv2.imdecode(encoded, _REDUCED[fractions[0]] | _AS_STORED)
        return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB | _AS_STORED)
    fits = pixels is not None and pixels.shape[:2] == image.size[::-1]
    return pixels if fits else None


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case UnidentifiedImageError():
            return "not a JPEG, PNG, WebP or BMP image"
        case Image.DecompressionBombError():
            return f"has more than {MAX_PIXELS} pixels"
    return "broken or truncated image (" + " ".join(str(error).split()) + ")"


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        gray = np.clip(np.asarray(image), 0, 65535).astype(np.uint32)
        return np.repeat(((gray + 128) // 257).astype(np.uint8)[..., None], 3, axis=-1)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
