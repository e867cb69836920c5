"""Images of any size through a network that needs multiples of 2**depth, under a memory limit."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from madf_jax.errors import UserError
from madf_jax.inference.crops import Box
from madf_jax.inference.tiles import Blend, find_tiles

_OVERLAP = 128  # pixels of neighboring tiles, at least
_Job = tuple[int, Box]
Shape = tuple[int, int, int]


class Program(Protocol):
    """What paints batches on the host: `CompiledNetwork`, or the network of another runtime."""

    @property
    def multiple(self) -> int:
        """Of which sides must be, in pixels."""

    @property
    def batch_size(self) -> int:
        """From how many images at once on nothing is gained."""

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Runs the network, as `CompiledNetwork` does."""

    def compile(self, shape: Shape) -> None:
        """Prepares for batches of a shape (N, H, W)."""

    def working_bytes(self, shape: Shape) -> float:
        """Memory that a call for batches of a shape (N, H, W) takes besides the weights."""


def bucket(side: int, multiple: int) -> int:
    """The length that a side is padded to: few lengths serve all, so that few programs compile.

    Args:
        side: pixels, at least 1.
        multiple: of which the network's sides must be.

    Returns:
        The least `multiple * k` that holds `side`, where k has at most three significant bits: 1 to
        8, 10, 12, 14, 16, 20 and so on. Less than a quarter is added to long sides.
    """
    count = -(-side // multiple)
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step * multiple


def pad(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pads rows below and columns at the right by reflection, however short the array is.

    Args:
        array: (H, W, C); a mask is padded like its image, so that a mirrored hole stays a hole.
        height: at least H.
        width: at least W.

    Returns:
        (height, width, C); the same array if it has that size.
    """
    below, right = height - array.shape[0], width - array.shape[1]
    if not (below or right):
        return array
    return np.pad(array, ((0, below), (0, right), (0, 0)), mode="reflect")


class AnySize:
    """The network for lists of images of any size.

    Args:
        network: compiled for what is needed.
        batch_size: images of one padded shape that are painted at once, at most.
        memory_limit: bytes that one call of the network may take; larger images are painted in
            tiles.
    """

    def __init__(self, network: Program, batch_size: int, memory_limit: float) -> None:
        self._network = network
        self._batch_size = batch_size
        self._memory_limit = memory_limit
        self._overlap = -(-_OVERLAP // network.multiple) * network.multiple

    def __call__(
        self, images: Sequence[np.ndarray], known: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Runs the network.

        Args:
            images: each (H, W, 3), float32 in [0, 255]; pixels under holes are not read.
            known: for each, (H, W), bool.

        Returns:
            For each, (H, W, 3), float32 in [0, 255], also where pixels are known; 0 where an image
            was painted in tiles and no tile with a hole was.

        Raises:
            UserError: not even the smallest tile fits the memory limit.
        """
        # What will likely run is asked about first, so that nothing else is compiled for an answer.
        for size, count in Counter(self.padded(mask.shape) for mask in known).items():
            self._fits((_power_of_two(min(count, self._batch_size)), *size))
        jobs = [
            (index, box)
            for index, mask in enumerate(known)
            for box in self._tiles(mask.shape)
            if not mask[box].all()
        ]
        blends = [Blend(mask.shape, self._overlap) for mask in known]
        for batch in self._batches(jobs, known):
            outputs = self._run(
                [images[index][box] for index, box in batch],
                [known[index][box] for index, box in batch],
            )
            for (index, box), output in zip(batch, outputs, strict=True):
                blends[index].add(box, output)
        return [blend.result() for blend in blends]

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size that an image is padded to."""
        height, width = (bucket(side, self._network.multiple) for side in size)
        return height, width

    def _run(self, images: list[np.ndarray], known: list[np.ndarray]) -> list[np.ndarray]:
        """Runs images of one padded size."""
        size = self.padded(known[0].shape)
        image = np.stack([pad(one, *size) for one in images])
        mask = np.stack([pad(one[..., None], *size) for one in known]).astype(np.uint8)
        outputs = self._network(image, mask)
        return [
            out[: one.shape[0], : one.shape[1]] for out, one in zip(outputs, known, strict=True)
        ]

    def _batches(self, jobs: list[_Job], known: Sequence[np.ndarray]) -> Iterator[list[_Job]]:
        """Jobs of one padded size, as many at once as a power of two: few programs, no padding."""
        groups: defaultdict[tuple[int, int], list[_Job]] = defaultdict(list)
        for index, box in jobs:
            groups[self.padded(known[index][box].shape)].append((index, box))
        for size, group in groups.items():
            at_once = self._at_once(size)
            while group:
                count = min(at_once, _power_of_two(len(group)))
                yield group[:count]
                group = group[count:]

    def _at_once(self, size: tuple[int, int]) -> int:
        count = _power_of_two(self._batch_size)
        while count > 1 and not self._fits((count, *size)):
            count //= 2
        return count

    def _tiles(self, size: tuple[int, int]) -> list[Box]:
        """The whole image if it fits the memory limit, otherwise tiles as large as fit."""
        if self._fits((1, *self.padded(size))):
            return find_tiles(size, max(size), self._overlap, self._network.multiple)
        least = tile = 2 * self._overlap
        if not self._fits((1, least, least)):
            needed = self._network.working_bytes((1, least, least)) / 1e9
            raise UserError(
                f"the memory limit is {self._memory_limit / 1e9:g} GB, "
                f"but a tile of {least}x{least} takes {needed:.2g} GB; raise it"
            )
        while self._fits((1, *self.padded((tile + 1, tile + 1)))):
            tile = self.padded((tile + 1, tile + 1))[0]
        return find_tiles(size, tile, self._overlap, self._network.multiple)

    def _fits(self, shape: Shape) -> bool:
        return self._network.working_bytes(shape) <= self._memory_limit


def _power_of_two(number: int) -> int:
    """The largest power of two that is not above a number."""
    return 1 << (number.bit_length() - 1)
