"""Batches for training and evaluation, in an order that depends on the seed alone.

A batch is a dict: `image` uint8 (N, S, S, 3) RGB and `mask` uint8 (N, S, S, 1), 1 = known, 0 =
hole. Nothing is normalized on the host. The number of threads does not change a batch; with several
processes, interleaving their batches gives the batch of one process.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import grain
import numpy as np

from madf_jax.data.masks import Masks, open_masks
from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.data.sources import ImageSource, open_images
from madf_jax.data.transforms import center_crop, random_crop, squash
from madf_jax.errors import UserError

Batch = dict[str, np.ndarray]
Crop = Callable[[np.ndarray, np.random.Generator], np.ndarray]


_CROP_KEYS = ("size", "resize_min", "resize_max", "flip", "channel_jitter")


class TrainingData(NamedTuple):
    """Training batches and a fingerprint of what they are made from.

    Attributes:
        dataset: endless; `dataset[step]` is this process's part of batch `step`.
        fingerprint: plain JSON values. Runs with equal fingerprints see the same batches, whatever
            the number of threads. Checkpoints hold it, and a resumed run compares it.
    """

    dataset: grain.MapDataset
    fingerprint: dict[str, Any]


def training_data(
    images: ImageOptions,
    masks: MaskOptions,
    *,
    seed: int,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
) -> TrainingData:
    """Endless shuffled batches: each epoch a permutation of the images, with new crops and masks.

    Args:
        images: section `data`.
        masks: section `masks`.
        seed: of the order, the crops and the masks; 0 to 2**32 - 1.
        batch_size: examples in a batch of all processes together.
        process_index: the part of each batch that this process makes.
        process_count: number of parts of a batch.

    Returns:
        The dataset of this process, and the fingerprint, which is the same in every process.

    Raises:
        UserError: a source is missing or unusable, or `batch_size` does not divide.
    """
    if batch_size < 1 or batch_size % process_count:
        raise UserError(
            f"batch_size {batch_size} must be a positive multiple of the {process_count} processes"
        )
    source = open_images(images, training=True)
    made_masks = open_masks(masks)
    crop = _random_crop(images, flip=images.flip, channel_jitter=images.channel_jitter)
    dataset = (
        grain.MapDataset.range(len(source))
        .seed(seed)
        .repeat()
        .map_with_index(_Shuffle(seed, len(source)))
        .random_map(_Example(source, made_masks, crop, images.size))
    )
    # Sliced last: every epoch stays a permutation, and no two processes draw alike.
    dataset = dataset[process_index::process_count].batch(batch_size // process_count)
    fingerprint = {
        "seed": seed,
        "batch_size": batch_size,
        "images": repr(source),
        "masks": repr(made_masks),
        **{key: getattr(images, key) for key in _CROP_KEYS},
    }
    return TrainingData(dataset, fingerprint)


def evaluation_dataset(
    images: ImageOptions, masks: MaskOptions, *, seed: int, count: int
) -> grain.MapDataset:
    """The held-out examples one by one, in a fixed order, each fixed by the seed and its index.

    Beside `image` and `mask`, an example holds what identifies it: `index`, an int, and the strings
    `id` (the index), `image_name` and `mask_name`. An image that can't be read is
    never replaced. If there are more examples than images, the images are repeated with other masks
    and, for `data.evaluation_crop = 'random'`, with other crops.

    Args:
        images: section `data`.
        masks: section `masks`.
        seed: of random crops and generated masks; 0 to 2**32 - 1.
        count: number of examples; 0 = every image once.

    Raises:
        UserError: a source is missing or unusable, or a number is out of range. Reading an example
            raises it, too: a file has become unreadable; the message names it.
    """
    if count < 0:
        raise UserError(f"count must be 0 or more: {count}")
    source = open_images(images, training=False)
    crops: dict[str, Crop] = {
        "random": _random_crop(images, flip=False, channel_jitter=0),
        "center": functools.partial(center_crop, size=images.size),
        "squash": functools.partial(squash, size=images.size),
    }
    crop = crops[images.evaluation_crop]
    names = [source.name(index) for index in range(len(source))]
    example = _HeldOutExample(source, open_masks(masks, images=names), crop, images.size)
    return grain.MapDataset.range(count or len(source)).seed(seed).random_map(example)


def iterate(
    dataset: grain.MapDataset, loader: LoaderOptions, *, start: int = 0
) -> grain.DatasetIterator:
    """Batches from batch `start` on, made ahead by threads.

    Threads read as fast as worker processes would, since decoding and resizing release Python's
    lock; and they end with this process, in whatever way it ends.

    Args:
        dataset: of batches.
        loader: section `loader`.
        start: the first batch, that is the number of steps already done.
    """
    reading = grain.ReadOptions(loader.threads, max(loader.prefetch, loader.threads))
    return iter(dataset[start:].to_iter_dataset(reading))


@dataclasses.dataclass(frozen=True)
class _Shuffle:
    """A new permutation each epoch.

    grain's own `shuffle` finds each index by walking a cycle of 2**16 positions; for a few images
    that is more work than making the example.
    """

    seed: int
    length: int

    def __call__(self, position: int, _: int) -> int:
        epoch, place = divmod(position, self.length)
        return int(_permutation(self.seed, epoch, self.length)[place])


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(length)


@dataclasses.dataclass(frozen=True)
class _Example:
    source: ImageSource
    masks: Masks
    crop: Crop
    size: int

    def __call__(self, index: int, rng: np.random.Generator) -> Batch:
        return {
            "image": self.crop(self.source[index % len(self.source)], rng),
            "mask": self.masks(rng, self.size, index),
        }


class _HeldOutExample(_Example):
    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        return {
            **super().__call__(index, rng),
            "index": index,
            "id": str(index),
            "image_name": self.source.name(index % len(self.source)),
            "mask_name": self.masks.name(index),
        }


def _random_crop(images: ImageOptions, *, flip: bool, channel_jitter: float) -> Crop:
    return functools.partial(
        random_crop,
        size=images.size,
        resize_min=images.resize_min,
        resize_max=images.resize_max,
        flip=flip,
        channel_jitter=channel_jitter,
    )
