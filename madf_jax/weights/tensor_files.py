"""Tensors in .safetensors, .npz and PyTorch's .pth or .pt files, read as if a stranger wrote them.

No file can run code, and what a file declares is held against `MAX_BYTES` before memory is taken
for it. Whatever is wrong with a file becomes one `UserError` that names it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from madf_jax.errors import UserError
from madf_jax.files import local_path, require_regular_file
from madf_jax.weights import npz, torch_files
from madf_jax.weights.checks import error_context
from madf_jax.weights.scratch import scratch_folder
from madf_jax.weights.stored import Content, StoredTensor, check_size, damage_reported

OWN_SUFFIXES = (".safetensors", ".npz")
TORCH_SUFFIXES = (".pth", ".pt")
SUFFIXES = (*OWN_SUFFIXES, *TORCH_SUFFIXES)


@contextlib.contextmanager
def open_tensors(path: str | os.PathLike[str], skip: Collection[str] = ()) -> Iterator[Content]:
    """Opens a file of tensors, of the kind that its suffix names.

    Args:
        path: .safetensors, .npz, .pth or .pt. The last two need PyTorch.
        skip: names, and first parts of names up to a '/', that are passed over.

    Yields:
        Its content, which can be read while the file is open: NumPy arrays of the dtypes in the
        file (bool, integers, floats, bfloat16); a PyTorch file's float16 and bfloat16 come as
        float32.

    Raises:
        UserError: no such file, a folder, an unknown suffix, or content that is damaged, too large,
            not what the suffix says, or not tensors. It is raised in the `with` block, too, by what
            is read there; the file's name stands before the message of every one.
    """
    path = local_path(path)
    _check_file(path)
    suffix = _known_suffix(path)
    with error_context(path), contextlib.ExitStack() as stack:
        with damage_reported(suffix):
            if suffix in TORCH_SUFFIXES:
                opened = torch_files.open_torch(path, skip)
            else:
                opened = npz.open_npz(path) if suffix == ".npz" else _open_safetensors(path)
            content = stack.enter_context(opened)
        kept = {
            name: tensor
            for name, tensor in content.tensors.items()
            if str(name).partition("/")[0] not in skip
        }
        yield Content(kept, content.description)


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of a NumPy archive, whatever its suffix; texts are allowed beside numbers.

    Raises:
        UserError: as `open_tensors`.
    """
    path = local_path(path)
    _check_file(path)
    with error_context(path), damage_reported(".npz"), npz.open_npz(path, kinds="biufU") as content:
        return {name: np.asarray(tensor) for name, tensor in content.tensors.items()}


def _known_suffix(path: pathlib.Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{path}: files of weights end in {', '.join(SUFFIXES)}, not in {path.suffix!r}"
        )
    return suffix


def _check_file(path: pathlib.Path) -> None:
    size = require_regular_file(path).st_size
    with error_context(path):
        if size == 0:
            raise UserError("is empty")
        check_size(size)


@contextlib.contextmanager
def _open_safetensors(path: pathlib.Path) -> Iterator[Content]:
    # The library holds the header's length, offsets and shapes against the size of the file.
    with safe_open(path, framework="numpy") as file:
        tensors = {
            name: StoredTensor(
                shape=tuple(file.get_slice(name).get_shape()),
                kind=".safetensors",
                read=functools.partial(file.get_tensor, name),
            )
            for name in file.keys()  # noqa: SIM118 (not a dict)
        }
        yield Content(tensors, (file.metadata() or {}).get(npz.DESCRIPTION))


def write_tensors(
    path: str | os.PathLike[str], content: Mapping[str, Any], description: str | None = None
) -> None:
    """Writes a file that appears whole or not at all.

    Args:
        path: .safetensors, .npz, .pth or .pt.
        content: arrays by name; for PyTorch's files also nested dicts, lists and plain values.
        description: a text to keep beside them.

    Raises:
        UserError: an unknown suffix, or a place that can't be written.
    """
    path = local_path(path)
    _known_suffix(path)
    with error_context(path):
        try:
            if path.is_dir():
                raise UserError("is a directory")
            if not path.parent.is_dir():
                raise UserError(f"there is no directory {path.parent}")
            with scratch_folder(path.parent) as folder:
                temporary = folder / path.name
                _write(temporary, content, description)
                temporary.chmod(_mode_of_new_files(folder))
                os.replace(temporary, path)
        except OSError as error:
            raise UserError(f"can't be written: {error.strerror or error}") from None
        except (RuntimeError, SafetensorError) as error:  # torch's and safetensors' own
            raise UserError(f"can't be written: {error}") from None


def _mode_of_new_files(folder: pathlib.Path) -> int:
    """By the user's umask, which the library for .safetensors does not heed."""
    probe = folder / "mode"
    probe.touch()
    return probe.stat().st_mode & 0o777


def _write(path: pathlib.Path, content: Mapping[str, Any], description: str | None) -> None:
    suffix = path.suffix.lower()
    if suffix in TORCH_SUFFIXES:
        torch_files.write_torch(path, content, description)
        return
    # safetensors writes wrong data for arrays that are not contiguous, without a word.
    arrays: dict[str, Any] = {name: np.asarray(value, order="C") for name, value in content.items()}
    described = {} if description is None else {npz.DESCRIPTION: description}
    if suffix == ".npz":
        arrays |= {name: np.asarray(text) for name, text in described.items()}
        with path.open("wb") as file:
            np.savez(file, **arrays)
    else:
        save_file(arrays, path, metadata={"format": "madf_jax", **described})
