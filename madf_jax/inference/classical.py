"""Filling holes without learning: what a network must beat."""

import cv2
import numpy as np

_RADIUS = 3


def mean_fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fills the hole with the mean color of the known pixels (mid-gray if there are none).

    Args:
        image: (H, W, 3), uint8, RGB; pixels under the hole are not read.
        mask: (H, W, 1), uint8, 1 = known.

    Returns:
        (H, W, 3), uint8, the composite.
    """
    known = mask[..., 0] > 0
    color = image[known].mean(axis=0).round() if known.any() else np.full(3, 128)
    return np.where(mask > 0, image, color.astype(np.uint8))


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """OpenCV's fast marching method (Telea, 2004), radius 3; otherwise as `mean_fill`."""
    return _inpaint(image, mask, cv2.INPAINT_TELEA)


def navier_stokes(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """OpenCV's Navier-Stokes method (Bertalmio et al., 2001), radius 3; else as `mean_fill`."""
    return _inpaint(image, mask, cv2.INPAINT_NS)


BASELINES = {"mean_fill": mean_fill, "telea": telea, "navier_stokes": navier_stokes}


def _inpaint(image: np.ndarray, mask: np.ndarray, method: int) -> np.ndarray:
    masked = np.where(mask > 0, image, 0).astype(np.uint8)
    filled = cv2.inpaint(masked, 1 - mask[..., 0], _RADIUS, method)
    return np.where(mask > 0, image, filled)
