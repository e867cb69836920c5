"""Masks: drawn on the fly, or taken from a folder. Always uint8 (S, S, 1), 1 = known, 0 = hole."""

import dataclasses
import math
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from absl import logging
from PIL import Image

from madf_jax.data.listing import digest, list_images
from madf_jax.data.mask_files import read_mask_file
from madf_jax.data.options import MaskOptions
from madf_jax.errors import UserError

TRIES = 12
STROKE_POINTS = (4, 12)  # corners of one brush stroke
STROKE_STEP = (0.05, 0.25)  # length of one segment, share of the side
TURN = 0.7  # radians, standard deviation of the change of heading at a corner

MASKS_LOOKED_AT = 64
SUSPICIOUS_HOLE = 0.8


class Masks(Protocol):
    """What the pipeline asks of masks."""

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """The mask for example `index`, uint8 (size, size, 1), 1 = known."""

    def name(self, index: int) -> str:
        """What reports call the mask of held-out example `index`."""


@dataclasses.dataclass(frozen=True)
class StrokesAndBoxes:
    """Brush strokes and boxes; the hole's share of the image always lies inside the bounds.

    All lengths are shares of the image's side, so one setting serves every size. After Suvorov et
    al. 2022 and Zhao et al. 2021, who draw strokes with momentum and boxes until the share suits.

    Attributes:
      hole_min: least share of hole pixels.
      hole_max: greatest share, at least 0.01 above.
      strokes: fewest and most strokes; each walks at random, turning a little at each corner.
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
          rng: consumed.
          size: S, the side in pixels, at least 16.
          index: ignored.

        Returns:
          uint8 (S, S, 1), 1 = known, 0 = hole.
        """
        least, most = math.ceil(self.hole_min * size**2), math.floor(self.hole_max * size**2)
        hole = spoilt = np.zeros((size, size), np.uint8)
        for _ in range(TRIES):
            self._draw(rng, hole)
            pixels = cv2.countNonZero(hole)
            if least <= pixels <= most:
                break
            if pixels > most:  # too small a hole is drawn on, too large a one is begun again
                hole, spoilt = np.zeros_like(hole), hole
        else:
            hole = _with_area(hole if hole.any() else spoilt, least, most)
        hole ^= 1
        return hole[..., None]

    def name(self, index: int) -> str:
        """`generated-INDEX`: the mask follows from this and the seed of the evaluation."""
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
        inside = 1 - np.abs((start + walk) % 2 - 1)  # thrown back at the borders
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


class MaskFolder:
    """Mask images from a folder, resized by nearest neighbor; any mask goes with any image.

    Args:
      directory: searched recursively.
      hole: 'black' or 'white', the color that marks the hole in the files.
      rotate_degrees: a drawn mask is turned by up to this much either way; corners become hole.
      flip: mirror half of the drawn masks.
      paired: for evaluation: example i gets mask i as it is (from the start again when they run
        out) and nothing is drawn.

    Raises:
      UserError: no folder, no masks, or among those looked at a broken one or no hole at all.
    """

    def __init__(
        self,
        directory: Path | str,
        hole: str = "black",
        rotate_degrees: float = 10.0,
        flip: bool = True,
        *,
        paired: bool = False,
    ) -> None:
        self.directory = Path(directory)
        self.hole = hole
        self.rotate_degrees = rotate_degrees
        self.flip = flip
        self.paired = paired
        self.names = list_images(self.directory).names
        self._warn_if_suspicious()

    def __len__(self) -> int:
        return len(self.names)

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """A drawn mask, or with `paired` the mask for example `index`.

        Returns:
          uint8 (size, size, 1), 1 = known, 0 = hole.

        Raises:
          UserError: the file is missing or broken.
        """
        if self.paired:
            return self._read(index % len(self), size)
        mask = self._read(int(rng.integers(len(self))), size)
        angle = rng.uniform(-self.rotate_degrees, self.rotate_degrees)
        upright = Image.fromarray(mask[..., 0])
        turned = np.array(upright.rotate(angle, Image.Resampling.NEAREST, fillcolor=0))[..., None]
        mirror = rng.random() < 0.5 and self.flip
        return np.ascontiguousarray(turned[:, ::-1]) if mirror else turned

    def name(self, index: int) -> str:
        """Path, relative to the folder, of the mask paired with example `index`."""
        return self.names[index % len(self)]

    def __repr__(self) -> str:
        """Settings and a digest of the names; not the folder, which may move."""
        return (
            f"MaskFolder(masks={len(self)}, names={digest(self.names)!r}, hole={self.hole!r}, "
            f"rotate_degrees={self.rotate_degrees}, flip={self.flip}, paired={self.paired})"
        )

    def _read(self, index: int, size: int) -> np.ndarray:
        try:
            return read_mask_file(self.directory / self.names[index]).mask(self.hole, size)
        except UserError as error:
            raise UserError(f"{error}; no mask is skipped: mend or remove it") from None

    def _warn_if_suspicious(self) -> None:
        count = min(len(self), MASKS_LOOKED_AT)
        looked_at = np.linspace(0, len(self) - 1, count).astype(int)
        share = 1 - np.mean([self._read(index, 64).mean() for index in looked_at])
        other = "white" if self.hole == "black" else "black"
        if share == 0:
            raise UserError(
                f"{self.directory}: {self.hole} is taken as the hole, and none of {count} masks "
                f"looked at has one; if {other} marks the hole, set masks.hole = {other!r}"
            )
        if share > SUSPICIOUS_HOLE:
            logging.warning(
                "%s: %s is taken as the hole, and %d masks looked at are %.0f %% hole on average. "
                "If %s marks the hole, set masks.hole = %r.",
                *(self.directory, self.hole, count, 100 * share, other, other),
            )


def open_masks(options: MaskOptions, *, training: bool) -> Masks:
    """Opens the masks that section `masks` names.

    Args:
      options: the section.
      training: masks drawn at random, else a folder's masks are paired with examples by index.

    Raises:
      UserError: the folder is missing or unusable.
    """
    if options.source == "generator":
        fields = [field.name for field in dataclasses.fields(StrokesAndBoxes)]
        return StrokesAndBoxes(**{name: getattr(options, name) for name in fields})
    key = "train_path" if training else "evaluation_path"
    directory = getattr(options, key)
    if not directory:
        raise UserError(f"masks.source = 'folder' needs masks.{key}, a folder of masks")
    return MaskFolder(
        directory, options.hole, options.rotate_degrees, options.flip, paired=not training
    )


def _with_area(hole: np.ndarray, least: int, most: int) -> np.ndarray:
    """Grows or shrinks a hole, not empty, to `least` or `most` pixels, evenly along its border."""
    pixels = int(np.clip(cv2.countNonZero(hole), least, most))
    inside = cv2.distanceTransform(np.pad(hole, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - hole, cv2.DIST_L2, 3)
    order = np.argsort((outside - inside).ravel(), kind="stable")
    resized = np.zeros(hole.size, np.uint8)
    resized[order[:pixels]] = 1
    return resized.reshape(hole.shape)
