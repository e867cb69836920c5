"""Holes wider than those a network was trained on: painted where they fit, then made finer."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from madf_jax.inference.detail import transfer_detail
from madf_jax.inference.distance import depth_of, hole_width

_BAND = 0.5  # of the width that fits: how deep a hole is painted again at a finer scale

Paint = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[np.ndarray]]


def shrink(image: np.ndarray, known: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Makes an image smaller without mixing what is under its holes into what is known.

    Args:
        image: (H, W, 3), float32.
        known: (H, W), bool.
        scale: by which it shrinks, at least 1.

    Returns:
        The image and the mask of the smaller size: a pixel is known where at least half of its area
        is, with the mean color of that.
    """
    height, width = known.shape
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    if size == (width, height):
        return image, known
    share = known.astype(np.float32)
    area = cv2.resize(share, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(np.where(known[..., None], image, 0), size, interpolation=cv2.INTER_AREA)
    small_known = area >= 0.5
    return total / np.where(small_known, area, 1)[..., None], small_known


def enlarge(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes (h, w, 3) to a larger (H, W, 3) by cubic interpolation, within [0, 255]."""
    return np.clip(cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC), 0, 255)


def fill(
    paint: Paint,
    images: Sequence[np.ndarray],
    known: Sequence[np.ndarray],
    scales: Sequence[float],
    detail: float,
) -> list[np.ndarray]:
    """Paints each image coarsely, then finer and finer up to its own size.

    At the scale given, the widest hole is as wide as the network can paint. At each finer scale,
    about twice as fine as the one before, what lies deeper inside a hole than half of that width
    stays as it was painted, and counts as known; only a band along the edge is painted again, in
    which the network now sees finer detail. The hole then takes over detail from the image
    (`detail.transfer_detail`), since what was enlarged has none. Holes that are narrow enough at
    full size end up painted at full size.

    Args:
        paint: the network for any size.
        images: each (H, W, 3), float32 in [0, 255]; pixels under holes are not read.
        known: for each, (H, W), bool.
        scales: for each, by how much smaller it is painted first, at least 1.
        detail: share of detail that is taken over from the image, in [0, 1].

    Returns:
        For each, (H, W, 3), float32 in [0, 255], also where pixels are known.
    """
    bands = [
        _BAND * hole_width(~mask) / scale if scale > 1 else 0.0
        for mask, scale in zip(known, scales, strict=True)
    ]
    outputs: list[Any] = [None] * len(images)
    steps = [scale_steps(scale) for scale in scales]
    for step in range(max(map(len, steps), default=0)):
        pending = [i for i, mine in enumerate(steps) if step < len(mine)]
        levels = [
            _Level.at(images[i], known[i], steps[i][step], outputs[i], bands[i]) for i in pending
        ]
        painted = paint([level.image for level in levels], [level.given for level in levels])
        for i, level, output in zip(pending, levels, painted, strict=True):
            outputs[i] = level.finished(output, detail if step else 0.0)
    return outputs


def scale_steps(scale: float) -> list[float]:
    """From a scale to 1 by equal factors of about two."""
    count = max(1, round(math.log2(scale))) if scale > 1 else 0
    return [scale ** (1 - step / count) for step in range(count)] + [1.0]


@dataclasses.dataclass(frozen=True)
class _Level:
    """An image at one scale.

    Attributes:
        image: (h, w, 3), float32: what is known, and what was painted at the scale before.
        known: (h, w), bool.
        settled: (h, w), bool: what of the hole stays as it was painted before.
    """

    image: np.ndarray
    known: np.ndarray
    settled: np.ndarray

    @classmethod
    def at(
        cls,
        image: np.ndarray,
        known: np.ndarray,
        scale: float,
        coarse: np.ndarray | None,
        band: float,
    ) -> "_Level":
        """The level of a scale.

        Args:
            image: (H, W, 3), float32.
            known: (H, W), bool.
            scale: by how much smaller the level is, at least 1.
            coarse: the output of the level before; None for the first.
            band: pixels at this scale that are painted again along the edge of a hole.
        """
        image, known = shrink(image, known, scale)
        if coarse is None:
            return cls(image, known, np.zeros_like(known))
        image = np.where(known[..., None], image, enlarge(coarse, known.shape))
        return cls(image, known, depth_of(~known) > band)

    @property
    def given(self) -> np.ndarray:
        """(h, w), bool: what the network reads of the image."""
        return self.known | self.settled

    def finished(self, output: np.ndarray, detail: float) -> np.ndarray:
        """The network's output (h, w, 3) for this level, with what is settled, and with detail.

        Where a hole is too narrow for the scale, all is given and the network had nothing to paint.
        """
        if self.given.all():
            output = self.image
        elif self.settled.any():
            output = np.where(self.settled[..., None], self.image, output)
        return transfer_detail(self.image, self.known, output, detail)
