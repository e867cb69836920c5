"""Fine detail from elsewhere in an image, for what was painted at a smaller scale and lacks it.

A simple form of contextual residual aggregation (Yi et al., CVPR 2020, arXiv 2005.09704): for each
patch in a hole, a place in the image is sought whose coarse colors are alike, and its fine detail
is added to the coarse colors of the hole. The best place of a smooth area would be repeated all
over it, as a lattice: so any place will do that is hardly worse, and first the one beside that of
the patch before, as in image analogies (Hertzmann et al., SIGGRAPH 2001).
"""

import math

import cv2
import numpy as np

from madf_jax.inference.distance import depth_of

_FINE = 4.0  # pixels: what a Gaussian of this deviation takes away is fine detail
_SPACING = 12  # pixels between patches, which reach as far to all sides
_OFFSETS = range(-16, 17, 8)  # pixels, down and right: where the colors that describe a place lie
_NEARNESS = 0.5  # a pixel of distance counts like so much difference of one color
_SLACK = 1.5  # a place will do whose difference is not over so many times the least one
_TOLERANCE = 4.0  # and so much in each color
_COLOR = 0.5  # share of the difference in coarse color that is taken over: it tames color casts
_EDGE = 6  # pixels inside a hole over which the detail fades in
_MOST_SOURCES = 10_000  # places that each patch is compared with, about
_AT_ONCE = 256  # patches, to limit the memory of the comparison

Positions = tuple[np.ndarray, np.ndarray]


def transfer_detail(
    image: np.ndarray, known: np.ndarray, painted: np.ndarray, strength: float
) -> np.ndarray:
    """Gives what was painted the fine detail of places in the image that are alike.

    Args:
        image: (H, W, 3), float32 in [0, 255]; pixels under holes are not read.
        known: (H, W), bool.
        painted: (H, W, 3), float32 in [0, 255]; only pixels in holes are read.
        strength: share of the result that has that detail instead of its own, in [0, 1].

    Returns:
        (H, W, 3), float32 in [0, 255]: `painted`, but for pixels in holes. `painted` itself without
        a hole, or without a place far enough from holes and borders to have detail to give.
    """
    usable = _usable(known)
    patches, sources = _patches(~known), _sources(usable)
    if not (strength and len(patches[0]) and len(sources[0])):
        return painted
    coarse = _coarse(image, known, painted)
    places = _alike(coarse, patches, sources, usable)
    hole = np.flatnonzero(~known)
    detailed = _overlapped(image, coarse, patches, places).reshape(-1, 3).take(hole, 0)
    share = strength * np.minimum(depth_of(~known).take(hole) / _EDGE, 1)[:, None]
    result = painted.copy()
    flat = result.reshape(-1, 3)
    flat[hole] = np.clip((1 - share) * flat.take(hole, 0) + share * detailed, 0, 255)
    return result


def _coarse(image: np.ndarray, known: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Without fine detail: of known pixels by themselves, of holes with what surrounds them."""
    weight = _blurred(known.astype(np.float32))
    alone = _blurred(np.where(known[..., None], image, np.float32(0)))
    alone /= np.maximum(weight, np.finfo(np.float32).tiny)[..., None]
    whole = _blurred(np.where(known[..., None], image, painted))
    return np.where(known[..., None], alone, whole)


def _blurred(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), _FINE, borderType=cv2.BORDER_REFLECT)


def _patches(hole: np.ndarray) -> Positions:
    """Centers of patches that together cover the hole."""
    side = 2 * _SPACING + 1
    near = cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8))
    rows, columns = np.nonzero(near[::_SPACING, ::_SPACING])
    return rows * _SPACING, columns * _SPACING


def _usable(known: np.ndarray) -> np.ndarray:
    """Centers of patches inside the image that are all known, as is what their blur reaches."""
    # As patches are square, the larger of the distances down and right.
    distance = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_C, cv2.DIST_MASK_3)
    inside = np.zeros_like(known)
    inside[_SPACING:-_SPACING, _SPACING:-_SPACING] = True
    return inside & (distance > _SPACING + _FINE)


def _sources(usable: np.ndarray) -> Positions:
    """Some of them, on a grid."""
    stride = max(1, math.isqrt(int(usable.sum()) // _MOST_SOURCES))
    rows, columns = np.nonzero(usable[::stride, ::stride])
    return rows * stride, columns * stride


def _alike(
    coarse: np.ndarray, patches: Positions, sources: Positions, usable: np.ndarray
) -> Positions:
    """For each patch, a place that differs little in coarse colors around it and in position."""
    reach = _OFFSETS[-1]
    padded = cv2.copyMakeBorder(coarse, reach, reach, reach, reach, cv2.BORDER_REFLECT)
    wanted, offered = (_descriptions(padded, places) for places in (patches, sources))
    center = offered.mean(axis=0)  # to lose no digits by differences of large squares
    found, limits = _any_of_the_best(wanted - center, offered - center)
    places = sources[0][found], sources[1][found]
    return _continued(padded, patches, wanted, places, limits, usable)


def _descriptions(padded: np.ndarray, places: Positions) -> np.ndarray:
    """(K, D), float32: coarse colors on a grid around each place, and the place itself."""
    rows, columns = (values + _OFFSETS[-1] for values in places)
    colors = [padded[rows + down, columns + right] for down in _OFFSETS for right in _OFFSETS]
    position = _NEARNESS * np.stack(places, axis=1)
    return np.concatenate([*colors, position], axis=1, dtype=np.float32)


def _any_of_the_best(wanted: np.ndarray, offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each description that is wanted, one that will do, and how much it may differ.

    Args:
        wanted: (N, D), float32.
        offered: (M, D), float32.

    Returns:
        (N,), indices of what is offered; and (N,), squared differences.
    """
    squares = np.sum(offered**2, axis=1)
    found, limits = [], []
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        differences = np.sum(some**2, axis=1)[:, None] - 2 * some @ offered.T + squares
        limit = _SLACK * differences.min(axis=1) + _TOLERANCE**2 * wanted.shape[1]
        order = _scrambled(np.arange(start, start + len(some))[:, None], np.arange(len(offered)))
        order[differences > limit[:, None]] = np.iinfo(np.uint32).max
        found.append(order.argmin(axis=1))
        limits.append(limit)
    return np.concatenate(found), np.concatenate(limits)


def _scrambled(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """An arbitrary uint32 for each pair of numbers, the same on every machine and in JavaScript."""
    mixed = a.astype(np.uint32) * np.uint32(0x9E3779B1) + b.astype(np.uint32)
    for factor in (0x21F0AAAD, 0xD35A2D97):
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(factor)
    return mixed ^ (mixed >> np.uint32(15))


def _continued(
    padded: np.ndarray,
    patches: Positions,
    wanted: np.ndarray,
    places: Positions,
    limits: np.ndarray,
    usable: np.ndarray,
) -> Positions:
    """Lets patches go on with what the patch to the left or above shows, where that will do."""
    chosen: dict[tuple[int, int], tuple[int, int]] = {}
    height, width = usable.shape
    rows = np.stack([*patches, *places], axis=1).tolist()
    for (y, x, *place), description, limit in zip(rows, wanted, limits, strict=True):
        for down, right in ((0, _SPACING), (_SPACING, 0)):
            if (before := chosen.get((y - down, x - right))) is None:
                continue
            row, column = before[0] + down, before[1] + right
            if not (row < height and column < width and usable[row, column]):
                continue
            difference = _difference(padded, row, column, description)
            if difference < limit:
                place, limit = [row, column], difference
        chosen[y, x] = place[0], place[1]
    continued = np.array(list(chosen.values()))
    return continued[:, 0], continued[:, 1]


def _difference(padded: np.ndarray, row: int, column: int, description: np.ndarray) -> float:
    """The squared difference of the description of a place from another one."""
    side, step = _OFFSETS[-1] - _OFFSETS[0] + 1, _OFFSETS.step
    around = padded[row : row + side : step, column : column + side : step]
    colors = around.ravel() - description[:-2]
    position = _NEARNESS * np.array([row, column]) - description[-2:]
    return float(colors @ colors + position @ position)


def _overlapped(
    image: np.ndarray, coarse: np.ndarray, patches: Positions, places: Positions
) -> np.ndarray:
    """Coarse colors with the detail of the places; neighboring patches fade into each other."""
    fade = np.hanning(2 * _SPACING + 1).astype(np.float32)  # the sum over neighbors is 1
    window = np.outer(fade, fade)[..., None]
    margin = ((_SPACING, _SPACING), (_SPACING, _SPACING), (0, 0))
    padded = np.pad(coarse, margin)
    total = padded.copy()
    for y, x, from_y, from_x in np.stack([*patches, *places], axis=1).tolist():
        here, there = _around(y + _SPACING, x + _SPACING), _around(from_y, from_x)
        color = coarse[there]
        change = image[there] - color + _COLOR * (color - padded[here])
        total[here] += window * change
    return total[_SPACING:-_SPACING, _SPACING:-_SPACING]


def _around(row: int, column: int) -> tuple[slice, slice]:
    return (
        slice(row - _SPACING, row + _SPACING + 1),
        slice(column - _SPACING, column + _SPACING + 1),
    )
