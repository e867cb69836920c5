"""Filling holes without learning: what a network must beat. Each method is an `Inpaint`."""

import cv2
import numpy as np

from madf_jax.inference.inpaint import Inpaint, composite

_RADIUS = 3
_MID_GRAY = 128


def mean_fill(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Fills the hole of each image with the mean color of its known pixels.

    Mid-gray where no pixel is known. Shapes and dtypes as `Inpaint` has them.
    """
    return composite(images, np.stack(list(map(_mean_color, images, masks))), masks)


def telea(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """OpenCV's fast marching method (Telea, 2004), radius 3."""
    return _inpaint(images, masks, cv2.INPAINT_TELEA)


def navier_stokes(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """OpenCV's Navier-Stokes method (Bertalmio et al., 2001), radius 3."""
    return _inpaint(images, masks, cv2.INPAINT_NS)


CLASSICAL: dict[str, Inpaint] = {
    "mean_fill": mean_fill,
    "telea": telea,
    "navier_stokes": navier_stokes,
}


def _mean_color(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    known = image[mask[..., 0] > 0]
    color = known.mean(axis=0).round() if len(known) else np.full(3, _MID_GRAY)
    return np.broadcast_to(color.astype(np.uint8), image.shape)


def _inpaint(images: np.ndarray, masks: np.ndarray, method: int) -> np.ndarray:
    holed = composite(images, np.zeros_like(images), masks)
    painted = [
        cv2.inpaint(image, 1 - mask[..., 0], _RADIUS, method)
        for image, mask in zip(holed, masks, strict=True)
    ]
    return composite(images, np.stack(painted), masks)
