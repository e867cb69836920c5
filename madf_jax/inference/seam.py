"""Where what was painted meets what is known."""

import cv2
import numpy as np

from madf_jax.inference.distance import depth_of

_RING = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))  # two pixels on each side of an edge
_ENOUGH = 1e-3  # weight from which on a local mean counts in full


def feather(image: np.ndarray, known: np.ndarray, output: np.ndarray, width: int) -> np.ndarray:
    """Takes the step of color out of a seam, inside the hole only.

    Along the edge of a hole, the color just outside is compared with what was painted just inside.
    The difference is added to what was painted and fades out over `width`.

    Args:
        image: (H, W, 3), float32 in [0, 255]; pixels under holes are not read.
        known: (H, W), bool.
        output: (H, W, 3), float32 in [0, 255]; only pixels in holes are read.
        width: pixels; 0 changes nothing.

    Returns:
        (H, W, 3), float32 in [0, 255]: `output`, but for pixels in holes near an edge.
    """
    if not width:
        return output
    hole = ~known
    depth = depth_of(hole)
    zone = np.flatnonzero(hole & (depth < width + 0.5))
    outside, weight_outside = _local_mean(image, known & _dilate(hole), zone, width)
    inside, weight_inside = _local_mean(output, hole & _dilate(known), zone, width)
    # Too far from the edge for the blur nothing was compared.
    certain = np.minimum(weight_outside, weight_inside) / _ENOUGH
    share = np.minimum(certain, 1) * (1 - np.maximum(depth.take(zone) - 0.5, 0) / width)
    result = output.copy()
    flat = result.reshape(-1, 3)
    flat[zone] = np.clip(flat.take(zone, 0) + share[:, None] * (outside - inside), 0, 255)
    return result


def _dilate(region: np.ndarray) -> np.ndarray:
    return cv2.dilate(region.astype(np.uint8), _RING).view(bool)


def _local_mean(
    color: np.ndarray, where: np.ndarray, at: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the colors in `where` near some pixels, and the weight that it rests on.

    Args:
        color: (H, W, 3), float32.
        where: (H, W), bool.
        at: (K,), indices of pixels of the flattened image, which are many times faster than masks.
        reach: pixels; near ones weigh more, by a Gaussian of a quarter of that.

    Returns:
        (K, 3) and (K,), float32.
    """
    weighted = np.zeros((*where.shape, 4), np.float32)
    ring = np.flatnonzero(where)
    weighted.reshape(-1, 4)[ring, :3] = color.reshape(-1, 3).take(ring, 0)
    weighted.reshape(-1, 4)[ring, 3] = 1
    side = 2 * (reach + 2) + 1  # to the far side of the ring
    blurred = cv2.GaussianBlur(weighted, (side, side), reach / 4).reshape(-1, 4).take(at, 0)
    weight = blurred[:, 3:]
    return blurred[:, :3] / np.maximum(weight, np.finfo(np.float32).tiny), weight[:, 0]
