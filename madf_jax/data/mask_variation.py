"""Random changes of mask files in training: a set of masks becomes a larger one."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

_CHANGES_NOTHING = (0.0, 0.0), 0.0, (1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class MaskVariation:
    """Dilation, translation and cropping, as NVIDIA's training masks are used.

    Nothing is drawn at random for a change that is off.

    Attributes:
        dilate: least and most width of a round brush that is drawn along the hole, as a share of
            the mask's side: the hole grows by half of it.
        translate: largest shift to each side, likewise. What leaves the mask enters opposite.
        crop: least and most side of the square that is used, likewise.
    """

    dilate: tuple[float, float] = _CHANGES_NOTHING[0]
    translate: float = _CHANGES_NOTHING[1]
    crop: tuple[float, float] = _CHANGES_NOTHING[2]

    def __call__(
        self, read: Callable[[int], np.ndarray], rng: np.random.Generator, size: int
    ) -> np.ndarray:
        """A changed mask.

        Args:
            read: gives the mask as uint8 (side, side, 1), 1 = known. It is asked for one so large
                that its part need not be enlarged.
            rng: drawn from.
            size: S.

        Returns:
            uint8 (S, S, 1), 1 = known.
        """
        part = rng.uniform(*self.crop) if self.crop != _CHANGES_NOTHING[2] else 1.0
        mask = read(round(size / part))
        side = len(mask)
        if self.dilate != _CHANGES_NOTHING[0]:
            mask = _dilate(mask, rng.uniform(*self.dilate) * side / 2)
        if self.translate:
            reach = round(self.translate * side)
            mask = np.roll(mask, rng.integers(-reach, reach, 2, endpoint=True), (0, 1))
        if side == size:
            return mask
        top, left = rng.integers(0, side - size, 2, endpoint=True)
        return mask[top : top + size, left : left + size]


def _dilate(mask: np.ndarray, radius: float) -> np.ndarray:
    """Grows the hole by a radius in pixels; `mask` is uint8 (S, S, 1), 1 = known."""
    far = cv2.distanceTransform(mask[..., 0], cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return (mask[..., 0] & (far > radius)).astype(np.uint8)[..., None]
