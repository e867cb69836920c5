"""Boxes and strokes of CoModGAN, in the two strengths that MAT trains and evaluates on.

Zhao et al., "Large Scale Image Completion via Co-Modulated Generative Adversarial Networks", 2021;
Li et al., "MAT: Mask-Aware Transformer for Large Hole Image Inpainting", 2022.
"""

import dataclasses
import math

import cv2
import numpy as np

from madf_jax.data.holes import walk

_SEGMENTS = (4, 17)  # of a stroke, fewest and most
_ANGLE, _SPREAD = 2 * math.pi / 5, 2 * math.pi / 15  # of a zigzag
_WIDTH = (12, 48)  # pixels
_RADIUS = 1 / 8  # mean length of a segment, share of the diagonal


@dataclasses.dataclass(frozen=True)
class CoModGanMasks:
    """A preset as a `Draw`; widths of strokes are pixels in an image of `side`, and scale with it.

    A count below is an upper bound that is not reached: 5 means 0 to 4.

    Attributes:
        side: of the images that the preset was made for.
        small_boxes: count of boxes with sides up to half of the image's.
        large_boxes: count of boxes with sides up to the image's.
        strokes: count of strokes, zigzags of 4 to 17 segments with round corners.
        lowered: whether the counts are lowered for ranges of small holes.
        factor: that they are lowered by, up to 1.
    """

    side: int
    small_boxes: int
    large_boxes: int
    strokes: int
    lowered: bool = True
    factor: float = 1.0

    def for_shares(self, hole_min: float, hole_max: float) -> "CoModGanMasks":
        """The preset for holes within a range of shares."""
        factor = min(hole_min + hole_max, 1.0) if self.lowered else 1.0
        return dataclasses.replace(self, factor=factor)

    def __call__(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draws one hole; arguments and result as `Draw` has them."""
        hole = np.zeros((size, size), np.uint8)
        for count, longest in ((self.small_boxes, size // 2), (self.large_boxes, size)):
            for _ in range(self._number(rng, count, 1)):
                _draw_box(rng, hole, longest)
        # At least one stroke is possible, or no hole of a few percent would ever be drawn.
        return hole | self._draw_strokes(rng, size, self._number(rng, self.strokes, 2))

    def _number(self, rng: np.random.Generator, count: int, least: int) -> int:
        return int(rng.integers(0, max(least, int(count * self.factor))))

    def _draw_strokes(self, rng: np.random.Generator, size: int, count: int) -> np.ndarray:
        hole = np.zeros((size, size), np.uint8)
        segments = rng.integers(*_SEGMENTS, count, endpoint=True)
        corners = walk(rng.integers(0, size, (count, 2)), _zigzags(rng, size, count), size)
        widths = np.maximum(1, np.rint(rng.uniform(*_WIDTH, count) * size / self.side))
        for stroke in range(count):
            # Thick lines of OpenCV end in half circles: corners come out round.
            line = corners[stroke, : segments[stroke] + 1]
            cv2.polylines(hole, [line], isClosed=False, color=1, thickness=int(widths[stroke]))
        return np.flip(hole, tuple(axis for axis in (0, 1) if rng.random() < 0.5))


COMODGAN = {
    "comodgan_256": CoModGanMasks(256, 5, 3, 9),
    "comodgan_512": CoModGanMasks(512, 5, 3, 9),
    "comodgan_small_256": CoModGanMasks(256, 2, 2, 3, lowered=False),
    "comodgan_small_512": CoModGanMasks(512, 3, 2, 4, lowered=False),
}
"""MAT's masks for large and for small holes by name, with the side of the images."""


def _draw_box(rng: np.random.Generator, hole: np.ndarray, longest: int) -> None:
    """A box whose center is in the image; sides of 0 to `longest` - 1 pixels."""
    height, width = rng.integers(0, longest, 2)
    top = int(rng.integers(-(height // 2), len(hole) - height + height // 2))
    left = int(rng.integers(-(width // 2), len(hole) - width + width // 2))
    hole[max(top, 0) : top + height, max(left, 0) : left + width] = 1


def _zigzags(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Steps (count, segments, 2), x and y in pixels; every other one turns to the other side."""
    shape = (count, _SEGMENTS[1])
    least, most = (_ANGLE + sign * rng.uniform(0, _SPREAD, (count, 1)) for sign in (-1, 1))
    heading = rng.uniform(least, most, shape)
    heading[:, ::2] *= -1
    radius = math.sqrt(2) * size * _RADIUS
    length = np.clip(rng.normal(radius, radius // 2, shape), 0, 2 * radius)
    return length[..., None] * np.stack([np.cos(heading), np.sin(heading)], -1)
