"""PyTorch's checkpoint files as NumPy arrays and back.

The only module that imports PyTorch, and only when used.

Files are read with `weights_only=True`: the pickle inside can make tensors, dicts, lists and plain
values, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.weights.npz import DESCRIPTION, open_archive
from madf_jax.weights.stored import Content, StoredTensor, check_size
from madf_jax.weights.torchscript import is_torchscript, open_torchscript

# Before 2.6 a legacy file could run code in spite of weights_only (CVE-2025-32434).
_OLDEST_TORCH = (2, 6)
_MAX_VALUES = 100_000
_MAX_NESTING = 16

# PyTorch's message: general advice, the reason, a word on how to allow it, a link.
_ADVICE = re.compile(r".*(?:WeightsUnpickler error:|trusted source\.)", re.DOTALL)
_REMEDY = re.compile(r"(?:\.\s+Please use|Check the documentation of torch\.load).*", re.DOTALL)


def import_torch() -> Any:
    """PyTorch, new enough to read files safely; a `UserError` names the extra without it."""
    try:
        import torch
    except ImportError:
        raise UserError(
            "needs PyTorch: pip install '.[torch]'; .safetensors and .npz files need none"
        ) from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _OLDEST_TORCH:
        raise UserError(
            f"needs PyTorch 2.6 or newer to be read safely, {torch.__version__} is here"
        )
    return torch


@contextlib.contextmanager
def open_torch(path: pathlib.Path, skip: Collection[str] = ()) -> Iterator[Content]:
    """Opens a .pth or .pt file, zipped or of the legacy format, that holds a dict or a program.

    Args:
        path: the file.
        skip: entries of the dict that are passed over, whatever they hold.

    Raises:
        UserError: no PyTorch, a file that would run code, that is too large, damaged, or holds no
            dict.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        with open_archive(path) as archive:
            is_program = is_torchscript(archive)
            if not is_program:
                _require_stored(archive, path.stat().st_size)
        if is_program:
            with open_torchscript(path) as content:
                yield content
            return
    torch = import_torch()
    loaded = _load(torch, path, zipped)
    if not isinstance(loaded, dict):
        raise UserError(f"holds a {type(loaded).__name__}, not a dict of tensors")
    entries = {key: value for key, value in loaded.items() if key not in skip}
    description = entries.pop(DESCRIPTION, None)
    tensors = _Opened(torch).convert(entries, "")
    yield Content(tensors, description if isinstance(description, str) else None)


def _require_stored(archive: zipfile.ZipFile, size: int) -> None:
    """Whether members are stored as they are, side by side: memory is then bounded by the file."""
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise UserError(
            "is compressed, which PyTorch's files are not: unpack and zip it without compression, "
            "or load it with PyTorch and save it again"
        )
    if sum(member.file_size for member in members) > size:
        raise UserError("is no PyTorch file: its members overlap")


def _load(torch: Any, path: pathlib.Path, zipped: bool) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # of the versions of pickles
            # Mapped, a tensor takes memory only once it is read.
            return torch.load(os.fspath(path), map_location="cpu", weights_only=True, mmap=zipped)
    except MemoryError:
        raise
    except Exception as error:  # torch raises almost anything on hostile bytes
        text = str(error)
        if "allocate memory" in text:
            raise MemoryError from None
        reason = _REMEDY.sub("", _ADVICE.sub("", text)).strip()
        reason = reason or text.partition(". ")[0] or type(error).__name__
        if "GLOBAL" in reason:
            raise UserError(
                f"holds more than tensors and plain values, which could run code: {reason}; where "
                "you trust it, load it with PyTorch and save its state dicts alone"
            ) from None
        raise UserError(f"is no readable PyTorch file: {reason}") from None


class _Opened:
    """Counts as it goes: a small pickle can name one list, or one storage, a million times."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._bytes = 0
        self._values_left = _MAX_VALUES

    def convert(self, value: Any, name: str, nesting: int = 0) -> Any:
        self._values_left -= 1
        if self._values_left < 0 or nesting > _MAX_NESTING:
            raise UserError(f"nests or repeats too many values, at {name!r}")
        if isinstance(value, self._torch.Tensor):
            return self._stored(value, name)
        if isinstance(value, Mapping):
            return {
                key: self.convert(item, f"{name}/{key}", nesting + 1) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.convert(item, f"{name}[{i}]", nesting + 1) for i, item in enumerate(value)]
        return value

    def _stored(self, tensor: Any, name: str) -> StoredTensor:
        self._bytes += tensor.numel() * max(tensor.element_size(), 4)
        check_size(self._bytes)

        def read() -> np.ndarray:
            if tensor.layout != self._torch.strided or tensor.is_quantized or tensor.is_complex():
                raise UserError(
                    f"{name!r} is a {tensor.dtype} tensor of layout {tensor.layout}, not a plain "
                    "one"
                )
            half = tensor.dtype in (self._torch.float16, self._torch.bfloat16)
            try:
                # A copy: the tensor itself may be no more than a view of the file.
                return np.array((tensor.float() if half else tensor).detach().numpy())
            except (RuntimeError, TypeError):
                raise UserError(
                    f"{name!r} is a {tensor.dtype} tensor without readable data"
                ) from None

        return StoredTensor(tuple(tensor.shape), "PyTorch", read)


def write_torch(path: pathlib.Path, content: Mapping[str, Any], description: str | None) -> None:
    """Writes nested dicts, lists, plain values and arrays, as tensors, in PyTorch's zip format."""
    torch = import_torch()

    def tensors(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: tensors(item) for key, item in value.items()}
        # A copy, since the array may be a read-only or reversed view.
        return torch.tensor(np.asarray(value, order="C")) if hasattr(value, "__array__") else value

    described = {} if description is None else {DESCRIPTION: description}
    torch.save(tensors({**content, **described}), path)
