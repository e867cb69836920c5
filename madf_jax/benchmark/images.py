"""The input pipeline, compared with plain decoding of the same files."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path

import grain
import numpy as np
from PIL import Image

from madf_jax.benchmark.measure import Measurement
from madf_jax.benchmark.packed import measure_packed
from madf_jax.benchmark.stored import MARGIN
from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.data.pipeline import iterate, training_data
from madf_jax.data.sources import PhotoSource

_FILES, _COUNTED, _ROUNDS = 48, 240, 5


def measure_data(size: int, batch: int) -> list[Measurement]:
    """The training pipeline and plain decoding in turn: on one thread each, then on all.

    The files are JPEGs whose shorter side is `size`, as those of Places2 at 512. Plain decoding is
    Pillow's, to an RGB array. Masks are generated.

    Args:
        size: side of the crops.
        batch: images in a batch.

    Returns:
        Measurements in seconds per image; 'data' is that on one thread, 'read packed' compares
        a packed set of the files with the folder.
    """
    with _files(size) as directory:
        paths = sorted(directory.iterdir())
        margin = round(MARGIN * size)
        images = ImageOptions(
            source="folder",
            train_path=str(directory),
            size=size,
            resize_min=margin,
            resize_max=margin,
        )
        dataset = training_data(images, MaskOptions(), seed=0, batch_size=batch).dataset
        measurements = []
        for threads in sorted({1, LoaderOptions().threads}):
            name = "data" if threads == 1 else f"data, {threads} threads"
            seconds, plain = _in_turn(dataset, paths, threads, batch)
            measurements.append(
                Measurement(name, size, batch, "uint8", seconds, plain, plain / seconds)
            )
        return [*measurements, *measure_packed(directory, size)]


def _in_turn(
    dataset: grain.MapDataset, paths: Sequence[Path], threads: int, batch: int
) -> tuple[float, float]:
    """Median seconds per image of the pipeline and of plain decoding."""
    loader, rounds = LoaderOptions(num_threads=threads), range(_ROUNDS)
    with ThreadPool(threads) as pool:
        pairs = [(_by_pipeline(dataset, loader, batch), _by_decoding(paths, pool)) for _ in rounds]
    ours, plain = np.median(pairs, axis=0).tolist()
    return ours, plain


def _by_pipeline(dataset: grain.MapDataset, loader: LoaderOptions, batch: int) -> float:
    """Seconds per image. Batches are consumed as fast as they are made, so none is prefetched."""
    batches = iterate(dataset, loader)
    for _ in range(_FILES // batch):
        next(batches)
    count = -(-_COUNTED // batch)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return (time.perf_counter() - start) / (count * batch)


def _by_decoding(paths: Sequence[Path], pool: ThreadPool) -> float:
    """Seconds per image."""
    pool.map(_decode, paths)
    start = time.perf_counter()
    pool.map(_decode, [paths[index % len(paths)] for index in range(_COUNTED)])
    return (time.perf_counter() - start) / _COUNTED


def _decode(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).shape


@contextmanager
def _files(size: int) -> Iterator[Path]:
    """JPEGs of the embedded photographs: quality 90, 4:3, half of them portrait."""
    photographs = PhotoSource("train")
    with tempfile.TemporaryDirectory() as folder:
        for index in range(_FILES):
            sides = (size, round(4 / 3 * size))
            image = Image.fromarray(photographs[index % len(photographs)])
            image = image.resize(sides if index % 2 else sides[::-1], Image.Resampling.LANCZOS)
            image.save(Path(folder, f"{index:03d}.jpg"), quality=90)
        yield Path(folder)
