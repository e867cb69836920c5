"""The one type for everything that fills holes: networks, classical methods, stored results."""

from collections.abc import Callable, Sequence

import numpy as np

Inpaint = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Fills the holes of a batch.

Args:
    images: (N, H, W, 3), uint8, RGB; pixels in a hole are not read.
    masks: (N, H, W, 1), uint8, 1 = known, 0 = hole.

Returns:
    (N, H, W, 3), uint8. Known pixels may differ from those of `images`; `composite` restores them.
"""

Method = Callable[[Sequence[str]], Inpaint]
"""The `Inpaint` for the examples of these ids; what is stored is found by its id."""


def any_image(inpaint: Inpaint) -> Method:
    """A `Method` that paints every image alike, whatever its id."""
    return lambda ids: inpaint


def composite(images: np.ndarray, painted: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Known pixels of `images`, holes of `painted`.

    Args:
        images: (N, H, W, 3), uint8.
        painted: (N, H, W, 3), uint8.
        masks: (N, H, W, 1), uint8, 1 = known, 0 = hole.

    Returns:
        (N, H, W, 3), uint8; bit-identical to `images` where the mask is 1.
    """
    return np.where(masks > 0, images, painted)
