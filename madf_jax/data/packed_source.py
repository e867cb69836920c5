"""Images of a packed set, read at random without TensorFlow: uint8 (H, W, 3) RGB."""

import dataclasses
import io
from pathlib import Path

import numpy as np
from array_record.python.array_record_module import ArrayRecordReader
from grain.sources import ArrayRecordDataSource

from madf_jax.data.images import read_image
from madf_jax.data.packed_format import (
    WRITER_OPTIONS,
    PackedFile,
    read_description,
    read_names,
)
from madf_jax.errors import UserError
from madf_jax.files import local_path, require_regular_file


class PackedSource:
    """The images of a packed set, in the order of the folder that was packed.

    All were decoded when they were packed, so opening a set reads no image. One that can't be read
    any more is an error that names it; it is never skipped nor replaced.

    Args:
        directory: that `madf-jax pack` wrote.
        at_least: pixels; a large JPEG may be decoded at a fraction of its size if its shorter side
            keeps at least this many. 0 decodes everything at full size.
        key: the config key that names the directory, for messages.

    Raises:
        UserError: no packed set, or a file of it is missing, truncated or of another kind.
    """

    def __init__(self, directory: Path | str, at_least: int = 0, *, key: str = "") -> None:
        self.directory = local_path(directory, key)
        self.at_least = at_least
        self._packed = read_description(self.directory, key)
        self.names = read_names(self.directory, self._packed)
        for file in self._packed.files:
            _check(self.directory / file.name, file)
        self._records = ArrayRecordDataSource(
            [_whole(self.directory / file.name, file) for file in self._packed.files]
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index`, uint8 (H, W, 3) RGB.

        Raises:
            UserError: the record or its image can't be read, or out of memory.
        """
        shown = f"{self.directory}, {self.names[index]}"
        try:
            encoded = self._records[index]
        except Exception as error:  # array_record raises a RuntimeError for a damaged file
            raise UserError(f"{shown}: can't be read: {_first_line(error)}") from error
        return read_image(io.BytesIO(encoded), shown, at_least=self.at_least)

    def name(self, index: int) -> str:
        """Path of the image relative to the folder that was packed, with forward slashes."""
        return self.names[index]

    def __repr__(self) -> str:
        """Number of images, and a digest of their content and names in order."""
        return f"PackedSource(images={len(self)}, content={self._packed.digest!r})"


@dataclasses.dataclass(frozen=True)
class _Whole:
    """All records of a file, as grain wants it said to do without counting them again."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


def _whole(path: Path, file: PackedFile) -> _Whole:
    return _Whole(str(path), 0, file.images, file.images)


def _check(path: Path, file: PackedFile) -> None:
    """Compares a file with its description; reads its index, not its records."""
    size = require_regular_file(path).st_size
    if size != file.bytes:
        what = "truncated" if size < file.bytes else "not the file that was packed"
        raise UserError(f"{path}: is {what}: {size} bytes, not {file.bytes}; copy it again")
    try:
        reader = ArrayRecordReader(str(path))
        images, options = reader.num_records(), reader.writer_options_string() or "none"
        reader.close()
    except Exception as error:
        raise UserError(f"{path}: is no whole ArrayRecord file: {_first_line(error)}") from error
    if images != file.images:
        raise UserError(f"{path}: has {images} records, not {file.images}; copy it again")
    if not set(WRITER_OPTIONS) <= set(options.split(",")):
        raise UserError(
            f"{path}: was not written by madf-jax pack: its options are {options}, not "
            f"{','.join(WRITER_OPTIONS)}"
        )


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
