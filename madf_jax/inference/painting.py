"""Images as pixels, masks as known pixels: what is cut out, painted, and put back."""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from madf_jax.errors import UserError
from madf_jax.imaging.layouts import Layout
from madf_jax.imaging.rasters import Raster
from madf_jax.inference.crops import Box, find_crops
from madf_jax.inference.distance import hole_width
from madf_jax.inference.scale import Paint, fill
from madf_jax.inference.seam import feather

_LEAST_SCALE = 1.25  # below, resampling costs more than a slightly wide hole


@dataclasses.dataclass(frozen=True)
class PaintOptions:
    """How an image is painted.

    Attributes:
        scale: by how much smaller a hole is painted first, at least 1; then its edge is painted
            again at finer scales (`scale.fill`). 'auto' chooses for each crop what makes its widest
            hole as wide as those that the weights were trained on.
        dilate: pixels that the hole grows by on all sides, for masks that leave an edge.
        feather: pixels inside the hole over which a step of color at its edge fades out; 0 leaves
            what the network painted.
        margin: pixels of context around a hole, at least; wide holes get more. Holes farther apart
            are painted apart.
        detail: share of fine detail, in [0, 1], that what was painted at a smaller scale first
            takes over from the rest of the image (`detail.transfer_detail`).
    """

    scale: float | Literal["auto"] = "auto"
    dilate: int = 0
    feather: int = 6
    margin: int = 128
    detail: float = 0.8

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong option."""
        if self.scale != "auto" and not (_is_number(self.scale) and 1 <= self.scale < math.inf):
            raise UserError(f"scale must be 'auto' or a number of at least 1, got {self.scale!r}")
        if not (_is_number(self.detail) and 0 <= self.detail <= 1):
            raise UserError(f"detail must be a number from 0 to 1, got {self.detail!r}")
        for name in ("dilate", "feather", "margin"):
            value = getattr(self, name)
            if not (_is_number(value) and isinstance(value, numbers.Integral) and int(value) >= 0):
                raise UserError(f"{name} must be a whole number of pixels, got {value!r}")


def paint_rasters(
    paint: Paint,
    rasters: Sequence[Raster],
    known: Sequence[np.ndarray],
    options: PaintOptions,
    trained_width: float,
) -> list[np.ndarray]:
    """Paints holes; all other pixels stay bit-identical.

    Fully transparent pixels have no color: the network does not read them and they stay as they
    are, unless the whole hole is transparent (it was erased). Then it becomes opaque.

    Args:
        paint: the network for any size.
        rasters: the images.
        known: for each, (H, W), bool, True = known, False = hole.
        options: how.
        trained_width: of holes that the weights were trained on, in pixels.

    Returns:
        For each image, pixels of the same shape and dtype.
    """
    crops = [
        crop
        for index, (raster, mask) in enumerate(zip(rasters, known, strict=True))
        for crop in _cut(index, raster, mask, options)
    ]
    planes = [(crop, plane) for crop in crops for plane in crop.planes]
    outputs = fill(
        paint,
        [plane for _, plane in planes],
        [crop.known for crop, _ in planes],
        [_scale(crop.hole, options, trained_width) for crop, _ in planes],
        options.detail,
    )
    finished = (
        feather(plane, crop.known, output, options.feather)
        for (crop, plane), output in zip(planes, outputs, strict=True)
    )
    painted = [raster.pixels for raster in rasters]
    for index in {crop.index for crop in crops}:
        painted[index] = painted[index].copy()
    for crop in crops:
        mine = [next(finished) for _ in crop.planes]
        _put(painted[crop.index][crop.box], crop.hole, rasters[crop.index].layout, mine)
    return painted


def _put(pixels: np.ndarray, hole: np.ndarray, layout: Layout, planes: list[np.ndarray]) -> None:
    """Writes what was painted into the pixels of a crop."""
    holes = np.flatnonzero(hole)  # indices are many times faster than masks
    changed = np.ascontiguousarray(pixels).reshape(-1, pixels.shape[-1])
    colors = [plane.reshape(-1, 3).take(holes, 0) for plane in planes]
    changed[holes] = layout.painted(changed.take(holes, 0), colors)
    pixels[...] = changed.reshape(pixels.shape)


@dataclasses.dataclass(frozen=True)
class _Crop:
    """A part of an image with something to paint.

    Attributes:
        index: of the image.
        box: its rows and columns.
        hole: (h, w), bool: what is painted.
        known: (h, w), bool: what the network reads.
        planes: what of the image is painted, each (h, w, 3), float32 in [0, 255].
    """

    index: int
    box: Box
    hole: np.ndarray
    known: np.ndarray
    planes: list[np.ndarray]


def _cut(index: int, raster: Raster, known: np.ndarray, options: PaintOptions) -> list[_Crop]:
    hole = _dilate(~known, options.dilate)
    visible = raster.layout.opacity(raster.pixels) > 0
    painted = hole & visible if (hole & visible).any() else hole
    crops = []
    for box in find_crops(painted, options.margin):
        read = ~hole[box] & visible[box]
        planes = raster.layout.planes(raster.pixels[box])
        crops.append(_Crop(index, box, painted[box], read, planes))
    return crops


def _scale(hole: np.ndarray, options: PaintOptions, trained_width: float) -> float:
    if options.scale != "auto":
        return float(options.scale)
    scale = hole_width(hole) / trained_width
    return scale if scale >= _LEAST_SCALE else 1.0


def _dilate(hole: np.ndarray, by: int) -> np.ndarray:
    if not by or not hole.any():
        return hole
    # One pass however far, unlike a morphological filter.
    known = (~hole).astype(np.uint8)
    return cv2.distanceTransform(known, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= by


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
