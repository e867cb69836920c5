"""Masks drawn on the fly or read from a folder: uint8 (S, S, 1), 1 = known, 0 = hole."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from madf_jax.data.mask_folder import MaskFolder, PairedMasks
from madf_jax.data.options import MaskOptions
from madf_jax.errors import UserError

TRIES = 12
STROKE_POINTS = (4, 12)  # corners of one brush stroke
STROKE_STEP = (0.05, 0.25)  # length of one segment, share of the side
TURN = 0.7  # radians, standard deviation of the change of heading at a corner


class Masks(Protocol):
    """A source of masks, as the pipeline uses it."""

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """The mask for example `index`, uint8 (size, size, 1), 1 = known."""

    def name(self, index: int) -> str:
        """Name, in reports, of the mask of held-out example `index`."""


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
        least, most = math.ceil(self.hole_min * size**2), math.floor(self.hole_max * size**2)
        hole = discarded = np.zeros((size, size), np.uint8)
        for _ in range(TRIES):
            self._draw(rng, hole)
            pixels = cv2.countNonZero(hole)
            if least <= pixels <= most:
                break
            if pixels > most:  # a small hole is drawn on, a large one is started over
                hole, discarded = np.zeros_like(hole), hole
        else:
            hole = _with_area(hole if hole.any() else discarded, least, most)
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


def open_masks(options: MaskOptions, *, images: Sequence[str] | None = None) -> Masks:
    """Opens the masks that section `masks` names, and logs what was found.

    Args:
            options: the section.
            images: names of the held-out images, which masks of a folder are paired with; None for
                    training, where masks are drawn at random.

    Raises:
            UserError: the folder is missing or unusable.
    """
    if options.source == "generator":
        fields = [field.name for field in dataclasses.fields(StrokesAndBoxes)]
        return StrokesAndBoxes(**{name: getattr(options, name) for name in fields})
    key = "train_path" if images is None else "evaluation_path"
    directory = getattr(options, key)
    if not directory:
        raise UserError(f"masks.source = 'folder' needs masks.{key}, a folder of masks")
    folder = MaskFolder(
        directory, options.hole, options.rotate_degrees, options.flip, key=f"masks.{key}"
    )
    return folder if images is None else PairedMasks(folder, images)


def _with_area(hole: np.ndarray, least: int, most: int) -> np.ndarray:
    """Grows or shrinks a non-empty hole into the bounds, evenly along its border."""
    pixels = int(np.clip(cv2.countNonZero(hole), least, most))
    inside = cv2.distanceTransform(np.pad(hole, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - hole, cv2.DIST_L2, 3)
    order = np.argsort((outside - inside).ravel(), kind="stable")
    resized = np.zeros(hole.size, np.uint8)
    resized[order[:pixels]] = 1
    return resized.reshape(hole.shape)
