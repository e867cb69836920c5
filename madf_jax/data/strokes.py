"""The project's own masks: brush strokes and boxes, until the share of the hole is right."""

import dataclasses

import cv2
import numpy as np

from madf_jax.data.holes import pixel_bounds, with_area

TRIES = 12
STROKE_POINTS = (4, 12)  # corners of one brush stroke
STROKE_STEP = (0.05, 0.25)  # length of one segment, share of the side
TURN = 0.7  # radians, standard deviation of the change of heading at a corner


@dataclasses.dataclass(frozen=True)
class StrokesAndBoxes:
    """Random brush strokes and boxes that cover a share of the image within given bounds.

    All lengths are fractions of the image's side, so one setting fits every size. Similar to the
    generators of Suvorov et al. 2022 and Zhao et al. 2021, who draw strokes with momentum, and
    boxes, until the share is right.

    Attributes:
        hole_min: smallest share of hole pixels.
        hole_max: largest share, at least 0.01 above `hole_min`.
        strokes: fewest and most strokes; each is a random walk that turns a little at each corner.
        stroke_width: thinnest and thickest brush.
        boxes: fewest and most axis-parallel boxes.
        box_side: shortest and longest side of a box.
    """

    hole_min: float = 0.1
    hole_max: float = 0.4
    strokes: tuple[int, int] = (1, 5)
    stroke_width: tuple[float, float] = (0.05, 0.15)
    boxes: tuple[int, int] = (0, 2)
    box_side: tuple[float, float] = (0.1, 0.4)

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """Draws one mask; `index` does not matter.

        Args:
            rng: drawn from.
            size: S, the side in pixels, at least 16.
            index: ignored.

        Returns:
            uint8 (S, S, 1), 1 = known, 0 = hole.
        """
        least, most = pixel_bounds(self.hole_min, self.hole_max, size)
        hole = discarded = np.zeros((size, size), np.uint8)
        for _ in range(TRIES):
            self._draw(rng, hole)
            pixels = cv2.countNonZero(hole)
            if least <= pixels <= most:
                break
            if pixels > most:  # a small hole is drawn on, a large one is started over
                hole, discarded = np.zeros_like(hole), hole
        else:
            hole = with_area(hole if hole.any() else discarded, least, most)
        hole ^= 1
        return hole[..., None]

    def name(self, index: int) -> str:
        """`generated-INDEX`: with the seed of the evaluation it determines the mask."""
        return f"generated-{index}"

    def _draw(self, rng: np.random.Generator, hole: np.ndarray) -> None:
        strokes, boxes = (int(rng.integers(*n, endpoint=True)) for n in (self.strokes, self.boxes))
        if strokes + boxes == 0:  # an empty hole could not grow
            strokes, boxes = (1, 0) if self.strokes[1] else (0, 1)
        if strokes:
            self._stroke(rng, hole, strokes)
        for _ in range(boxes):
            self._box(rng, hole)

    def _stroke(self, rng: np.random.Generator, hole: np.ndarray, count: int) -> None:
        size, (fewest, most) = len(hole), STROKE_POINTS
        corners = rng.integers(fewest, most, count, endpoint=True)
        turns = np.cumsum(rng.normal(0, TURN, (count, most)), axis=1)
        heading = rng.uniform(0, 2 * np.pi, (count, 1)) + turns
        step = rng.uniform(*STROKE_STEP, (count, most, 1))
        walk = np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], -1), axis=1)
        start = rng.uniform(0, 1, (count, 1, 2))
        inside = 1 - np.abs((start + walk) % 2 - 1)  # reflected at the borders
        points = np.round(inside * (size - 1)).astype(np.int32)
        widths = np.maximum(1, np.round(rng.uniform(*self.stroke_width, count) * size))
        for line, corner, width in zip(points, corners, widths, strict=True):
            cv2.polylines(hole, [line[:corner]], isClosed=False, color=1, thickness=int(width))

    def _box(self, rng: np.random.Generator, hole: np.ndarray) -> None:
        size = len(hole)
        height, width = (max(1, round(side * size)) for side in rng.uniform(*self.box_side, 2))
        top = rng.integers(0, size - height, endpoint=True)
        left = rng.integers(0, size - width, endpoint=True)
        hole[top : top + height, left : left + width] = 1
