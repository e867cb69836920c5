"""How many images a second one core makes into examples: read, decoded, cropped, with a mask."""

import contextlib
import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import grain
import numpy as np

from madf_jax.benchmark.stored import Photographs, Stored, store
from madf_jax.data.masks import open_masks
from madf_jax.data.options import MaskOptions
from madf_jax.data.pipeline import training_data
from madf_jax.data.sources import open_images
from madf_jax.data.transforms import random_crop

# As Places2's large archive (512 pixels on the shorter side), larger ones, and its small archive.
EACH_SIZE = (
    Photographs("1.5 megapixels", (1414, 1061), 512),
    Photographs("683x512", (683, 512), 512),
    Photographs("256x256", (256, 256), 256),
)
_BATCH = 4
_ROUNDS = 3
_PARTS_OF = 32  # images


@dataclasses.dataclass(frozen=True)
class Cost:
    """What an example costs.

    Attributes:
        cpu: seconds of the core; hardly depends on what else the machine does.
        wall: seconds that passed.
        disk: bytes that came from the disk; None where the system does not count them.
    """

    cpu: float
    wall: float
    disk: float | None


@dataclasses.dataclass(frozen=True)
class Feeding:
    """One way of storing images, read on one core.

    Attributes:
        photographs: their size.
        size: side of the crops, pixels.
        stored: the way.
        bytes: that an image takes as stored.
        cold: with nothing of it in memory.
        warm: with all of it in memory.
        decode: seconds of the core to read and decode one, with all in memory.
        crop: seconds of the core to cut and resize the crop.
        mask: seconds of the core to draw the mask.
    """

    photographs: str
    size: int
    stored: str
    bytes: float
    cold: Cost
    warm: Cost
    decode: float
    crop: float
    mask: float

    @property
    def rate(self) -> float:
        """Examples that a core makes in a second, from a cold cache."""
        return 1 / self.cold.cpu


def measure_feeding(photographs: Photographs, count: int) -> list[Feeding]:
    """Every way of storing so many images, each read in full from a cold and a warm cache.

    Medians of three rounds, each over all images in random order, on one core. Examples are those
    of training, with generated masks, made by one thread without anything ahead.

    Raises:
        UserError: as `store`.
    """
    with TemporaryDirectory(prefix="madf-jax-") as directory, one_core():
        return [
            _measure(photographs, stored, count)
            for stored in store(photographs, count, Path(directory))
        ]


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keeps this thread, and those that it starts, on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):  # macOS
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def forget(files: Sequence[Path]) -> None:
    """Drops what the system holds of files in memory; what is not yet on the disk goes there.

    Names and places of files stay known: of a folder that the system has never listed, even less
    is in memory.
    """
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _measure(photographs: Photographs, stored: Stored, count: int) -> Feeding:
    data = training_data(stored.images, MaskOptions(), seed=0, batch_size=_BATCH)
    batches, cold, warm = count // _BATCH, [], []
    for number in range(_ROUNDS):
        epoch = range(number * batches, (number + 1) * batches)
        forget(stored.files)
        cold.append(_read(data.dataset, epoch))
        warm.append(_read(data.dataset, epoch))
    size = sum(file.stat().st_size for file in stored.files) / count
    subject = (photographs.name, photographs.size, stored.name)
    return Feeding(*subject, size, _median(cold), _median(warm), *_parts(stored, count))


def _read(dataset: grain.MapDataset, batches: range) -> Cost:
    disk, cpu, wall = bytes_from_disk(), time.process_time(), time.perf_counter()
    for batch in batches:
        dataset[batch]
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    after, count = bytes_from_disk(), len(batches) * _BATCH
    read = None if disk is None or after is None else (after - disk) / count
    return Cost(cpu / count, wall / count, read)


def bytes_from_disk() -> int | None:
    """That this process has caused so far; None where the system does not count them."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["read_bytes"])


def _median(costs: Sequence[Cost]) -> Cost:
    def of(part: Callable[[Cost], float]) -> float:
        return statistics.median(map(part, costs))

    disk = None if costs[0].disk is None else of(lambda cost: cost.disk or 0.0)
    return Cost(of(lambda cost: cost.cpu), of(lambda cost: cost.wall), disk)


def _parts(stored: Stored, count: int) -> tuple[float, float, float]:
    """Seconds of the core to decode, to crop and to draw a mask, each alone."""
    options, rng = stored.images, np.random.default_rng(0)
    source, masks = open_images(options, training=True), open_masks(MaskOptions())
    images = [source[index] for index in range(min(count, _PARTS_OF))]

    def crop(index: int) -> object:
        sides = {"resize_min": options.resize_min, "resize_max": options.resize_max}
        return random_crop(images[index], rng, size=options.size, flip=True, **sides)

    def seconds(part: Callable[[int], object]) -> float:
        start = time.process_time()
        for index in range(len(images)):
            part(index)
        return (time.process_time() - start) / len(images)

    return (
        seconds(source.__getitem__),
        seconds(crop),
        seconds(lambda i: masks(rng, options.size, i)),
    )
