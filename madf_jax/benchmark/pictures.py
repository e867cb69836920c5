"""The road of the data: pictures a second, beside plain decoding of the same files."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path

import grain
import numpy as np
from PIL import Image

from madf_jax.benchmark.rows import Row
from madf_jax.data.options import LoaderOptions, MaskOptions, PictureOptions
from madf_jax.data.pipeline import iterate, training_data
from madf_jax.data.sources import PhotoSource

_FILES, _COUNTED, _ROUNDS = 48, 240, 5
# The reference resizes the shorter side by this factor before it crops.
_MARGIN = 572 / 512


def data_row(size: int, batch: int) -> Row:
    """The training pipeline against plain decoding, with as many threads, in turn.

    Files are JPEGs whose shorter side is `size`, as those of Places2 are at 512. Plain decoding
    is Pillow's, to an RGB array. Masks are generated.

    Args:
        size: side of the crops.
        batch: pictures in a batch.

    Returns:
        A row whose times are seconds a picture.
    """
    loader = LoaderOptions()
    with _files(size) as directory, ThreadPool(loader.threads) as pool:
        paths = sorted(directory.iterdir())
        margin = round(_MARGIN * size)
        pictures = PictureOptions(
            source="folder",
            train_path=str(directory),
            size=size,
            resize_min=margin,
            resize_max=margin,
        )
        dataset = training_data(pictures, MaskOptions(), seed=0, batch_size=batch).dataset
        ours, plain = [], []
        for _ in range(_ROUNDS):
            ours.append(_by_pipeline(dataset, loader, batch))
            plain.append(_by_decoding(paths, pool))
    seconds, reference = float(np.median(ours)), float(np.median(plain))
    return Row("data", size, batch, "uint8", seconds, reference, reference / seconds)


def _by_pipeline(dataset: grain.MapDataset, loader: LoaderOptions, batch: int) -> float:
    """Seconds a picture. Batches are taken as soon as they are made, so none is read ahead."""
    batches = iterate(dataset, loader)
    for _ in range(_FILES // batch):
        next(batches)
    count = -(-_COUNTED // batch)
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return (time.perf_counter() - start) / (count * batch)


def _by_decoding(paths: Sequence[Path], pool: ThreadPool) -> float:
    """Seconds a picture."""
    pool.map(_decode, paths)
    start = time.perf_counter()
    pool.map(_decode, [paths[index % len(paths)] for index in range(_COUNTED)])
    return (time.perf_counter() - start) / _COUNTED


def _decode(path: Path) -> tuple[int, ...]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).shape


@contextmanager
def _files(size: int) -> Iterator[Path]:
    """JPEGs of quality 90 in 4 to 3, half of them upright, of the embedded photographs."""
    photographs = PhotoSource("train")
    with tempfile.TemporaryDirectory() as folder:
        for index in range(_FILES):
            sides = (size, round(4 / 3 * size))
            picture = Image.fromarray(photographs[index % len(photographs)])
            picture = picture.resize(sides if index % 2 else sides[::-1], Image.Resampling.LANCZOS)
            picture.save(Path(folder, f"{index:03d}.jpg"), quality=90)
        yield Path(folder)
