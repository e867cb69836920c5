"""The examples of a manifest, read from exactly the bytes that it was made from."""

import dataclasses
import functools
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grain
import numpy as np

from madf_jax.data.images import read_image
from madf_jax.data.mask_files import read_mask_file
from madf_jax.data.transforms import center_crop, squash
from madf_jax.errors import UserError
from madf_jax.evaluation.manifest import DECIMALS, Entry, Manifest, sha256_of
from madf_jax.evaluation.many_files import map_files
from madf_jax.files import require_regular_file, system_errors

_LARGEST = 2**30  # bytes of an image file
_CROPS: dict[str, Callable[..., np.ndarray]] = {"squash": squash, "center": center_crop}


def verify_files(manifest: Manifest) -> None:
    """Compares the hash of every file with the manifest's.

    Raises:
        UserError: files are missing or others; the message names them.
    """
    files = {
        (root / name, digest): None  # in order, each once
        for entry in manifest.entries
        for root, name, digest in (
            (manifest.images, entry.image, entry.image_sha256),
            (manifest.masks, entry.mask, entry.mask_sha256),
        )
    }
    advice = "restore them, or make another manifest"
    map_files(lambda file: _require(*file), files, "hash", advice)


def manifest_dataset(manifest: Manifest) -> grain.MapDataset:
    """The examples one by one, in order, as of `evaluation_dataset`, with the manifest's ids.

    Raises:
        UserError: reading an example raises it, if a file is not the one that the manifest was made
            from, or its mask is not read as it was then; the message names it.
    """
    return grain.MapDataset.range(len(manifest.entries)).map(_ReadExample(manifest))


def read_example(manifest: Manifest, entry: Entry) -> tuple[np.ndarray, np.ndarray]:
    """An image and its mask at the size that is scored.

    Returns:
        uint8 (S, S, 3) and uint8 (S, S, 1), 1 = known.

    Raises:
        UserError: as `manifest_dataset`.
    """
    encoded = _read(manifest.images / entry.image, entry.image_sha256)
    pixels = read_image(io.BytesIO(encoded), str(manifest.images / entry.image))
    image = crop_of(manifest.crop, manifest.size)(pixels)
    path = manifest.masks / entry.mask
    file = read_mask_file(io.BytesIO(_read(path, entry.mask_sha256)), str(path))
    mask = file.mask(manifest.hole, manifest.size)
    if (share := share_of(mask)) != entry.share:
        raise UserError(
            f"{path}: its hole is {share} of the image, and the manifest says {entry.share}; make "
            "the manifest again"
        )
    return image, mask


def crop_of(name: str, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """The crop of a manifest: from uint8 (H, W, 3) to uint8 (size, size, 3)."""
    nothing_random = np.random.default_rng(0)
    return functools.partial(_CROPS[name], rng=nothing_random, size=size)


def share_of(mask: np.ndarray) -> float:
    """Share of hole pixels as manifests hold it; `mask` has 1 = known."""
    return round(1 - float(np.mean(mask)), DECIMALS)


@dataclasses.dataclass(frozen=True)
class _ReadExample:
    manifest: Manifest

    def __call__(self, index: int) -> dict[str, Any]:
        entry = self.manifest.entries[index]
        image, mask = read_example(self.manifest, entry)
        return {
            "image": image,
            "mask": mask,
            "index": index,
            "id": entry.id,
            "image_name": entry.image,
            "mask_name": entry.mask,
        }


def _require(path: Path, digest: str) -> None:
    if sha256_of(path) != digest:
        raise _changed(path)


def _read(path: Path, digest: str) -> bytes:
    size = require_regular_file(path).st_size
    if size > _LARGEST:
        raise UserError(f"{path}: has {size} bytes; images of at most {_LARGEST} are read")
    with system_errors(path):
        encoded = path.read_bytes()
    if hashlib.sha256(encoded).hexdigest() != digest:
        raise _changed(path)
    return encoded


def _changed(path: Path) -> UserError:
    return UserError(f"{path}: has changed since the manifest was made")
