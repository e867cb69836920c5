"""One image file painted into another."""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from madf_jax.files import write_whole
from madf_jax.imaging.masks import HoleColor, to_mask
from madf_jax.imaging.rasters import check_values, to_raster, to_rgb
from madf_jax.imaging.reading import read_image_file
from madf_jax.imaging.writing import require_fits, write_image_file
from madf_jax.inference.inpainter import Inpainter
from madf_jax.inference.painting import PaintOptions
from madf_jax.inference.pairs import Task


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """How files are read and written.

    Attributes:
        hole: the color that marks the hole in a mask.
        quality: of JPEG and WebP, 1 to 100; None keeps that of a JPEG.
        compare: also write before and after, side by side, to a file beside the result.
    """

    hole: HoleColor = "black"
    quality: int | None = None
    compare: bool = False


def paint_file(
    inpainter: Inpainter, task: Task, painting: PaintOptions, files: FileOptions
) -> tuple[str, ...]:
    """Reads an image and its mask, paints, and writes the result.

    Returns:
        Remarks on how the mask was read.

    Raises:
        UserError: a file can't be read or written.
    """
    stored = read_image_file(task.image)
    raster = to_raster(stored.image, str(task.image))
    require_fits(task.output, stored)
    mask = to_mask(task.mask, raster.size, files.hole, orientation=stored.orientation)
    check_values(raster, mask.known, str(task.image))
    (painted,) = inpainter.paint([raster], [mask.known], painting)
    write_image_file(task.output, dataclasses.replace(stored, image=painted), files.quality)
    if files.compare:
        after = to_raster(painted)
        sheet = Image.fromarray(np.hstack([to_rgb(raster), to_rgb(after)]))
        write_whole(compare_path(task.output), lambda path: sheet.save(path, "PNG"))
    return mask.remarks


def compare_path(output: Path) -> Path:
    """Where before and after of a result are written."""
    return output.with_name(f"{output.name}.compare.png")
