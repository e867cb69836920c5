"""A mask of any kind as known pixels at an image's size, with remarks on what was made of it."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from madf_jax.data.decoding import opened, turn_upright
from madf_jax.data.mask_files import (
    THRESHOLD,
    MaskFile,
    read_mask_file,
    read_mask_image,
)
from madf_jax.errors import UserError
from madf_jax.imaging.rasters import InMemory, decode_still
from madf_jax.imaging.reading import refuse_animation

HoleColor = Literal["black", "white"]

SUSPICIOUS_HOLE = 0.8  # share of the image
_GRAYS = slice(32, 224)  # a JPEG's black and white stay outside


@dataclasses.dataclass(frozen=True)
class Mask:
    """What is known of an image.

    Attributes:
        known: (H, W), bool, True = known, False = hole.
        remarks: what a user should know about how it was read, in the order of reading.
    """

    known: np.ndarray
    remarks: tuple[str, ...] = ()


def to_mask(
    mask: InMemory | Path,
    size: tuple[int, int],
    hole: HoleColor,
    name: str = "mask",
    orientation: int = 1,
) -> Mask:
    """Reads a mask.

    What is black and what is white in it is recognized as in training (`data.mask_files`). Another
    size is resized by nearest neighbor.

    Args:
        mask: a file, a PIL image, or an array (H, W) or (H, W, C) of bool, of integers (0 and 1, 8
            or 16 bits) or of floats in [0, 1].
        size: height and width of the image.
        hole: the color that marks the hole; False and 0 are black.
        name: what errors call a mask in memory.
        orientation: EXIF's number, that was applied to the image. A mask that only fits the image
            as it lies in its file is turned with it.

    Raises:
        UserError: it can't be read, or all of it is hole.
    """
    if hole not in ("black", "white"):
        raise UserError(f"hole must be 'black' or 'white', got {hole!r}")
    name = str(mask) if isinstance(mask, Path) else name
    white, remarks = _white(mask, name)
    if orientation > 4 and white.shape == size[::-1] != size:
        remarks.append("fits the image as it lies in its file, and was turned with it")
        white = turn_upright(white, orientation)
    if white.shape != size:
        remarks.append(
            f"is {_text(white.shape)} and was resized to {_text(size)} by nearest neighbor"
        )
        resized = Image.fromarray(white).resize(size[::-1], Image.Resampling.NEAREST)
        white = np.asarray(resized)
    known = white if hole == "black" else ~white
    return Mask(known, (*remarks, *_suspicions(known, hole, name)))


def _white(mask: InMemory | Path, name: str) -> tuple[np.ndarray, list[str]]:
    """Which pixels are white, (H, W), bool, and remarks."""
    if isinstance(mask, Path):
        with opened(mask, None) as image:
            refuse_animation(image)
        read = read_mask_file(mask)
        return read.white, _remarks(read)
    if isinstance(mask, Image.Image):
        decode_still(mask, name)
        if 0 in mask.size:
            raise UserError(f"{name}: is {_text(mask.size[::-1])}, not a single pixel")
    elif not hasattr(mask, "__array__") and not isinstance(mask, list | tuple):
        raise UserError(f"{name}: is a {type(mask).__name__}; give a PIL image, an array or a path")
    try:
        if isinstance(mask, Image.Image):
            read = read_mask_image(mask)
            return read.white, _remarks(read)
        return _white_of_array(np.asarray(mask)), []
    except (OSError, SyntaxError, ValueError) as error:  # a UserError is a ValueError
        raise UserError(f"{name}: {error}") from None


def _remarks(read: MaskFile) -> list[str]:
    if read.is_photograph:
        return [f"looks like a photograph; its gray levels were cut at {THRESHOLD}"]
    if read.reading:
        return [f"was read by its {read.reading}"]
    if read.levels[_GRAYS].any():
        return [f"has gray values, cut at {THRESHOLD}"]
    return []


def _white_of_array(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if not array.size or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] > 4):
        raise UserError(f"has shape {array.shape}; give (H, W) or (H, W, C) with 1 to 4 channels")
    if array.dtype.kind == "b" and array.ndim == 2:
        return array
    if array.ndim == 3 and array.dtype != np.uint8:
        raise UserError(f"has shape {array.shape} and dtype {array.dtype.name}; give (H, W)")
    if array.dtype.kind in "iu" and array.dtype != np.uint8 and array.min() >= 0:
        array = array.astype(np.uint8 if array.max() <= 255 else np.int32)
    if array.dtype.kind not in "iuf":
        raise UserError(f"has dtype {array.dtype.name}; give bool, integers or floats in [0, 1]")
    image = array if array.dtype == np.uint8 else array.astype(np.float32)
    return read_mask_image(Image.fromarray(image)).white


def _suspicions(known: np.ndarray, hole: HoleColor, name: str) -> list[str]:
    share, other = 1 - known.mean(), "white" if hole == "black" else "black"
    if share == 1:
        raise UserError(
            f"{name}: is hole all over, since hole={hole}; nothing is known to paint from (if "
            f"{other} marks the hole, use hole={other})"
        )
    if share == 0:
        return [f"has no hole, since hole={hole} (if {other} marks the hole, use hole={other})"]
    if share > SUSPICIOUS_HOLE:
        return [
            f"is {100 * share:.0f} % hole, since hole={hole} (if {other} marks the hole, use "
            f"hole={other})"
        ]
    return []


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]}x{size[0]}"
