"""One picture of any size to one square: uint8 (H, W, 3) in, uint8 (S, S, 3) out.

A crop is placed on the picture's own pixels and only then resized: the same as resizing first, but
for the rounding of its place, and many times cheaper for a large picture.
"""

import cv2
import numpy as np

# Pictures are made by many threads already.
cv2.setNumThreads(1)


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
    height, width = picture.shape[:2]
    side = max(1, round(size * min(height, width) / shorter))
    top = int(rng.integers(height - side, endpoint=True))
    left = int(rng.integers(width - side, endpoint=True))
    mirror = rng.random() < 0.5 and flip
    crop = _resized(picture[top : top + side, left : left + side], size)
    if colour_variation:
        gains = 1 - colour_variation * rng.random(3)
        crop = np.rint(crop[..., rng.permutation(3)] * gains).astype(np.uint8)
    return cv2.flip(crop, 1) if mirror else crop


def centre_crop(picture: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """The largest centred square, resized to (S, S, 3); `rng` is not used."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _resized(picture[top : top + side, left : left + side], size)


def squash(picture: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """The whole picture as (S, S, 3), as the PyTorch reference tests; `rng` is not used."""
    return _resized(picture, size)


def _resized(region: np.ndarray, size: int) -> np.ndarray:
    """Mean over the area where a side shrinks, then cubic where one grows; a copy in any case."""
    height, width = region.shape[:2]
    if min(height, width) < size < max(height, width):
        within = (min(width, size), min(height, size))
        region = cv2.resize(region, within, interpolation=cv2.INTER_AREA)
    growing = min(height, width) < size
    method = cv2.INTER_CUBIC if growing else cv2.INTER_AREA
    return cv2.resize(region, (size, size), interpolation=method)
