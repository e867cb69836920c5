"""Where what was painted meets what is known."""

import cv2
import numpy as np

_LEAST_WEIGHT = 1e-3


def feather(image: np.ndarray, known: np.ndarray, output: np.ndarray, width: int) -> np.ndarray:
    """Takes the step out of a seam, inside the hole only.

    The network paints known pixels, too: where it misses their color next to a hole, it misses the
    color inside as well. That offset is carried into the hole and fades out over `width`.

    Args:
        image: (H, W, 3), float32 in [0, 255]; pixels under holes are not read.
        known: (H, W), bool.
        output: (H, W, 3), float32 in [0, 255], the network's, also where pixels are known.
        width: pixels; 0 changes nothing.

    Returns:
        (H, W, 3), float32 in [0, 255]; what it holds at known pixels has no meaning.
    """
    if not width:
        return output
    hole = (~known).astype(np.uint8)
    near = known & (_distance(1 - hole) <= width)
    offset = np.where(near[..., None], image - output, 0)
    weight = _blur(near.astype(np.float32), width / 2)
    mean = _blur(offset, width / 2) / np.maximum(weight, _LEAST_WEIGHT)[..., None]
    ramp = np.clip(1 - (_distance(hole) - 0.5) / width, 0, 1)
    return np.clip(output + ramp[..., None] * mean, 0, 255)


def _distance(inside: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _blur(array: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(array, (0, 0), sigma)
