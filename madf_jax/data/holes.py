"""Holes while they are drawn: uint8 (S, S), 1 = hole, and the share of the image they may take."""

import math
from collections.abc import Callable

import cv2
import numpy as np

Draw = Callable[[np.random.Generator, int], np.ndarray]
"""Draws one hole at random.

Args:
    rng: drawn from.
    size: S, the side in pixels.

Returns:
    uint8 (S, S), 1 = hole. It may be empty.
"""


def pixel_bounds(hole_min: float, hole_max: float, size: int) -> tuple[int, int]:
    """The fewest and the most pixels of a hole whose share lies between two shares."""
    return math.ceil(hole_min * size**2), math.floor(hole_max * size**2)


def walk(start: np.ndarray, steps: np.ndarray, size: int) -> np.ndarray:
    """Corners of strokes whose segments are stopped by the border of the image.

    Args:
        start: (N, 2), pixels, x and y.
        steps: (N, M, 2), from each corner to the next one.
        size: S, the side of the image.

    Returns:
        int32 (N, M + 1, 2), from 0 to S.
    """
    corners = np.empty((len(steps), steps.shape[1] + 1, 2), np.int32)
    corners[:, 0] = start
    for i in range(steps.shape[1]):
        corners[:, i + 1] = np.minimum(np.maximum(corners[:, i] + steps[:, i], 0), size)
    return corners


def with_area(hole: np.ndarray, least: int, most: int) -> np.ndarray:
    """Grows or shrinks a non-empty hole into the bounds, evenly along its border.

    Args:
        hole: uint8 (S, S), 1 = hole.
        least: fewest pixels that it shall have.
        most: most pixels.

    Returns:
        A hole of its shape and dtype; one that is within the bounds stays as it is.
    """
    pixels = int(np.clip(cv2.countNonZero(hole), least, most))
    inside = cv2.distanceTransform(np.pad(hole, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - hole, cv2.DIST_L2, 3)
    order = np.argsort((outside - inside).ravel(), kind="stable")
    resized = np.zeros(hole.size, np.uint8)
    resized[order[:pixels]] = 1
    return resized.reshape(hole.shape)


def draw_within(
    draw: Draw, rng: np.random.Generator, size: int, bounds: tuple[int, int], tries: int
) -> np.ndarray:
    """Draws holes until one has a wanted area, so that those within keep their distribution.

    Args:
        draw: draws one.
        rng: drawn from.
        size: S.
        bounds: fewest and most pixels of the hole.
        tries: after so many, the last one that is not empty is grown or shrunk into the bounds.

    Returns:
        uint8 (S, S), 1 = hole.
    """
    drawn = np.zeros((size, size), np.uint8)
    drawn[size // 2, size // 2] = 1  # if all of them are empty
    for _ in range(tries):
        hole = draw(rng, size)
        pixels = cv2.countNonZero(hole)
        if bounds[0] <= pixels <= bounds[1]:
            return hole
        if pixels:
            drawn = hole
    return with_area(drawn, *bounds)
