"""How images are resized and scaled before Inception: FID depends on it more than on many methods.

Each way is linear along rows and along columns, so it is two matmuls with matrices of weights.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

SIDE = 299
"""Pixels of Inception's input."""


def _pil_bicubic(size: int) -> np.ndarray:
    """Pillow's weights: what it makes of the columns of the identity."""
    identity = Image.fromarray(np.eye(size, dtype=np.float32))
    return np.asarray(identity.resize((size, SIDE), Image.Resampling.BICUBIC))


def _bilinear(size: int, positions: np.ndarray) -> np.ndarray:
    """Linear interpolation at positions in pixels, those outside moved to the edge."""
    positions = np.clip(positions, 0, size - 1)
    below = np.floor(positions).astype(int)
    share = positions - below
    weights = np.zeros((SIDE, size))
    rows = np.arange(SIDE)
    weights[rows, below] = 1 - share
    weights[rows, np.minimum(below + 1, size - 1)] += share
    return weights


def _pytorch_bilinear(size: int) -> np.ndarray:
    """`interpolate(mode='bilinear', align_corners=False)`: pixel centers lie at halves."""
    return _bilinear(size, (np.arange(SIDE) + 0.5) * size / SIDE - 0.5)


def _tensorflow_bilinear(size: int) -> np.ndarray:
    """TensorFlow 1's `resize_bilinear`, in which pixel 0 lies on pixel 0."""
    return _bilinear(size, np.arange(SIDE) * size / SIDE)


class Preparation(NamedTuple):
    """One way.

    Attributes:
        weights: the matrix (299, size) that resizes an axis of this size.
        center: the value that becomes 0.
    """

    weights: Callable[[int], np.ndarray]
    center: float


PREPARATIONS = {
    "clean": Preparation(_pil_bicubic, 128),
    "legacy_pytorch": Preparation(_pytorch_bilinear, 127.5),
    "stylegan": Preparation(_tensorflow_bilinear, 128),
}
"""By the name that metrics use: of clean-fid, pytorch-fid, and StyleGAN's FID."""


def prepare(images: jax.Array, preparation: str) -> jax.Array:
    """Inception's input.

    Args:
        images: (N, H, W, 3), uint8.
        preparation: a name in `PREPARATIONS`.

    Returns:
        (N, 299, 299, 3), float32, about [-1, 1].
    """
    weights, center = PREPARATIONS[preparation]
    rows, columns = (jnp.asarray(weights(size), jnp.float32) for size in images.shape[1:3])
    resized = jnp.einsum("ih,nhwc,jw->nijc", rows, images.astype(jnp.float32), columns)
    return (jnp.clip(resized, 0, 255) - center) / center
