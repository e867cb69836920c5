"""What the page does, as functions of files and texts.

The file that a user opened is kept as it is. The page shows a preview and lets people paint a mask
over it; only the mask comes back. The result is painted from the file by `inference.paint_file`, as
on the command line.
"""

import base64
import binascii
import dataclasses
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image

from madf_jax.data.decoding import ImageError, opened
from madf_jax.data.mask_files import read_mask_file
from madf_jax.errors import UserError
from madf_jax.files import require_regular_file
from madf_jax.imaging.formats import FORMATS
from madf_jax.imaging.masks import to_mask
from madf_jax.imaging.rasters import to_raster, to_rgb
from madf_jax.imaging.reading import read_image_file
from madf_jax.imaging.writing import require_fits
from madf_jax.inference.inpainter import Inpainter
from madf_jax.inference.paint_file import FileOptions, paint_file
from madf_jax.inference.painting import PaintOptions
from madf_jax.inference.pairs import Task

MAX_MEGABYTES = 200  # of 2**20 bytes, as Gradio counts
MAX_MEGAPIXELS = 64

_LONGEST_SIDE = 4096  # of a preview; phones can't hold much larger canvases
_PREVIEW_QUALITY = 92
_DATA_URL = "data:image/png;base64,"
_MARK = (230, 40, 60, 255)


@dataclasses.dataclass(frozen=True)
class OpenImage:
    """An image that a user opened.

    Attributes:
        path: the file.
        output: the name of its result.
        size: height and width, upright.
        orientation: EXIF's number.
        preview: a JPEG of it, upright, the longest side at most 4096 pixels.
        shown: height and width of the preview.
    """

    path: Path
    output: str
    size: tuple[int, int]
    orientation: int
    preview: Path
    shown: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Painted:
    """A result.

    Attributes:
        image: in the format of the file that was opened.
        mask: the mask as a PNG of the same size, black = hole.
        preview: a JPEG of the result.
        seconds: that it took.
    """

    image: Path
    mask: Path
    preview: Path
    seconds: float


def open_image(path: Path, directory: Path) -> OpenImage:
    """Reads an image that was uploaded.

    Args:
        path: of the file.
        directory: where the preview is written.

    Raises:
        UserError: it can't be used, or is too large.
    """
    _require_small(path)
    stored = read_image_file(path)
    raster = to_raster(stored.image, str(path))
    output = f"{path.stem}_painted{_suffix(path, stored.file_format)}"
    require_fits(Path(output), stored)
    preview, shown = _write_preview(to_rgb(raster), directory / "before.jpg")
    return OpenImage(path, output, raster.size, stored.orientation, preview, shown)


def open_mask(path: Path, image: OpenImage) -> tuple[str, tuple[str, ...]]:
    """Reads a mask that was uploaded; black marks the hole.

    Returns:
        A data URL of a PNG as large as the preview that is opaque where the hole is, and remarks on
        how the file was read.

    Raises:
        UserError: it can't be used, is too large, or is all hole.
    """
    _require_small(path)
    mask = to_mask(path, image.size, "black", orientation=image.orientation)
    hole = _resized(~mask.known, image.shown)
    buffer = io.BytesIO()
    Image.fromarray(hole[..., None] * np.array(_MARK, np.uint8)).save(buffer, "PNG")
    return _DATA_URL + base64.b64encode(buffer.getvalue()).decode(), mask.remarks


def paint(inpainter: Inpainter, image: OpenImage, drawn: str, directory: Path) -> Painted:
    """Fills what was painted over.

    Args:
        inpainter: that does.
        image: what to paint.
        drawn: the mask, a data URL of a PNG as large as the preview, black = hole.
        directory: where results are written.

    Raises:
        UserError: nothing is marked, or everything.
    """
    if not image.path.exists():
        raise UserError("This image has been deleted from the server; open it again.")
    start = time.perf_counter()
    known = _read_drawn(drawn, image)
    if known.all():
        raise UserError("Nothing is marked yet: paint over what should disappear.")
    if not known.any():
        raise UserError("Everything is marked: leave something for the rest to be made from.")
    mask, output = directory / f"{image.path.stem}_mask.png", directory / image.output
    Image.fromarray(known).save(mask)
    paint_file(inpainter, Task(image.path, mask, output), PaintOptions(), FileOptions())
    seconds = time.perf_counter() - start
    rgb = to_rgb(to_raster(read_image_file(output).image))
    return Painted(output, mask, _write_preview(rgb, directory / "after.jpg")[0], seconds)


def _require_small(path: Path) -> None:
    """Refuses a file by its size and its header, before anything of it is decoded."""
    if require_regular_file(path).st_size > MAX_MEGABYTES * 2**20:
        raise UserError(f"{path}: is larger than {MAX_MEGABYTES} MB")
    with opened(path, None) as image:
        pixels = image.width * image.height
        if pixels > MAX_MEGAPIXELS * 10**6:
            raise ImageError(
                f"has {pixels / 1e6:.0f} megapixels, and this page takes up to {MAX_MEGAPIXELS}"
            )


def _suffix(path: Path, file_format: str) -> str:
    """The file's own suffix if it names the file's format, else the first one that does."""
    if FORMATS.get(path.suffix.lower()) == file_format:
        return path.suffix
    return next(suffix for suffix, name in FORMATS.items() if name == file_format)


def _write_preview(rgb: np.ndarray, path: Path) -> tuple[Path, tuple[int, int]]:
    image = Image.fromarray(rgb)
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    image.save(path, quality=_PREVIEW_QUALITY)
    return path, (image.height, image.width)


def _read_drawn(drawn: str, image: OpenImage) -> np.ndarray:
    """What is known of an image, (H, W), bool."""
    try:
        encoded = base64.b64decode(drawn.removeprefix(_DATA_URL), validate=True)
    except (binascii.Error, ValueError):
        encoded = b""
    file = io.BytesIO(encoded)
    with opened(file, "The mask") as header:
        if header.size != image.shown[::-1]:
            raise ImageError("does not belong to this image; open the image again")
    file.seek(0)
    return _resized(read_mask_file(file, "The mask").white, image.size)


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if mask.shape == size:
        return mask
    resized = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST)
    return np.asarray(resized)
