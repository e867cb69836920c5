"""Masks of LaMa: the holes of one mask are either brush strokes or boxes.

Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", 2022.
"""

import dataclasses

import cv2
import numpy as np

from madf_jax.data.holes import walk

_STROKES_SHARE = 1 / 1.3  # strokes have the weight 1 and boxes 0.3, where a preset has boxes
_CORNERS = 5  # most segments of a stroke
_HEADINGS = 4  # of a segment: 0.01, 1.01, 2.01 or 3.01 radians
_SHORTEST, _THINNEST = 10, 5  # pixels


@dataclasses.dataclass(frozen=True)
class LamaMasks:
    """A preset as a `Draw`; lengths are pixels in an image of `side`, and scale with the image.

    Attributes:
        side: of the images that the preset was made for.
        strokes: fewest and most. A stroke has up to five straight segments; odd and even strokes
            turn to opposite sides.
        width: a segment is 5 pixels wide and up to so many more.
        length: and 10 pixels long and up to so many more.
        boxes: most boxes; 0 for a preset of strokes only.
        box_side: shortest and longest side of a box.
        margin: distance of boxes from the border.
    """

    side: int
    strokes: tuple[int, int]
    width: int
    length: int
    boxes: int = 0
    box_side: tuple[int, int] = (0, 0)
    margin: int = 0

    def __call__(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draws one hole; arguments and result as `Draw` has them."""
        hole = np.zeros((size, size), np.uint8)
        if not self.boxes or rng.random() < _STROKES_SHARE:
            self._draw_strokes(rng, hole)
        else:
            for _ in range(rng.integers(1, self.boxes, endpoint=True)):
                self._draw_box(rng, hole)
        return hole

    def _draw_strokes(self, rng: np.random.Generator, hole: np.ndarray) -> None:
        scale = len(hole) / self.side
        # One stroke more than the preset's number may be drawn, as by its authors.
        count = int(rng.integers(self.strokes[0], self.strokes[1] + 1, endpoint=True))
        shape = (count, _CORNERS)
        segments = rng.integers(1, _CORNERS, count, endpoint=True)
        heading = 0.01 + rng.integers(0, _HEADINGS, shape)
        heading[::2] *= -1
        length = scale * (_SHORTEST + rng.integers(0, self.length, shape))
        width = np.maximum(1, np.rint(scale * (_THINNEST + rng.integers(0, self.width, shape))))
        steps = length[..., None] * np.stack([np.sin(heading), np.cos(heading)], -1)
        corners = walk(rng.integers(0, len(hole), (count, 2)), steps, len(hole))
        for stroke in range(count):
            for i in range(segments[stroke]):
                begin, end = corners[stroke, i], corners[stroke, i + 1]
                cv2.line(hole, begin, end, 1, int(width[stroke, i]))

    def _draw_box(self, rng: np.random.Generator, hole: np.ndarray) -> None:
        size, scale = len(hole), len(hole) / self.side
        margin = round(scale * self.margin)
        sides = rng.integers(*self.box_side, 2, endpoint=True)
        height, width = (max(1, min(round(scale * side), size - 2 * margin)) for side in sides)
        top = rng.integers(margin, size - margin - height, endpoint=True)
        left = rng.integers(margin, size - margin - width, endpoint=True)
        hole[top : top + height, left : left + width] = 1


LAMA = {
    "lama_thick_256": LamaMasks(256, (1, 5), 100, 200, 3, (30, 150), 10),
    "lama_medium_256": LamaMasks(256, (4, 5), 50, 100, 5, (10, 50)),
    "lama_thin_256": LamaMasks(256, (4, 50), 10, 40),
    "lama_thick_512": LamaMasks(512, (1, 5), 250, 450, 4, (30, 300), 10),
    "lama_medium_512": LamaMasks(512, (4, 10), 100, 200, 5, (30, 150)),
    "lama_thin_512": LamaMasks(512, (4, 70), 20, 100),
}
"""The presets of its published test sets by name: width of the holes, side of the images."""
