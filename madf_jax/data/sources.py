"""Random access to images: `len(source)` and `source[index]`, uint8 (H, W, 3) RGB of any size.

A source's repr tells which images it holds in which order and never where they lie, so it is the
same after the data moved to another folder.
"""

import functools
import os
from collections.abc import Callable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Protocol

import numpy as np
from absl import logging
from tqdm import tqdm

from madf_jax.data.images import digest, find_images, image_size, read_image
from madf_jax.data.options import ImageOptions
from madf_jax.data.tfds_source import TfdsSource
from madf_jax.errors import UserError

PHOTOS = {
    "train": ("astronaut", "coffee", "rocket", "hubble_deep_field", "retina", "china"),
    "held_out": ("chelsea", "flower"),
}
NAMES_SHOWN = 20
FILES_WITHOUT_PROGRESS = 1000


class ImageSource(Protocol):
    """What the pipeline asks of a source."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index`, uint8 (H, W, 3) RGB."""

    def name(self, index: int) -> str:
        """What reports call image `index`; no two images of a source share a name."""


class PhotoSource:
    """Real color photographs that come with scikit-image and scikit-learn: nothing to download.

    Split by image, never by crop. Licences:
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


class FolderSource:
    """Every image file below a folder, in the order of names; all are checked at the start.

    Args:
      directory: searched recursively.
      bad_files: what to do with files that are unreadable, truncated or too small. 'refuse'
        raises; 'skip' leaves them out with one warning that names them. A file that only turns
        out bad when it is read is replaced under 'skip' by the next readable one, which depends
        on the files alone and not on who reads them.
      check: 'decode' reads every pixel; 'header' only opens files, for millions of them.
      min_side: pixels, the shortest side a good image may have.
      max_bad_share: with 'skip', the share of bad files past which they are refused after all.
      at_least: pixels; a large JPEG may be decoded at a fraction of its size if its shorter side
        keeps so many. 0 decodes everything at full size.
      held_out: whether scores depend on every single image; then a bad one is an error that names
        it, whatever `bad_files` says, and no other takes its place.

    Raises:
      UserError: no folder, no images, no usable image, or a bad one under 'refuse'.
    """

    def __init__(
        self,
        directory: Path | str,
        bad_files: str = "skip",
        check: str = "decode",
        min_side: int = 32,
        at_least: int = 0,
        max_bad_share: float = 1.0,
        *,
        held_out: bool = False,
    ) -> None:
        self.directory = Path(directory)
        self.bad_files = "refuse" if held_out else bad_files
        self._remedy = _HELD_OUT_REMEDY if held_out else _REMEDY
        self.min_side = min_side
        self.max_bad_share = max_bad_share
        self.at_least = max(at_least, min_side) if at_least else 0
        self._warned: set[str] = set()
        found = find_images(self.directory)
        faults = _faults(found, self._read if check == "decode" else self._check_header)
        if faults:
            self._report(faults, len(found))
        bad = {name for name, _ in faults}
        self.names = [name for name in found if name not in bad]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index`, uint8 (H, W, 3) RGB.

        Raises:
          UserError: the file is bad after all, and bad files are refused or none is left.
        """
        for step in range(len(self)):
            name = self.names[(index + step) % len(self)]
            try:
                return self._read(name)
            except UserError as error:
                if self.bad_files == "refuse":
                    raise UserError(f"{self.directory}: {error}; {self._remedy}") from error
                if name not in self._warned:
                    self._warned.add(name)
                    self._count(str(error))
        raise UserError(f"{self.directory}: none of its {len(self)} images can be read any more")

    def name(self, index: int) -> str:
        """Path of the image relative to the folder, with forward slashes."""
        return self.names[index]

    def __repr__(self) -> str:
        """Number of images and a digest of their names in order."""
        return f"FolderSource(images={len(self)}, names={digest(self.names)!r})"

    def _count(self, error: str) -> None:
        """Names a file that turned out bad, once; refuses to go on with too many of them."""
        bad = len(self._warned)
        text = f"{self.directory}: {error}; the next image is used, {bad} are bad so far"
        if bad > self.max_bad_share * len(self):
            raise UserError(f"{text}: {self._too_many()}")
        logging.warning("%s", text)

    def _read(self, name: str) -> np.ndarray:
        image = read_image(self.directory / name, name, at_least=self.at_least)
        self._check_side(name, image.shape[:2])
        return image

    def _check_header(self, name: str) -> None:
        self._check_side(name, image_size(self.directory / name, name))

    def _check_side(self, name: str, sides: tuple[int, ...]) -> None:
        if min(sides) < self.min_side:
            raise UserError(f"{name}: shorter side is {min(sides)}, below {self.min_side} pixels")

    def _too_many(self) -> str:
        return (
            f"more than data.max_bad_share={self.max_bad_share}; mend or remove them, or raise "
            "data.max_bad_share"
        )

    def _report(self, faults: list[tuple[str, str]], found: int) -> None:
        shown = "; ".join(reason for _, reason in faults[:NAMES_SHOWN])
        more = len(faults) - NAMES_SHOWN
        text = f"{self.directory}: {len(faults)} of {found} images cannot be used: {shown}"
        text += f"; and {more} more" if more > 0 else ""
        if len(faults) == found:
            raise UserError(f"{text}; mend them or name another folder")
        if self.bad_files == "refuse":
            raise UserError(f"{text}; {self._remedy}")
        if len(faults) > self.max_bad_share * found:
            raise UserError(f"{text}: {self._too_many()}")
        logging.warning("%s; they are skipped", text)


def open_images(options: ImageOptions, *, training: bool) -> ImageSource:
    """Opens the source that section `data` names.

    Args:
      options: the section.
      training: the training images, else the held-out ones.

    Raises:
      UserError: the source is missing or unusable.
    """
    if options.source == "photos":
        return PhotoSource("train" if training else "held_out")
    if options.source == "tfds":
        split = options.train_split if training else options.evaluation_split
        return TfdsSource(options.tfds_name, split, options.tfds_dir)
    key = "train_path" if training else "evaluation_path"
    directory = getattr(options, key)
    if not directory:
        raise UserError(f"data.source = 'folder' needs data.{key}, a folder of images")
    # What is shrunk afterwards need not be decoded whole; held-out images are, to be exact.
    at_least = options.resize_max if training else 0
    return FolderSource(
        directory,
        options.bad_files,
        options.check_files,
        options.min_side,
        at_least,
        options.max_bad_share,
        held_out=not training,
    )


_REMEDY = "fix or remove such files, or set data.bad_files = 'skip' to train without them"
_HELD_OUT_REMEDY = "fix or remove them: held-out images are never skipped, nor replaced by others"


def _faults(names: Sequence[str], check: Callable[[str], object]) -> list[tuple[str, str]]:
    def fault(name: str) -> tuple[str, str] | None:
        try:
            check(name)
        except UserError as error:
            return name, str(error)
        return None

    with ThreadPool(min(32, 2 * (os.cpu_count() or 1))) as pool:
        checked = tqdm(
            pool.imap(fault, names, chunksize=16),
            desc="checking images",
            total=len(names),
            disable=len(names) <= FILES_WITHOUT_PROGRESS,
        )
        return [pair for pair in checked if pair]


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
