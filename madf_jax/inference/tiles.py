"""Images too large for one call of the network: overlapping tiles with blended seams."""

from collections.abc import Iterator

import numpy as np

from madf_jax.inference.crops import Box


def find_tiles(size: tuple[int, int], tile: int, overlap: int, multiple: int) -> list[Box]:
    """Boxes that cover an image, each at most `tile` on a side.

    Args:
        size: height and width of the image.
        tile: side of a tile, a multiple of `multiple`.
        overlap: of neighbors, at least, a multiple of `multiple` and less than `tile`.
        multiple: tiles begin at multiples of it, so that the network's grid lies the same in all.

    Returns:
        Rows and columns of each tile.
    """
    rows, columns = (list(_spans(side, tile, overlap, multiple)) for side in size)
    return [(row, column) for row in rows for column in columns]


def _spans(side: int, tile: int, overlap: int, multiple: int) -> Iterator[slice]:
    if side <= tile:
        yield slice(0, side)
        return
    last = -(-(side - tile) // multiple) * multiple
    for start in range(0, last, tile - overlap):
        yield slice(start, start + tile)
    yield slice(last, side)


class Blend:
    """The weighted mean of overlapping tiles.

    Args:
        size: height and width of the image.
        overlap: of neighboring tiles. Their weights cross over in its middle half: what a tile
            makes of the pixels along its edge, without seeing past it, does not count.
    """

    def __init__(self, size: tuple[int, ...], overlap: int) -> None:
        self._size = size
        self._overlap = overlap
        self._whole: np.ndarray | None = None
        self._sum = self._weight = np.zeros(())

    def add(self, box: Box, output: np.ndarray) -> None:
        """Adds a tile, (h, w, 3) float32."""
        if output.shape[:2] == self._size:
            self._whole = output
            return
        if not self._sum.ndim:
            self._sum = np.zeros((*self._size, 3), np.float32)
            self._weight = np.zeros((*self._size, 1), np.float32)
        rows, columns = (self._ramp(part, side) for part, side in zip(box, self._size, strict=True))
        weight = (rows[:, None] * columns)[..., None]
        self._sum[box] += weight * output
        self._weight[box] += weight

    def result(self) -> np.ndarray:
        """(H, W, 3), float32; 0 where no tile was added."""
        if self._whole is not None:
            return self._whole
        if not self._sum.ndim:
            return np.zeros((*self._size, 3), np.float32)
        return self._sum / np.maximum(self._weight, np.finfo(np.float32).tiny)

    def _ramp(self, part: slice, side: int) -> np.ndarray:
        """Weights along one side of a tile: 1, but for a ramp to 0 at edges inside the image."""
        index = np.arange(part.stop - part.start, dtype=np.float32) + 0.5
        quarter = self._overlap / 4
        before = np.full_like(index, np.inf) if part.start == 0 else index
        after = np.full_like(index, np.inf) if part.stop == side else len(index) - index
        return np.clip((np.minimum(before, after) - quarter) / (2 * quarter), 0, 1)
