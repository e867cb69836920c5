"""One file in, one mask out: which pixels are white, and how that was recognized.

Masks are stored as black and white, as values 0 and 1, as strokes on transparency and as label
palettes. A file that can be read in more than one way is refused with the values found in it.
"""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageChops

from madf_jax.data.decoding import (
    DECODING,
    ImageError,
    decode,
    opened,
    orientation,
    turn_upright,
    working_bytes,
)

THRESHOLD = 127

_NOISE = 16  # gray levels over which compression may spread one color
_GRAYS = slice(32, 224)  # neither black nor white, nor their noise
_PHOTOGRAPH_GRAYS, _PHOTOGRAPH_LEVELS = 0.2, 32  # share of such pixels, number of levels
_FLAT_COLORS, _COLORED = 256, 64  # most colors of a drawing, least difference between channels
_FEW = 0.01  # share of pixels
_SAMPLED_SIDE = 1024
_SHOWN = 4


@dataclasses.dataclass(frozen=True)
class MaskFile:
    """A mask as its file stores it, upright and at its own size.

    Attributes:
        white: bool (H, W), the white pixels.
        levels: int (256,), histogram of the gray levels of the opaque pixels.
        reading: how it was interpreted; "" for plain black and white.
    """

    white: np.ndarray
    levels: np.ndarray
    reading: str = ""

    def mask(self, hole: str, size: int | None = None) -> np.ndarray:
        """The mask, 1 = known, 0 = hole.

        Args:
            hole: 'black' or 'white', the color that marks the hole.
            size: S, resizes to a square by nearest neighbor; None keeps the file's size.

        Returns:
            uint8 (H, W, 1), or (S, S, 1).
        """
        known = (self.white if hole == "black" else ~self.white).astype(np.uint8)
        if size is not None:
            square = Image.fromarray(known).resize((size, size), Image.Resampling.NEAREST)
            known = np.array(square)
        return known[..., None]

    @property
    def is_photograph(self) -> bool:
        """Whether so many pixels are gray, at so many levels, that a threshold is a guess."""
        return _is_photograph(self.levels)

    def values(self) -> str:
        """The most common gray levels with their shares of the pixels."""
        return _shares_of_levels(self.levels)


def read_mask_file(
    file: Path | BinaryIO, name: str | None = None, threshold: int = THRESHOLD
) -> MaskFile:
    """Reads any image as a mask.

    Gray levels above the threshold are white. Other encodings are recognized:

    - values 0 and 1, and 8-bit values in 16 bits;
    - light strokes on transparency, or a photograph with a part cut out: transparent pixels are
      black. Dark strokes on transparency: transparent pixels are white;
    - a few flat colors on black, as in label palettes: the colors are white. On white, they are
      black.

    Args:
        file: a path, or an open binary file.
        name: of the mask in errors; the path by default.
        threshold: the highest gray level, 0 to 254, that is black.

    Raises:
        ImageError: as `decoding.opened`; or it is ambiguous which pixels are black and which are
            white, and the message lists the values found and their shares.
    """
    with opened(file, name) as image, DECODING.hold(working_bytes(image)):
        image = decode(image)
        found = read_mask_image(image, threshold)
        upright = turn_upright(found.white, orientation(image))
        return dataclasses.replace(found, white=np.ascontiguousarray(upright))


def read_mask_image(image: Image.Image, threshold: int = THRESHOLD) -> MaskFile:
    """`read_mask_file` of an image in memory, as its pixels are stored.

    Raises:
        ImageError: what is black and white can't be known.
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_numbers(np.asarray(image), threshold)
    if image.has_transparency_data:
        return _from_alpha(_in_mode(image, "RGBA"), threshold)
    if image.mode in ("1", "L"):
        return _from_gray(_in_mode(image, "L"), threshold)
    return _from_colors(_in_mode(image, "RGB"), threshold)


def _from_gray(gray: Image.Image, threshold: int, reading: str = "") -> MaskFile:
    levels = np.array(gray.histogram())
    used = np.flatnonzero(levels)
    lowest, highest = used[0], used[-1]
    if highest == 1:
        return MaskFile(np.asarray(gray) > 0, levels, "values 0 and 1: 0 is black, 1 is white")
    found = MaskFile(np.asarray(gray) > threshold, levels, reading)
    is_one_color = highest - lowest <= _NOISE and not (lowest == 0 and len(used) == 2)
    if not is_one_color and (highest <= threshold or lowest > threshold):
        raise _refusal(f"all gray levels lie on one side of {threshold}: {found.values()}")
    return found


def _from_numbers(values: np.ndarray, threshold: int) -> MaskFile:
    """Integers of 16 or 32 bits, or floating-point numbers."""
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= 0 and highest <= 65535):  # also for NaN
        raise _refusal(f"its values reach from {lowest:g} to {highest:g}")
    if values.dtype.kind == "f" and highest <= 1:
        gray = Image.fromarray(np.rint(255 * values).astype(np.uint8))
        return _from_gray(gray, threshold)
    if highest <= 255:
        reading = "8-bit values stored in 16 bits"
        return _from_gray(Image.fromarray(values.astype(np.uint8)), threshold, reading)
    gray = Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    return _from_gray(gray, threshold)


def _from_colors(image: Image.Image, threshold: int) -> MaskFile:
    gray = image.convert("L")
    colors = image.getcolors(_FLAT_COLORS)
    if colors is None or np.ptp([color for _, color in colors], axis=1).max() <= _COLORED:
        return _from_gray(gray, threshold)
    levels, present = np.array(gray.histogram()), {color for _, color in colors}
    has_black, has_white = (0, 0, 0) in present, (255, 255, 255) in present
    if has_black == has_white:
        raise _refusal(f"it has the colors {_shares(colors)}")
    if has_black:
        brightest = functools.reduce(ImageChops.lighter, image.split())
        return MaskFile(np.asarray(brightest) > 0, levels, "colors on black: the colors are white")
    darkest = functools.reduce(ImageChops.darker, image.split())
    return MaskFile(np.asarray(darkest) == 255, levels, "colors on white: the colors are black")


def _from_alpha(image: Image.Image, threshold: int) -> MaskFile:
    opaque = image.getchannel("A").point([0] * (THRESHOLD + 1) + [255] * (255 - THRESHOLD))
    levels = np.array(image.convert("L").histogram(opaque))  # of the opaque pixels
    count, total = levels.sum(), image.width * image.height
    if count == total:
        return _from_colors(image.convert("RGB"), threshold)
    if not count:
        raise _refusal("all of its pixels are transparent")
    light = levels[THRESHOLD + 1 :].sum() / count
    if not _is_photograph(levels):
        colored = _has_colors(image.convert("RGB"), opaque)
        if colored or _FEW < light < 1 - _FEW:
            kind = "and colored, " if colored else ""
            raise _refusal(
                f"{100 * count / total:.1f} % of its pixels are opaque {kind}with the gray levels "
                + _shares_of_levels(levels)
            )
        if light <= _FEW:
            white = np.asarray(opaque) == 0
            return MaskFile(white, levels, "dark strokes: transparent pixels are white")
    return MaskFile(np.asarray(opaque) > 0, levels, "opaque pixels: transparent ones are black")


def _has_colors(image: Image.Image, where: Image.Image) -> bool:
    """Whether more than a few of the pixels selected by `where` are not gray, by sampling."""
    size = (min(image.width, _SAMPLED_SIDE), min(image.height, _SAMPLED_SIDE))
    sampled, chosen = (
        np.asarray(part.resize(size, Image.Resampling.NEAREST)) for part in (image, where)
    )
    differences = np.ptp(sampled[chosen > 0], axis=-1)
    return bool(differences.size and np.mean(differences > _COLORED) > _FEW)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converts, but without the copy that `convert` makes of an image in this mode."""
    return image if image.mode == mode else image.convert(mode)


def _is_photograph(levels: np.ndarray) -> bool:
    grays = levels[_GRAYS].sum() / levels.sum()
    return bool(grays > _PHOTOGRAPH_GRAYS and np.count_nonzero(levels) > _PHOTOGRAPH_LEVELS)


def _refusal(found: str) -> ImageError:
    return ImageError(
        f"it is ambiguous which pixels of this mask are black and which are white: {found}; save "
        "it as black (0) and white (255)"
    )


def _shares_of_levels(levels: np.ndarray) -> str:
    return _shares([(int(count), level) for level, count in enumerate(levels) if count])


def _shares(counts: Sequence[tuple[int, object]]) -> str:
    total = sum(count for count, _ in counts)
    ordered = sorted(counts, key=lambda pair: -pair[0])
    shown = [f"{value} ({100 * count / total:.1f} %)" for count, value in ordered[:_SHOWN]]
    more = [f"{len(counts) - _SHOWN} others"] if len(counts) > _SHOWN else []
    return ", ".join([*shown, *more])
