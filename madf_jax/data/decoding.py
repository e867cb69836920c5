"""Files of images as untrusted input: what may be opened, and how much is decoded at a time.

Only five formats are tried, sizes are judged from headers, memory is shared by all threads, and
whatever a decoder raises becomes one line that begins with the file's name.
"""

import contextlib
import io
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from madf_jax.data.metadata import without_metadata
from madf_jax.errors import UserError
from madf_jax.memory import MemoryBudget

EXTENSIONS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 178_956_970  # Pillow's own bound for a decompression bomb
# For all threads that decode, together; the largest image allowed takes more and is alone then.
DECODING = MemoryBudget(2**30)

PIXELS_AT_ONCE = 2**20  # that are converted to RGB: more would double the memory of large images

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
# Bytes for each pixel while an image is decoded and made an RGB array, measured.
_WORKING_BYTES = {"WEBP": 19}
_MOST_WORKING_BYTES = 11
_CONVERTED_BYTES = 16  # the same, of the part that is being converted
_PROGRESSIVE_BYTES = 6  # the same, for coefficients of a JPEG that comes in several scans

# Of metadata, which is not used, and of sizes above half of MAX_PIXELS.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(UserError):
    """One file can't be used as an image, for a reason that lies in this file."""


@contextlib.contextmanager
def opened(file: Path | BinaryIO, name: str | None) -> Iterator[Image.Image]:
    """An image whose header is read and whose pixels are not.

    Args:
        file: a path, or an open binary file.
        name: what an error calls the image; the path by default.

    Raises:
        ImageError: the file is missing, can't be read, is no image, is truncated or larger than
            `MAX_PIXELS`; also for what decoders raise inside of `with`.
        UserError: memory does not suffice.
    """
    shown = name or str(file)
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(file, Path):
                file = stack.enter_context(_open_regular(file))
            yield _identify(file)
    except UserError as error:
        raise type(error)(f"{shown}: {Exception.__str__(error)}") from None
    except Exception as error:  # broken files make decoders raise almost anything
        if _is_out_of_memory(error):
            raise UserError(f"{shown}: out of memory while it was decoded") from None
        raise ImageError(f"{shown}: {_reason(error)}") from error


def decode(image: Image.Image) -> Image.Image:
    """Decodes the pixels of an `opened` image, in its own mode, as they are stored.

    Metadata that a decoder fails at is left out. Memory has to be held meanwhile: `working_bytes`.
    """
    stream: BinaryIO = getattr(image, "fp")  # noqa: B009 - Pillow's types hide it
    try:
        image.load()
    except Exception as error:
        if _is_out_of_memory(error):
            raise
        image = _identify_bare(stream, error)
        image.load()
    return image


def working_bytes(image: Image.Image, fraction: int = 1) -> int:
    """Memory, at most, to decode an `opened` image and to make it an RGB array.

    Args:
        image: its header is enough.
        fraction: 2, 4 or 8 if it is decoded at a half, a quarter or an eighth of its size.
    """
    each = _WORKING_BYTES.get(image.format or "", _MOST_WORKING_BYTES) / fraction**2
    if image.info.get("progressive"):
        each += _PROGRESSIVE_BYTES
    pixels = image.width * image.height
    return int(each * pixels) + _CONVERTED_BYTES * min(pixels, PIXELS_AT_ONCE)


def orientation(image: Image.Image) -> int:
    """How a decoded image, or a JPEG whose header was read, has to be turned: 1 to 8 as in EXIF.

    1, as it is, if EXIF can't be read: that does not cost the image.
    """
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
        return found if found in _UPRIGHT else 1
    except MemoryError:
        raise
    except Exception:  # parsers of EXIF raise almost anything, too
        return 1


def turn_upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """A view of an array (H, W, ...) of stored pixels with the top of the image at the top."""
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
    """Opening a FIFO would wait for its writer, and a device can do anything."""
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
    """The same image without its metadata, or the error that it was met with."""
    stream.seek(0)
    bare = without_metadata(stream.read())
    if bare is None:
        raise error
    return Image.open(io.BytesIO(bare), formats=_FORMATS)


def _is_out_of_memory(error: Exception) -> bool:
    # Pillow's decoders report it as an OSError without a number.
    return isinstance(error, MemoryError) or str(error).startswith("out of memory")


def _reason(error: Exception) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case UnidentifiedImageError():
            return "not a JPEG, PNG, WebP, BMP or TIFF image"
        case Image.DecompressionBombError():
            return f"has more than {MAX_PIXELS} pixels"
        case OSError(strerror=str(reason)):
            return reason
    detail = " ".join(str(error).split()) or type(error).__name__
    return f"broken or truncated image ({detail})"
