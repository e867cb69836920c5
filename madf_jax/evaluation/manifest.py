"""The file that fixes an evaluation: which image is scored with which mask, by their hashes.

JSON lines in UTF-8. The first line describes the whole, each other line one example:

    {"format": "madf-jax manifest", "version": 1, "images": "../photos", "masks": "test.masks",
     "hole": "black", "size": 512, "crop": "squash", "seed": 1, "generator": "lama_thick_512",
     "count": 2000}
    {"id": "park/bench", "image": "park/bench.jpg", "mask": "park/bench.png", "share": 0.285305,
     "bucket": "0.2-0.3", "seed": 1791095845, "image_sha256": "...", "mask_sha256": "..."}

`manifest_reading` reads it and checks it.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from madf_jax.files import require_regular_file, system_errors, write_text

CROPS = ("squash", "center")
SMALLEST, LARGEST = 16, 8192  # pixels of a side that examples are scored at
DECIMALS = 6  # of a share
SEEDS = 2**53  # of an example; larger numbers are not exact in every reader of JSON
FORMAT, VERSION = "madf-jax manifest", 1


@dataclasses.dataclass(frozen=True)
class Entry:
    """One example.

    Attributes:
        id: names it in every table, and its result of another program; unique in the manifest.
        image: file, relative to the manifest's `images`.
        mask: file, relative to its `masks`.
        share: of hole pixels, from 0 to 1, at the size that is scored; six decimals.
        bucket: the range that the share is in, as `bucket_name` names it.
        seed: that draws the mask, if it was generated.
        image_sha256: of the image file's bytes, in hexadecimal digits.
        mask_sha256: of the mask file's bytes, likewise.
    """

    id: str
    image: str
    mask: str
    share: float
    bucket: str
    seed: int
    image_sha256: str
    mask_sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Examples, and all that decides which pixels of them are scored.

    Attributes:
        images: root of the image files.
        masks: root of the mask files.
        hole: 'black' or 'white', the color that marks the hole in mask files.
        size: S, the side in pixels that images and masks are brought to.
        crop: how an image becomes a square: 'squash' or 'center'. Masks are always squashed.
        seed: of the whole.
        generator: that drew the masks; '' for a folder of the user's.
        entries: the examples in order, at least one.
        sha256: of the manifest file that was read, in hexadecimal digits.
    """

    images: Path
    masks: Path
    hole: str
    size: int
    crop: str
    seed: int
    generator: str
    entries: tuple[Entry, ...]
    sha256: str = ""


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest; its roots become relative to its own directory.

    Raises:
        UserError: it can't be written.
    """
    header = {
        "format": FORMAT,
        "version": VERSION,
        "images": _relative(manifest.images, path),
        "masks": _relative(manifest.masks, path),
        **{key: getattr(manifest, key) for key in ("hole", "size", "crop", "seed", "generator")},
        "count": len(manifest.entries),
    }
    lines = [header, *map(dataclasses.asdict, manifest.entries)]
    write_text(path, "".join(f"{json.dumps(line)}\n" for line in lines))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        UserError: it is missing, can't be read, or is no regular file.
    """
    require_regular_file(path)
    with system_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _relative(root: Path, manifest: Path) -> str:
    return os.path.relpath(os.path.realpath(root), os.path.realpath(manifest.parent))
