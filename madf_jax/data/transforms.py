"""One image of any size in, one square out: uint8 (H, W, 3) to uint8 (S, S, 3).

A crop is cut at the image's own resolution and resized afterwards. Up to the rounding of its
position this equals resizing first, and it is many times cheaper for large images.
"""

import cv2
import numpy as np

# The pipeline already runs in many threads.
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
    """A random square crop at a random scale; half of the crops are mirrored.

    Args:
        image: uint8 (H, W, 3).
        rng: draws length, top, left, flip and colors, in this order.
        size: S in pixels, at most `resize_min`.
        resize_min: least length that the shorter side is resized to, drawn uniformly.
        resize_max: greatest length, inclusive.
        flip: mirror left and right with probability one half.
        channel_jitter: permute the channels at random and scale each by a factor drawn from
            [1 - this, 1]; 0 keeps the colors. For small sets of photographs: a network fills holes
            with hues that it has seen in training.

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
    """The whole image as (S, S, 3), as in the reference's tests; `rng` is not used."""
    return _resized(image, size)


def _resized(region: np.ndarray, size: int) -> np.ndarray:
    """Averages over areas along sides that shrink, interpolates cubically if one grows; a copy."""
    height, width = region.shape[:2]
    if min(height, width) < size < max(height, width):
        within = (min(width, size), min(height, size))
        region = cv2.resize(region, within, interpolation=cv2.INTER_AREA)
    growing = min(height, width) < size
    method = cv2.INTER_CUBIC if growing else cv2.INTER_AREA
    return cv2.resize(region, (size, size), interpolation=method)
