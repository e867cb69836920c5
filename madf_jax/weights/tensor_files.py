"""Tensors in .safetensors, .npz and PyTorch's .pth or .pt files, read as if a stranger wrote them.

No file can run code, and what a file declares is held against `MAX_BYTES` before memory is taken
for it. Whatever is wrong with a file becomes one `UserError` that names it.
"""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from madf_jax.errors import UserError
from madf_jax.weights import torch_files
from madf_jax.weights.checks import about

MAX_BYTES = 4 * 2**30  # of tensors in one file: ten times a network of the published size
TORCH_SUFFIXES = (".pth", ".pt")


def read_tensors(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a file of tensors, by the kind that its suffix names.

    Args:
        path: .safetensors, .npz, .pth or .pt. The last two need PyTorch.

    Returns:
        NumPy arrays by name, of the dtypes in the file (bool, integers, floats, bfloat16). A
        PyTorch file may nest dicts and lists and hold plain values between them; its float16 and
        bfloat16 tensors come as float32.

    Raises:
        UserError: no such file, a folder, an unknown suffix, or content that is damaged, too large,
            not what the suffix says, or not tensors.
    """
    path = pathlib.Path(path)
    with about(path):
        if path.is_dir():
            raise UserError(
                "is a directory; `python -m madf_jax convert` makes a file of a run's weights"
            )
        reader = _readers().get(path.suffix.lower())
        if reader is None:
            raise UserError(
                f"files of weights end in {', '.join(_readers())}, not in {path.suffix!r}"
            )
        _check_file(path)
        with _damage_told(path.suffix):
            return reader(path)


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a NumPy archive, whatever its suffix; texts are allowed beside numbers.

    Raises:
        UserError: as `read_tensors`.
    """
    path = pathlib.Path(path)
    with about(path):
        _check_file(path)
        with _damage_told(".npz"):
            return _read_npz(path, kinds="biufU")


def _readers() -> dict[str, Callable[[pathlib.Path], dict[str, Any]]]:
    torch_readers = dict.fromkeys(TORCH_SUFFIXES, lambda path: torch_files.read(path, MAX_BYTES))
    return {".safetensors": _read_safetensors, ".npz": _read_npz, **torch_readers}


def _check_file(path: pathlib.Path) -> None:
    if not path.exists():
        raise UserError("there is no such file")
    if not path.is_file():
        raise UserError("is not a file")
    size = path.stat().st_size
    if size == 0:
        raise UserError("is empty")
    _check_size(size)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise UserError(f"holds or declares {size} bytes, more than the {MAX_BYTES} allowed")


@contextlib.contextmanager
def _damage_told(suffix: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # parsers raise almost anything on hostile bytes
        reason = str(error) or type(error).__name__
        raise UserError(f"is no readable {suffix} file: {reason}") from None


def _read_safetensors(path: pathlib.Path) -> dict[str, Any]:
    # The library holds the header's length, offsets and shapes against the size of the file.
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _read_npz(path: pathlib.Path, kinds: str = "biuf") -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        _check_size(sum(member.file_size for member in members))
        if len({member.filename for member in members}) < len(members):
            raise UserError("holds two arrays of the same name")
        return {
            member.filename.removesuffix(".npy"): _read_member(archive, member, kinds)
            for member in members
        }


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kinds: str) -> np.ndarray:
    """One array, after its header agreed with the size of the member that holds it."""
    name = member.filename
    if not name.endswith(".npy"):
        raise UserError(f"holds {name!r}, which is no array")
    with archive.open(member) as file:
        shape, dtype = _npy_header(name, file)
        if dtype.kind not in kinds:
            raise UserError(f"{name!r} has dtype {dtype}, which is not a number's")
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise UserError(f"{name!r} declares shape {shape}, which is not the size of its data")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _npy_header(name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise UserError(f"{name!r} is of npy version {version}, which plain arrays do not need")
    return shape, dtype


def write_tensors(
    path: str | os.PathLike[str],
    content: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a file that appears whole or not at all.

    Args:
        path: .safetensors, .npz, .pth or .pt.
        content: arrays by name; for PyTorch's files also nested dicts, lists and plain values.
        metadata: texts for the header of .safetensors; the other kinds have no place for them.

    Raises:
        UserError: an unknown suffix, or a place that cannot be written.
    """
    path = pathlib.Path(path)
    with about(path), contextlib.ExitStack() as stack:
        if path.suffix.lower() not in _readers():
            raise UserError(
                f"files of weights end in {', '.join(_readers())}, not in {path.suffix!r}"
            )
        if path.is_dir() or not path.parent.is_dir():
            raise UserError(
                "is a directory" if path.is_dir() else f"there is no directory {path.parent}"
            )
        try:
            # On the file system of the target, so that the move cannot stop half-way.
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-")
            )
            temporary = pathlib.Path(folder, path.name)
            _write(temporary, content, metadata)
            os.replace(temporary, path)
        except (OSError, RuntimeError, SafetensorError) as error:  # RuntimeError: torch's
            raise UserError(f"cannot be written: {error}") from None


def _write(
    path: pathlib.Path, content: Mapping[str, Any], metadata: Mapping[str, str] | None
) -> None:
    suffix = path.suffix.lower()
    if suffix in TORCH_SUFFIXES:
        torch_files.write(path, content)
        return
    # safetensors writes wrong data for arrays that are not contiguous, without a word.
    arrays: dict[str, Any] = {name: np.asarray(value, order="C") for name, value in content.items()}
    if suffix == ".npz":
        with path.open("wb") as file:
            np.savez(file, **arrays)
    else:
        save_file(arrays, path, metadata=dict(metadata or {}))
