"""Packing a folder of images into a few large ArrayRecord files, for pods and network disks."""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
from absl import logging
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tqdm import tqdm

from madf_jax.data.decoding import ImageError
from madf_jax.data.images import read_image
from madf_jax.data.listing import count_of, list_images, summarize
from madf_jax.data.packed_format import (
    DESCRIPTION,
    LARGEST_NAMES,
    NAMES,
    WRITER_OPTIONS,
    PackedFile,
    PackedSet,
    file_name,
    is_packed_name,
    write_description,
)
from madf_jax.errors import UserError, escape
from madf_jax.files import make_directory, system_errors

_QUALITY = 95  # of the JPEGs that resized images become
_AT_ONCE = 64  # images that are read ahead
_SHOWN = 20  # faults that a message names
_WITHOUT_PROGRESS = 1000  # images


class PackOptions(NamedTuple):
    """How to pack.

    Attributes:
        side: pixels; larger images are resized to this shorter side. 0 keeps the files' bytes.
        file_bytes: a file that has reached this many gets no more images.
        bad_files: 'refuse' raises if an image can't be used, 'skip' leaves it out with a warning.
        min_side: pixels, the shortest side that a good image may have.
        force: replace a packed set.
    """

    side: int = 0
    file_bytes: int = 2**30
    bad_files: Literal["refuse", "skip"] = "refuse"
    min_side: int = 32
    force: bool = False


def pack(folder: Path, output: Path, options: PackOptions) -> PackedSet:
    """Packs every image below a folder. `output` appears whole or not at all.

    Images are decoded to find the bad ones, also where their bytes are kept.

    Args:
        folder: searched as `data.train_path` is.
        output: a directory that doesn't exist yet, is empty, or is a packed set to be replaced.
        options: how.

    Returns:
        The description that was written.

    Raises:
        UserError: no images, bad ones that are refused, `output` is in use, or can't be written.
    """
    output = output.resolve()
    require_free(output, force=options.force)
    listing = list_images(folder, "FOLDER")
    make_directory(output.parent, "the directory of OUT")
    unfinished = output.with_name(f".{os.getpid()}.{output.name}")
    try:
        with system_errors(unfinished):
            unfinished.mkdir()
            packed = _write(folder, listing.names, unfinished, options)
            _move(unfinished, output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    listing.log(f"{output}: {count_of(packed.images, 'image')} of {folder}")
    return packed


def require_free(output: Path, *, force: bool) -> None:
    """Finds out whether a packed set may be written, before the work is done.

    Raises:
        UserError: something is there; with `force`, something that is not just a packed set.
    """
    with system_errors(output, "OUT"):
        if not output.exists():
            return
        if not output.is_dir():
            raise UserError(f"OUT={output}: is not a directory; name another")
        names = [entry.name for entry in output.iterdir()]
    if not names:
        return
    if DESCRIPTION not in names or not all(map(is_packed_name, names)):
        raise UserError(f"OUT={output}: holds other files than a packed set; name another")
    if not force:
        raise UserError(f"OUT={output}: is there already; --force replaces it")


def _write(folder: Path, names: Sequence[str], directory: Path, options: PackOptions) -> PackedSet:
    """Writes all files of a set, the description last."""
    kept, faults, files = list[str](), list[str](), _Files(directory, options.file_bytes)
    for name, encoded, fault in _encoded(folder, names, options):
        if encoded is None:
            faults.append(fault)
            continue
        files.add(encoded)
        kept.append(name)
    _report(folder, faults, len(names), options)
    text = json.dumps(kept).encode()
    if len(text) > LARGEST_NAMES:
        raise UserError(f"{folder}: {len(kept)} names are too long for one set; pack it in parts")
    (directory / NAMES).write_bytes(text)
    packed = PackedSet(len(kept), options.side, hashlib.sha256(text).hexdigest(), files.close())
    write_description(directory, packed)
    return packed


class _Files:
    """ArrayRecord files in a directory; a new one is begun when the last one is large enough."""

    def __init__(self, directory: Path, file_bytes: int) -> None:
        self._directory, self._file_bytes = directory, file_bytes
        self._done: list[PackedFile] = []
        self._writer: ArrayRecordWriter | None = None
        self._images = self._bytes = 0

    def add(self, encoded: bytes) -> None:
        """Appends one image."""
        if self._bytes >= self._file_bytes:
            self._end()
        if self._writer is None:
            self._writer = ArrayRecordWriter(str(self._path), ",".join(WRITER_OPTIONS))
        try:
            self._writer.write(encoded)
        except RuntimeError as error:
            raise OSError(f"can't be written: {error}") from error
        self._images += 1
        self._bytes += len(encoded)

    def close(self) -> tuple[PackedFile, ...]:
        """Ends the last file."""
        self._end()
        return tuple(self._done)

    @property
    def _path(self) -> Path:
        return self._directory / file_name(len(self._done))

    def _end(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
        except RuntimeError as error:
            raise OSError(f"can't be written: {error}") from error
        path, self._writer = self._path, None
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        self._done.append(PackedFile(path.name, self._images, size, sha256))
        self._images = self._bytes = 0


def _encoded(
    folder: Path, names: Sequence[str], options: PackOptions
) -> Iterator[tuple[str, bytes | None, str]]:
    """For each image its name and its bytes, or None and what is wrong with it; in order."""

    def attempt(name: str) -> tuple[str, bytes | None, str]:
        try:
            return name, _encode(folder / name, name, options), ""
        except ImageError as error:
            return name, None, str(error)

    with (
        ThreadPool(min(16, os.cpu_count() or 1)) as pool,
        tqdm(desc="pack", total=len(names), disable=len(names) <= _WITHOUT_PROGRESS) as progress,
    ):
        for start in range(0, len(names), _AT_ONCE):
            yield from pool.map(attempt, names[start : start + _AT_ONCE])
            progress.update(min(_AT_ONCE, len(names) - start))


def _encode(path: Path, name: str, options: PackOptions) -> bytes:
    pixels = read_image(path, name)
    shorter = min(pixels.shape[:2])
    if shorter < options.min_side:
        raise ImageError(f"{name}: shorter side is {shorter}, below {options.min_side} pixels")
    if not options.side or shorter <= options.side:
        with system_errors(path):
            return path.read_bytes()
    scale = options.side / shorter
    sides = [max(options.side, round(scale * side)) for side in pixels.shape[1::-1]]
    resized = cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)
    file = io.BytesIO()
    Image.fromarray(resized).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()


def _report(folder: Path, faults: Sequence[str], found: int, options: PackOptions) -> None:
    if not faults:
        return
    text = f"{folder}: {len(faults)} of {found} images can't be used: {summarize(faults, _SHOWN)}"
    if len(faults) == found:
        raise UserError(f"{text}; fix them or name another folder")
    if options.bad_files == "refuse":
        raise UserError(f"{text}; fix or remove them, or pack the others: --bad-files=skip")
    logging.warning("%s", escape(f"{text}; they are left out"))


def _move(unfinished: Path, output: Path) -> None:
    """Puts a finished set in its place, which may hold another one."""
    former = unfinished.with_name(f"{unfinished.name}.former")
    if output.exists():
        os.replace(output, former)
    try:
        os.replace(unfinished, output)
    except OSError:
        if former.exists():
            os.replace(former, output)
        raise
    shutil.rmtree(former, ignore_errors=True)
