"""Where in an image there is something to paint: boxes around the holes with what they need."""

import math

import cv2
import numpy as np

from madf_jax.inference.distance import hole_width

Box = tuple[slice, slice]

_BLOCK = 16  # pixels; boxes are found on blocks of so many, since images may be large


def find_crops(hole: np.ndarray, margin: int) -> list[Box]:
    """Boxes that together hold all of the hole, none overlapping another.

    Holes nearer to each other than twice the margin share a box. If painting the boxes were hardly
    less than painting the whole image, the whole image is the one box.

    Args:
        hole: (H, W), bool.
        margin: pixels of context around each hole, at least; a hole that is wider than this gets
            as many as it is wide.

    Returns:
        Rows and columns of each box, from top to bottom; none if there is no hole.
    """
    height, width = hole.shape
    margin = min(margin, max(height, width))
    boxes = []
    for neighborhood in _neighborhoods(hole, margin):
        part = _bounds(hole, neighborhood)
        with_known_pixels = _grown(part, 1, hole.shape)
        context = max(margin, math.ceil(hole_width(hole[with_known_pixels])))
        boxes.append(_grown(part, context, hole.shape))
    boxes = _merged(boxes)
    if sum(map(_area, boxes)) > 0.75 * height * width:
        return [(slice(0, height), slice(0, width))]
    return sorted(boxes, key=lambda box: (box[0].start, box[1].start))


def _neighborhoods(hole: np.ndarray, margin: int) -> list[Box]:
    """Boxes, in pixels, around groups of holes less than about two margins apart."""
    rows, columns = (-(-side // _BLOCK) for side in hole.shape)
    padding = (rows * _BLOCK - hole.shape[0], columns * _BLOCK - hole.shape[1])
    padded = np.pad(hole, ((0, padding[0]), (0, padding[1])))
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3))
    reach = 2 * -(-margin // _BLOCK) + 1
    near = cv2.dilate(blocks.astype(np.uint8), np.ones((reach, reach), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(near)
    return [
        (slice(y * _BLOCK, (y + h) * _BLOCK), slice(x * _BLOCK, (x + w) * _BLOCK))
        for x, y, w, h, _ in stats[1:].tolist()
    ]


def _bounds(hole: np.ndarray, box: Box) -> Box:
    """The smallest box around what is hole in a box.

    A neighborhood's box may hold holes of another neighborhood; their boxes then overlap and become
    one.
    """
    sides = (np.flatnonzero(hole[box].any(axis=axis)) for axis in (1, 0))
    rows, columns = (
        slice(start.start + int(found[0]), start.start + int(found[-1]) + 1)
        for start, found in zip(box, sides, strict=True)
    )
    return rows, columns


def _grown(box: Box, by: int, size: tuple[int, ...]) -> Box:
    rows, columns = (
        slice(max(0, part.start - by), min(side, part.stop + by))
        for part, side in zip(box, size, strict=True)
    )
    return rows, columns


def _merged(boxes: list[Box]) -> list[Box]:
    """Boxes that overlap become one around both, until none do."""
    apart: list[Box] = []
    for box in boxes:
        while touching := [other for other in apart if _overlap(box, other)]:
            apart = [other for other in apart if other not in touching]
            for other in touching:
                box = _around(box, other)
        apart.append(box)
    return apart


def _overlap(a: Box, b: Box) -> bool:
    return all(x.start < y.stop and y.start < x.stop for x, y in zip(a, b, strict=True))


def _around(a: Box, b: Box) -> Box:
    rows, columns = (
        slice(min(x.start, y.start), max(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def _area(box: Box) -> int:
    return (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
