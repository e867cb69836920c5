"""Images and masks as a caller gives them: in memory, in files, one or many."""

import os
from typing import Any

from madf_jax.files import local_path
from madf_jax.imaging.masks import HoleColor, Mask, to_mask
from madf_jax.imaging.rasters import InMemory, Raster, check_values, to_raster
from madf_jax.imaging.reading import read_image_file

AnyImage = InMemory | str | os.PathLike[str]


def as_list(given: Any, length: int | None = None) -> list[Any] | None:
    """What was given as a list, or None if it is one image or mask.

    Args:
        given: a list or tuple is one, and an array (N, H, W, C).
        length: of masks, the number of images: an array (N, H, W) of so many is a list, too.
    """
    if isinstance(given, list | tuple):
        return list(given)
    shape: tuple[int, ...] = getattr(given, "shape", ())
    is_batch = len(shape) == 4 or (len(shape) == 3 and shape[0] == length and shape[2] > 4)
    return list(given) if is_batch else None


def name_of(given: AnyImage, name: str) -> str:
    """What messages call an image or mask: its path, or a name if it is in memory."""
    return str(given) if isinstance(given, str | os.PathLike) else name


def read_pair(
    image: AnyImage, mask: AnyImage, hole: HoleColor, place: str = ""
) -> tuple[Raster, Mask]:
    """Reads an image and its mask.

    Args:
        image: in memory, or a path.
        mask: likewise.
        hole: the color that marks the hole.
        place: put after "image" and "mask" in errors, " 3" for example, if they are in memory.

    Raises:
        UserError: one can't be read, does not fit, or all of the mask is hole.
    """
    name, orientation = name_of(image, f"image{place}"), 1
    if isinstance(image, str | os.PathLike):
        stored = read_image_file(local_path(image))
        image, orientation = stored.image, stored.orientation
    raster = to_raster(image, name)
    given = local_path(mask) if isinstance(mask, str | os.PathLike) else mask
    read = to_mask(given, raster.size, hole, f"mask{place}", orientation)
    check_values(raster, read.known, name)
    return raster, read
