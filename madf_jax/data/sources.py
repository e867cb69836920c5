"""Random access to images: `len(source)` and `source[index]`, uint8 (H, W, 3) RGB of any size.

The repr of a source identifies its images and their order but not their location: it stays the
same when the data moves to another folder.
"""

import functools
from typing import Protocol

import numpy as np
from absl import logging

from madf_jax.data.folder_source import FolderSource
from madf_jax.data.listing import count_of
from madf_jax.data.options import ImageOptions
from madf_jax.data.packed_source import PackedSource
from madf_jax.data.tfds_source import TfdsSource
from madf_jax.errors import UserError

PHOTOS = {
    "train": ("astronaut", "coffee", "rocket", "hubble_deep_field", "retina", "china"),
    "held_out": ("chelsea", "flower"),
}


class ImageSource(Protocol):
    """A source of images, as the pipeline uses it."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index`, uint8 (H, W, 3) RGB."""

    def name(self, index: int) -> str:
        """Name of image `index` in reports, unique within the source."""


class PhotoSource:
    """Color photographs that come with scikit-image and scikit-learn, without a download.

    Split by image, never by crop. Licenses:
      astronaut (NASA), rocket (SpaceX), hubble_deep_field (NASA/ESA), retina (Häggström 2014),
      coffee (Rachel Michetti), chelsea (Stefan van der Walt): CC0 or public domain.
      china by danielbuechele and flower by vultilion, both on Flickr: CC BY 2.0,
      https://creativecommons.org/licenses/by/2.0/.

    Args:
        split: 'train' (6 photographs) or 'held_out' (2).
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self.names = PHOTOS[split]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        """Photograph `index`, read-only, kept in memory."""
        return _photo(self.names[index])

    def name(self, index: int) -> str:
        """Name of the photograph, as in `PHOTOS`."""
        return self.names[index]

    def __repr__(self) -> str:
        return f"PhotoSource({self.split!r})"


def open_images(options: ImageOptions, *, training: bool) -> ImageSource:
    """Opens the source that section `data` names, and logs what was found.

    Args:
        options: the section.
        training: the training images, else the held-out ones.

    Raises:
        UserError: the source is missing or unusable.
    """
    if options.source == "photos":
        photos = PhotoSource("train" if training else "held_out")
        logging.info("data.source=photos: %d photographs: %s", len(photos), ", ".join(photos.names))
        return photos
    if options.source == "tfds":
        split = options.train_split if training else options.evaluation_split
        records = TfdsSource(options.tfds_name, split, options.tfds_dir)
        logging.info("data.tfds_name=%s: %d images in %s", records.dataset, len(records), split)
        return records
    key = "train_path" if training else "evaluation_path"
    directory = getattr(options, key)
    if not directory:
        kind = "a folder of images"
        if options.source == "packed":
            kind = "a directory that madf-jax pack made"
        raise UserError(f"data.source = {options.source!r} needs data.{key}, {kind}")
    # Training images are shrunk anyway, so they may be decoded at reduced size; held-out ones are
    # scored and decoded in full.
    at_least = max(options.resize_max, options.min_side) if training else 0
    if options.source == "packed":
        packed = PackedSource(directory, at_least, key=f"data.{key}")
        logging.info("data.%s=%s: %s", key, directory, count_of(len(packed), "packed image"))
        return packed
    return FolderSource(
        directory,
        options.bad_files,
        options.check_files,
        options.min_side,
        at_least,
        options.max_bad_share,
        held_out=not training,
        key=f"data.{key}",
    )


@functools.cache
def _photo(name: str) -> np.ndarray:
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        image = np.array(load_sample_image(f"{name}.jpg"))
    else:
        import skimage.data

        image = getattr(skimage.data, name)()
    image.flags.writeable = False
    return image
