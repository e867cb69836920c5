"""One picture of any size to one square: uint8 (H, W, 3) in, uint8 (S, S, 3) out.

Resize-then-crop is computed the other way round, which for a large picture is many times cheaper:
the crop is placed in source coordinates and only that region (with the filter's border) is
resampled. The pixels are those of resizing first; only when a picture shrinks to a sixth or less
does Pillow average blocks before the filter, which the eye does not see.
"""

import math

import numpy as np
from PIL import Image

_LANCZOS_RADIUS = 3  # output pixels
_REDUCING_GAP = 3.0  # Pillow's documented value for a result near that of a full resampling


def random_crop(
    picture: np.ndarray,
    rng: np.random.Generator,
    *,
    size: int,
    resize_min: int,
    resize_max: int,
    flip: bool,
    colour_variation: float = 0.0,
) -> np.ndarray:
    """Resizes the shorter side to a drawn length, crops a square anywhere, mirrors half of them.

    Args:
      picture: uint8 (H, W, 3).
      rng: consumed: length, top, left, flip, colours.
      size: S in pixels, at most `resize_min`.
      resize_min: shortest length of the resized shorter side.
      resize_max: longest, included.
      flip: mirror left and right with probability one half.
      colour_variation: swap the channels at random and scale each by a factor drawn from
        [1 - this, 1]; 0 leaves colours alone. For few photographs: a network that never saw a hue
        fills holes in it with one that it saw.

    Returns:
      uint8 (S, S, 3).
    """
    shorter = int(rng.integers(resize_min, resize_max, endpoint=True))
    scale = shorter / min(picture.shape[:2])
    height, width = (round(side * scale) for side in picture.shape[:2])
    top = int(rng.integers(height - size, endpoint=True))
    left = int(rng.integers(width - size, endpoint=True))
    mirror = rng.random() < 0.5 and flip
    crop = _resized_crop(picture, (height, width), (top, left), size)
    if colour_variation:
        gains = 1 - colour_variation * rng.random(3)
        crop = np.rint(crop[..., rng.permutation(3)] * gains).astype(np.uint8)
    return np.ascontiguousarray(crop[:, ::-1]) if mirror else crop


def centre_crop(picture: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """The largest centred square, resized to (S, S, 3); `rng` is not used."""
    scale = size / min(picture.shape[:2])
    height, width = (round(side * scale) for side in picture.shape[:2])
    return _resized_crop(
        picture, (height, width), ((height - size) // 2, (width - size) // 2), size
    )


def squash(picture: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """The whole picture as (S, S, 3), as the PyTorch reference tests; `rng` is not used."""
    return _resized_crop(picture, (size, size), (0, 0), size)


def _resized_crop(
    picture: np.ndarray, resized: tuple[int, int], corner: tuple[int, int], size: int
) -> np.ndarray:
    rows, (top, bottom) = _region(picture.shape[0], resized[0], corner[0], size)
    columns, (left, right) = _region(picture.shape[1], resized[1], corner[1], size)
    region = Image.fromarray(picture[rows, columns])
    return np.array(
        region.resize(
            (size, size),
            Image.Resampling.LANCZOS,
            box=(left, top, right, bottom),
            reducing_gap=_REDUCING_GAP,
        )
    )


def _region(length: int, resized: int, start: int, size: int) -> tuple[slice, tuple[float, float]]:
    """Along one axis: the source pixels a crop needs, and the crop's ends counted in them."""
    step = length / resized
    border = math.ceil((_LANCZOS_RADIUS + 1) * max(step, 1)) + 1
    first = max(0, math.floor(start * step) - border)
    last = min(length, math.ceil((start + size) * step) + border)
    return slice(first, last), (start * step - first, min((start + size) * step, last) - first)
