"""Image files as untrusted input.

Only five formats are tried, sizes are checked in the header, all threads share one memory budget,
and whatever a decoder raises becomes a one-line error that starts with the file's name.
"""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from madf_jax.data.foreign_formats import why_not_read
from madf_jax.data.metadata import MOST_BYTES, can_strip, without_metadata
from madf_jax.errors import UserError
from madf_jax.memory import MemoryBudget

EXTENSIONS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 178_956_970  # Pillow's own bound for a decompression bomb
# Shared by all threads that decode. An image that needs more is decoded alone.
DECODING = MemoryBudget(2**30)
PIXELS_AT_ONCE = 2**20  # converted to RGB in one go; more would double the memory of large images

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
# Bytes per pixel while an image is decoded and converted to an RGB array, measured.
_BYTES_PER_PIXEL = {"WEBP": 19}
_BYTES_PER_PIXEL_OF_OTHERS = 11
_CONVERSION_BYTES = 16  # in addition, for the pixels that are being converted
_PROGRESSIVE_BYTES = 6  # in addition, for the coefficients of a progressive JPEG

# About metadata, which is not used here, and about sizes from half of MAX_PIXELS on.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(UserError):
    """A file can't be used as an image, and the reason lies in the file itself."""


@contextlib.contextmanager
def opened(file: Path | BinaryIO, name: str | None) -> Iterator[Image.Image]:
    """Opens an image and reads its header, not its pixels.

    Args:
        file: a path, or an open binary file.
        name: of the image in errors; the path by default.

    Raises:
        ImageError: the file is missing, unreadable, not an image, truncated or larger than
            `MAX_PIXELS`. Errors that decoders raise inside the `with` block are converted, too.
        UserError: out of memory.
    """
    shown = name or str(file)
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(file, str | os.PathLike):
                file = stack.enter_context(_open_regular(Path(file)))
            yield _identify(file)
    except UserError as error:
        raise type(error)(f"{shown}: {Exception.__str__(error)}") from None
    except Exception as error:  # broken files make decoders raise almost anything
        if _is_out_of_memory(error):
            raise UserError(f"{shown}: out of memory while decoding it") from None
        raise ImageError(f"{shown}: {_reason(error)}") from error


def decode(image: Image.Image) -> Image.Image:
    """Decodes an `opened` image in its own mode and as it is stored, not turned upright.

    Metadata that makes the decoder fail is dropped. 0 is black also where a TIFF says otherwise.
    The caller holds `working_bytes` of `DECODING`.

    Raises:
        ImageError: Pillow would decode it to noise.
    """
    _refuse_deep_planes(image)
    stream: BinaryIO = getattr(image, "fp")  # noqa: B009 - Pillow's types hide it
    try:
        image.load()
    except Exception as error:
        if _is_out_of_memory(error):
            raise
        image = _identify_bare(stream, error)
        image.load()
    _invert_where_0_is_white(image)
    return image


def working_bytes(image: Image.Image, fraction: int = 1) -> int:
    """Upper bound on the memory needed to decode an `opened` image and convert it to RGB.

    Args:
        image: only its header is used.
        fraction: 2, 4 or 8 if it is decoded at a half, a quarter or an eighth of its size.
    """
    each = _BYTES_PER_PIXEL.get(image.format or "", _BYTES_PER_PIXEL_OF_OTHERS) / fraction**2
    if image.info.get("progressive"):
        each += _PROGRESSIVE_BYTES
    pixels = image.width * image.height
    return int(each * pixels) + _CONVERSION_BYTES * min(pixels, PIXELS_AT_ONCE)


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8, of a decoded image or of a JPEG whose header was read.

    1, that is upright, if the EXIF data can't be parsed: the pixels are used all the same.
    """
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
        return found if found in _UPRIGHT else 1
    except MemoryError:
        raise
    except Exception:  # EXIF parsers raise almost anything, too
        return 1


def turn_upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """A view of stored pixels (H, W, ...) with the top of the image at the top."""
    return _UPRIGHT[orientation](stored)


_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}


def _open_regular(path: Path) -> BinaryIO:
    """Opening a FIFO would wait for a writer, and opening a device may have side effects."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "a FIFO, socket or device"
        raise ImageError(f"is {kind}, not a regular file")
    return path.open("rb")


def _identify(stream: BinaryIO) -> Image.Image:
    try:
        image: Image.Image = Image.open(stream, formats=_FORMATS)
    except (MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        image = _identify_bare(stream, error)
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    return image


def _identify_bare(stream: BinaryIO, error: Exception) -> Image.Image:
    """Opens the image without its metadata; if there is none to drop, raises what is wrong."""
    stream.seek(0)
    encoded = stream.read(16)
    if isinstance(error, UnidentifiedImageError) and not can_strip(encoded):
        raise ImageError(why_not_read(encoded)) from None
    if can_strip(encoded):  # nothing else is worth reading whole
        encoded += stream.read(MOST_BYTES)
    if not can_strip(encoded) or len(encoded) > MOST_BYTES:
        raise error
    try:
        return Image.open(io.BytesIO(without_metadata(encoded)), formats=_FORMATS)
    except UnidentifiedImageError:
        raise OSError("damaged header") from error


def _refuse_deep_planes(image: Image.Image) -> None:
    """Pillow takes the planes of a TIFF of more than 8 bits for those of 8."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    is_deep = max(tags.get(ExifTags.Base.BitsPerSample, (1,))) > 8
    if is_deep and tags.get(ExifTags.Base.PlanarConfiguration) == 2 and len(image.getbands()) > 1:
        raise ImageError("has 16-bit colors in separate planes; save it with interleaved ones")


def _invert_where_0_is_white(image: Image.Image) -> None:
    """For a TIFF of 8 bits, Pillow does so itself; for 16 bits it does not."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or not image.mode.startswith("I;16"):
        return
    if image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == 0:
        pixels = np.asarray(image)
        image.frombytes((65535 - pixels).astype(pixels.dtype).tobytes())


def _is_out_of_memory(error: Exception) -> bool:
    # Pillow's decoders report it as an OSError without a number.
    return isinstance(error, MemoryError) or str(error).startswith("out of memory")


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case UnidentifiedImageError():
            return "damaged header"
        case Image.DecompressionBombError():
            return f"has more than {MAX_PIXELS} pixels"
        case OSError(strerror=str(reason)):
            return reason
    detail = " ".join(str(error).split()) or type(error).__name__
    return f"broken or truncated image ({detail})"
