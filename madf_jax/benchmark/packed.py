"""Reading a packed set, compared with reading the folder that it was made of, on one thread."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from grain.sources import ArrayRecordDataSource

from madf_jax.benchmark.measure import Measurement
from madf_jax.data.folder_source import FolderSource
from madf_jax.data.packed_source import PackedSource
from madf_jax.data.packing import PackOptions, pack

_COUNTED = 960

Read = Callable[[int], object]


def measure_packed(folder: Path, size: int) -> list[Measurement]:
    """Images and bytes in random order, of the packed set and of the folder in turn.

    The files were read just before, so they come from memory: what a disk or a network adds, which
    is where a few large files are faster, is not measured.

    Args:
        folder: of images.
        size: of their shorter side, for the rows.

    Returns:
        Measurements, medians in seconds for an image, with the folder as the reference:
        'read packed' decodes the images, 'read packed, bytes' only reads them.
    """
    with TemporaryDirectory() as directory:
        packed = pack(folder, Path(directory, "packed"), PackOptions())
        ours, theirs = PackedSource(Path(directory, "packed")), FolderSource(folder)
        records = ArrayRecordDataSource(
            [str(Path(directory, "packed", file.name)) for file in packed.files]
        )
        reads: dict[str, tuple[Read, Read]] = {
            "read packed": (ours.__getitem__, theirs.__getitem__),
            "read packed, bytes": (
                records.__getitem__,
                lambda index: Path(folder, theirs.names[index]).read_bytes(),
            ),
        }
        return [_compare(name, size, len(ours), *pair) for name, pair in reads.items()]


def _compare(name: str, size: int, images: int, ours: Read, theirs: Read) -> Measurement:
    """Medians over single images, read by both in turn: other programs disturb both alike."""
    order = np.random.default_rng(0).integers(images, size=_COUNTED).tolist()
    pairs = []
    for number, index in enumerate([*range(images), *order]):
        if number % 2:
            theirs_seconds, ours_seconds = _seconds(theirs, index), _seconds(ours, index)
        else:
            ours_seconds, theirs_seconds = _seconds(ours, index), _seconds(theirs, index)
        pairs.append((ours_seconds, theirs_seconds))
    packed, folder = np.median(pairs[images:], axis=0).tolist()  # the first round is a warm-up
    return Measurement(name, size, 1, "uint8", packed, folder, folder / packed)


def _seconds(read: Read, index: int) -> float:
    start = time.perf_counter()
    read(index)
    return time.perf_counter() - start
