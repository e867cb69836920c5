"""Images from the files of a folder, and what happens to files that can't be used."""

import os
from collections.abc import Callable, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from absl import logging
from tqdm import tqdm

from madf_jax.data.decoding import ImageError
from madf_jax.data.images import image_size, read_image
from madf_jax.data.listing import count_of, digest, list_images, summarize
from madf_jax.errors import UserError, escape
from madf_jax.files import local_path

NAMES_SHOWN = 20
FILES_WITHOUT_PROGRESS = 1000

_REMEDY = "fix or remove such files, or set data.bad_files = 'skip' to train without them"
_HELD_OUT_REMEDY = "fix or remove them: held-out images are never skipped, nor replaced by others"


class FolderSource:
    """Every image file below a folder, ordered by name; all are checked at the start.

    Args:
        directory: searched recursively.
        bad_files: what to do about files that are unreadable, truncated or too small. 'refuse'
            raises; 'skip' leaves them out with one warning that names them. With 'skip', a file
            that turns out to be bad later is replaced by the next readable one, which is the same
            for every reader.
        check: 'decode' reads every pixel; 'header' only opens files, for millions of them.
        min_side: pixels, the shortest side a good image may have.
        max_bad_share: with 'skip', the share of bad files above which they are refused after all.
        at_least: pixels; a large JPEG may be decoded at a fraction of its size if its shorter side
            keeps at least this many. 0 decodes everything at full size.
        held_out: whether scores depend on every image; then a bad one is an error that names it,
            whatever `bad_files` says, and is never replaced.
        key: the config key that names the folder, for messages.

    Raises:
        UserError: no folder, no images, no usable image, or a bad one with 'refuse'; or out of
            memory.
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
        key: str = "",
    ) -> None:
        self.directory = local_path(directory, key)
        self._shown = f"{key}={directory}" if key else f"{directory}"
        self.bad_files = "refuse" if held_out else bad_files
        self._remedy = _HELD_OUT_REMEDY if held_out else _REMEDY
        self.min_side = min_side
        self.max_bad_share = max_bad_share
        self.at_least = max(at_least, min_side) if at_least else 0
        self._warned: set[str] = set()
        listing = list_images(self.directory, key)
        found = listing.names
        bad = dict(_faults(found, self._read if check == "decode" else self._check_header))
        if bad:
            self._report(list(bad.values()), len(found))
        self.names = [name for name in found if name not in bad]
        listing.log(
            f"{self._shown}: {count_of(len(self), 'image')}",
            [f"{count_of(len(bad), 'image')} that can't be used"] if bad else [],
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index`, uint8 (H, W, 3) RGB.

        Raises:
            UserError: the file turns out to be bad, and bad files are refused or none is left; or
                out of memory.
        """
        for step in range(len(self)):
            name = self.names[(index + step) % len(self)]
            try:
                return self._read(name)
            except ImageError as error:
                if self.bad_files == "refuse":
                    raise UserError(f"{self._shown}: {error}; {self._remedy}") from error
                if name not in self._warned:
                    self._warned.add(name)
                    self._count(str(error))
        raise UserError(f"{self._shown}: none of its {len(self)} images can be read any more")

    def name(self, index: int) -> str:
        """Path of the image relative to the folder, with forward slashes."""
        return self.names[index]

    def __repr__(self) -> str:
        """Number of images and a digest of their names in order."""
        return f"FolderSource(images={len(self)}, names={digest(self.names)!r})"

    def _count(self, error: str) -> None:
        """Warns of a file that turned out to be bad; refuses to go on with too many of them."""
        bad = len(self._warned)
        text = f"{self._shown}: {error}; the next image is used, {bad} are bad so far"
        if bad > self.max_bad_share * len(self):
            raise UserError(f"{text}: {self._too_many()}")
        logging.warning("%s", escape(text))

    def _read(self, name: str) -> np.ndarray:
        image = read_image(self.directory / name, name, at_least=self.at_least)
        self._check_side(name, image.shape[:2])
        return image

    def _check_header(self, name: str) -> None:
        self._check_side(name, image_size(self.directory / name, name))

    def _check_side(self, name: str, sides: tuple[int, ...]) -> None:
        if min(sides) < self.min_side:
            raise ImageError(f"{name}: shorter side is {min(sides)}, below {self.min_side} pixels")

    def _too_many(self) -> str:
        return (
            f"more than data.max_bad_share={self.max_bad_share}; fix or remove them, or raise "
            "data.max_bad_share"
        )

    def _report(self, faults: Sequence[str], found: int) -> None:
        shown = summarize(faults, NAMES_SHOWN)
        text = f"{self._shown}: {len(faults)} of {found} images can't be used: {shown}"
        if len(faults) == found:
            raise UserError(f"{text}; fix them or name another folder")
        if self.bad_files == "refuse":
            raise UserError(f"{text}; {self._remedy}")
        if len(faults) > self.max_bad_share * found:
            raise UserError(f"{text}: {self._too_many()}")
        logging.warning("%s", escape(f"{text}; they are skipped"))


def _faults(names: Sequence[str], check: Callable[[str], object]) -> list[tuple[str, str]]:
    """The names of bad files and what is wrong with them."""

    def fault(name: str) -> tuple[str, str] | None:
        try:
            check(name)
        except ImageError as error:
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
