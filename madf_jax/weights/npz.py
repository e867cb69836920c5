"""NumPy's .npz archives, and zip archives in general, as if a stranger wrote them."""

from __future__ import annotations

import contextlib
import io
import math
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.weights.checks import Shape
from madf_jax.weights.stored import Content, StoredTensor, check_size

DESCRIPTION = "madf_jax"  # the name of the text in it

_MOST_MEMBERS = 20_000
_LARGEST_DIRECTORY = 4 * 2**20  # bytes, of an archive's list of members
_LARGEST_HEADER = 16 * 2**10  # bytes; NumPy reads at most 10,000
_LARGEST_DESCRIPTION = 4 * 2**20  # bytes
_NUMBERS = "biuf"


@contextlib.contextmanager
def open_archive(path: pathlib.Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose list of members, and what they declare, is of a sane size.

    Raises:
        UserError: it is not.
    """
    with _BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise UserError(f"holds {len(members)} members, more than the {_MOST_MEMBERS} allowed")
        check_size(sum(member.file_size for member in members))
        if len({member.filename for member in members}) < len(members):
            raise UserError("holds two members of the same name")
        yield archive


class _BoundedFile(io.FileIO):
    """Refuses to read so much at once as only an absurd list of members takes: it has one read."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__(path, "rb")

    def read(self, size: int | None = -1, /) -> Any:
        if size is not None and size > _LARGEST_DIRECTORY:
            raise UserError(f"holds a list of members of {size} bytes, far too many for weights")
        return super().read(-1 if size is None else size)


@contextlib.contextmanager
def open_npz(path: pathlib.Path, kinds: str = _NUMBERS) -> Iterator[Content]:
    """Opens a NumPy archive.

    Args:
        path: the file.
        kinds: of dtypes that are allowed.

    Raises:
        UserError: it holds something else than such arrays, or declares too much.
    """
    with open_archive(path) as archive:
        text = f"{DESCRIPTION}.npy"
        yield Content(
            tensors={
                member.filename.removesuffix(".npy"): _stored(archive, member, kinds)
                for member in archive.infolist()
                if member.filename != text
            },
            description=_read_text(archive, text) if text in archive.namelist() else None,
        )


def _stored(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kinds: str) -> StoredTensor:
    """One array, after its header agreed with the size of the member that holds it."""
    name = member.filename
    if not name.endswith(".npy"):
        raise UserError(f"holds {name!r}, which is no array")
    with archive.open(member) as file:
        header = io.BytesIO(file.read(_LARGEST_HEADER))
    shape, dtype = _parse_header(name, header)
    if dtype.kind not in kinds:
        raise UserError(f"{name!r} has dtype {dtype}, which is not a number's")
    if math.prod(shape) * dtype.itemsize != member.file_size - header.tell():
        raise UserError(f"{name!r} declares shape {shape}, which is not the size of its data")

    def read() -> np.ndarray:
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    return StoredTensor(shape, ".npz", read)


def _parse_header(name: str, header: io.BytesIO) -> tuple[Shape, np.dtype[Any]]:
    version = np.lib.format.read_magic(header)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(header)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(header)
    else:
        raise UserError(f"{name!r} is of npy version {version}, which plain arrays do not need")
    return shape, dtype


def _read_text(archive: zipfile.ZipFile, name: str) -> str:
    member = archive.getinfo(name)
    if member.file_size > _LARGEST_DESCRIPTION:
        raise UserError(f"{name!r} declares {member.file_size} bytes, far too many")
    return str(np.asarray(_stored(archive, member, kinds="U")))
