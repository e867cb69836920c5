"""Masks from files: chosen at random for training, paired with held-out images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging
from PIL import Image

from madf_jax.data.listing import count_of, digest, list_masks, summarize
from madf_jax.data.mask_files import THRESHOLD, MaskFile, read_mask_file
from madf_jax.data.mask_variation import MaskVariation
from madf_jax.data.pairing import pair_by_name
from madf_jax.errors import UserError, escape
from madf_jax.files import local_path

MASKS_INSPECTED = 64
SUSPICIOUS_HOLE = 0.8


class MaskFolder:
    """The mask files of a folder; any mask may be used with any image.

    Args:
        directory: searched recursively.
        hole: 'black' or 'white', the color that marks the hole in the files.
        rotate_degrees: a random mask is rotated by up to this much; its corners become hole.
        flip: mirror half of the random masks.
        threshold: the highest gray level, 0 to 254, that is black.
        variation: what else is changed in random masks.
        key: the config key that names the folder, for messages.

    Raises:
        UserError: no folder or no masks; or, among those inspected, one is broken, or none has both
            black and white pixels.
    """

    def __init__(
        self,
        directory: Path | str,
        hole: str = "black",
        rotate_degrees: float = 10.0,
        flip: bool = True,
        *,
        threshold: int = THRESHOLD,
        variation: MaskVariation = MaskVariation(),  # noqa: B008 - frozen
        key: str = "",
    ) -> None:
        self.directory = local_path(directory, key)
        self.hole = hole
        self.rotate_degrees = rotate_degrees
        self.flip = flip
        self.threshold = threshold
        self.variation = variation
        self.shown = f"{key}={directory}" if key else f"{directory}"
        self._reported: set[str] = set()
        listing = list_masks(self.directory, key)
        listing.log(f"{self.shown}: {count_of(len(listing.names), 'mask')}")
        self.names = listing.names
        self._check()

    def __len__(self) -> int:
        return len(self.names)

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """A random mask; `index` is ignored.

        Returns:
            uint8 (size, size, 1), 1 = known, 0 = hole.

        Raises:
            UserError: the file is missing or broken.
        """
        index = int(rng.integers(len(self)))
        mask = self.variation(lambda side: self.read(index, side), rng, size)
        angle = rng.uniform(-self.rotate_degrees, self.rotate_degrees)
        upright = Image.fromarray(mask[..., 0])
        turned = np.array(upright.rotate(angle, Image.Resampling.NEAREST, fillcolor=0))[..., None]
        mirror = rng.random() < 0.5 and self.flip
        return np.ascontiguousarray(turned[:, ::-1]) if mirror else turned

    def name(self, index: int) -> str:
        """Path of mask `index` relative to the folder, with forward slashes."""
        return self.names[index]

    def read(self, index: int, size: int) -> np.ndarray:
        """Mask `index`, not rotated: uint8 (size, size, 1), 1 = known; raises like a call."""
        return self._open(index).mask(self.hole, size)

    def __repr__(self) -> str:
        """Settings and a digest of the names, not the folder, which may move.

        Checkpoints contain this text and a resumed run compares it, so it must not change.
        """
        more = "" if self.threshold == THRESHOLD else f", threshold={self.threshold}"
        if self.variation != MaskVariation():
            more += f", variation={self.variation!r}"
        return (
            f"MaskFolder(masks={len(self)}, names={digest(self.names)!r}, hole={self.hole!r}, "
            f"rotate_degrees={self.rotate_degrees}, flip={self.flip}, paired=False{more})"
        )

    def _open(self, index: int) -> MaskFile:
        try:
            path = self.directory / self.names[index]
            found = read_mask_file(path, threshold=self.threshold)
        except UserError as error:
            raise UserError(f"{error}; masks are never skipped: fix or remove it") from None
        if found.reading and found.reading not in self._reported:
            self._reported.add(found.reading)
            shown = escape(f"{self.shown}/{self.names[index]}")
            logging.info("%s and masks like it are read as %s", shown, found.reading)
        return found

    def _check(self) -> None:
        """Inspects some masks: they need holes, and may be something else by mistake."""
        count = min(len(self), MASKS_INSPECTED)
        shares, photographs = [], []
        for index in np.linspace(0, len(self) - 1, count).astype(int):
            found = self._open(index)
            shares.append(1 - found.mask(self.hole).mean())
            if found.is_photograph:
                photographs.append(self.names[index])
        other = "white" if self.hole == "black" else "black"
        if all(share in (0, 1) for share in shares):
            full = shares.count(1)
            raise UserError(
                f"{self.shown}: none of the {count} masks inspected has both black and white "
                f"pixels: {full} are all {self.hole}, {count - full} all {other}, so each is all "
                f"hole or has no hole whatever masks.hole says. {self.names[0]} has the gray "
                f"levels {self._open(0).values()}"
            )
        shown, share = escape(self.shown), np.mean(shares)
        if share > SUSPICIOUS_HOLE:
            logging.warning(
                "%s: %s marks the hole, and the %d masks inspected are %.0f %% hole on average. "
                "If %s marks it instead, set masks.hole = %r.",
                *(shown, self.hole, count, 100 * share, other, other),
            )
        if photographs:
            logging.warning(
                "%s: %d of %d masks inspected have as many gray levels as photographs; gray above "
                "%d counts as white: %s",
                *(shown, len(photographs), count, self.threshold, escape(summarize(photographs))),
            )


class PairedMasks:
    """Masks of held-out images: the mask with the name of the image, else one by order.

    When the images are repeated, an image with several masks of its name gets the next one.

    Args:
        masks: the folder.
        images: names of all held-out images, in order.
    """

    def __init__(self, masks: MaskFolder, images: Sequence[str]) -> None:
        self._masks = masks
        self._by_image = pair_by_name(images, masks.names)
        unnamed = [name for name, own in zip(images, self._by_image, strict=True) if not own]
        if unnamed:
            logging.warning(
                "%s: %d of %d images have no mask of their name, such as X_mask.png for X.jpg, and "
                "are paired with masks by order: %s",
                *(escape(masks.shown), len(unnamed), len(images), escape(summarize(unnamed))),
            )
        else:
            logging.info("%s: each image has a mask of its name", escape(masks.shown))

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """The mask for example `index`, uint8 (size, size, 1), 1 = known; `rng` is not used.

        Raises:
            UserError: the file is missing or broken.
        """
        return self._masks.read(self._mask(index), size)

    def name(self, index: int) -> str:
        """Path, relative to the folder, of the mask for example `index`."""
        return self._masks.names[self._mask(index)]

    def _mask(self, index: int) -> int:
        turn, image = divmod(index, len(self._by_image))
        own = self._by_image[image]
        return own[turn % len(own)] if own else index % len(self._masks)
