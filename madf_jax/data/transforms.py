"""One image of any size to one square: uint8 (H, W, 3) in, uint8 (S, S, 3) out.

A crop is placed on the image's own pixels and only then resized: the same as resizing first, but
for the rounding of its place, and many times cheaper for a large image.
"""

import cv2
import numpy as np

# Images are made by many threads already.
cv2.setNumThreads(1)


def random_crop(
    image: np.ndarray,
    rng: np.random.Generator,
    *,
    size: int,
    resize_min: int,
    resize_max: int,
    flip: bool,
    channel_jitter: float = 0.0,
) -> np.ndarray:
    """Resizes the shorter side to a drawn length, crops a square anywhere, mirrors half of them.

    Args:
      image: uint8 (H, W, 3).
      rng: consumed: length, top, left, flip, colors.
      size: S in pixels, at most `resize_min`.
      resize_min: shortest length of the resized shorter side.
      resize_max: longest, included.
      flip: mirror left and right with probability one half.
      channel_jitter: swap the channels at random and scale each by a factor drawn from
        [1 - this, 1]; 0 leaves colors alone. For few photographs: a network that never saw a hue
        fills holes in it with one that it saw.

    Returns:
      uint8 (S, S, 3).
    """
    shorter = int(rng.integers(resize_min, resize_max, endpoint=True))
    height, width = image.shape[:2]
    side = max(1, round(size * min(height, width) / shorter))
    top = int(rng.integers(height - side, endpoint=True))
    left = int(rng.integers(width - side, endpoint=True))
    mirror = rng.random() < 0.5 and flip
    crop = _resized(image[top : top + side, left : left + side], size)
    if channel_jitter:
        gains = 1 - channel_jitter * rng.random(3)
        crop = np.rint(crop[..., rng.permutation(3)] * gains).astype(np.uint8)
    return cv2.flip(crop, 1) if mirror else crop


def center_crop(image: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """The largest centered square, resized to (S, S, 3); `rng` is not used."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return _resized(image[top : top + side, left : left + side], size)


def squash(image: np.ndarray, rng: np.random.Generator, *, size: int) -> np.ndarray:
    """The whole image as (S, S, 3), as the PyTorch reference tests; `rng` is not used."""
    return _resized(image, size)


def _resized(region: np.ndarray, size: int) -> np.ndarray:
    """Mean over the area where a side shrinks, then cubic where one grows; a copy in any case."""
    height, width = region.shape[:2]
    if min(height, width) < size < max(height, width):
        within = (min(width, size), min(height, size))
        region = cv2.resize(region, within, interpolation=cv2.INTER_AREA)
    growing = min(height, width) < size
    method = cv2.INTER_CUBIC if growing else cv2.INTER_AREA
    return cv2.resize(region, (size, size), interpolation=method)
