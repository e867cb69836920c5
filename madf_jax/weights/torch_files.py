"""PyTorch's checkpoint files as NumPy arrays and back.

The only module that imports PyTorch, and only when used.

Files are read with `weights_only=True`: the pickle inside can make tensors, dicts, lists and plain
values, and nothing else.
"""

from __future__ import annotations

import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError

# Before 2.6 a legacy file could run code in spite of weights_only (CVE-2025-32434).
_OLDEST_TORCH = (2, 6)
_MAX_VALUES = 100_000
_MAX_NESTING = 16


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


def read(path: pathlib.Path, max_bytes: int) -> dict[str, Any]:
    """The dict in a .pth or .pt file, zipped or of the legacy format.

    Args:
        path: the file.
        max_bytes: how many bytes of tensors it may declare in all.

    Returns:
        Nested dicts and lists of NumPy arrays and plain values; float16 and bfloat16 as float32.

    Raises:
        UserError: no PyTorch, a file that would run code, that is too large, damaged, or holds no
            dict.
    """
    torch = import_torch()
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > max_bytes:
            raise UserError(f"declares {size} bytes, more than the {max_bytes} allowed")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises almost anything on hostile bytes
        reason = (str(error) or type(error).__name__).split(". ")[0]
        raise UserError(
            f"is no readable PyTorch file, or holds more than tensors and plain values: {reason}"
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"holds a {type(content).__name__}, not a dict of tensors")
    arrays: dict[str, Any] = _ToNumpy(torch, max_bytes).convert(content, "")
    return arrays


class _ToNumpy:
    """Counts as it goes: a small pickle can name one list, or one storage, a million times."""

    def __init__(self, torch: Any, max_bytes: int) -> None:
        self._torch = torch
        self._bytes_left = max_bytes
        self._values_left = _MAX_VALUES

    def convert(self, value: Any, name: str, nesting: int = 0) -> Any:
        self._values_left -= 1
        if self._values_left < 0 or nesting > _MAX_NESTING:
            raise UserError(f"nests or repeats too many values, at {name!r}")
        if isinstance(value, self._torch.Tensor):
            return self._array(value, name)
        if isinstance(value, Mapping):
            return {
                key: self.convert(item, f"{name}/{key}", nesting + 1) for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.convert(item, f"{name}[{i}]", nesting + 1) for i, item in enumerate(value)]
        return value

    def _array(self, tensor: Any, name: str) -> np.ndarray:
        self._bytes_left -= tensor.numel() * max(tensor.element_size(), 4)
        if self._bytes_left < 0:
            raise UserError(f"declares more bytes of tensors than allowed, at {name!r}")
        if tensor.layout != self._torch.strided or tensor.is_quantized or tensor.is_complex():
            raise UserError(
                f"{name!r} is a {tensor.dtype} tensor of layout {tensor.layout}, not a plain one"
            )
        if tensor.dtype in (self._torch.float16, self._torch.bfloat16):
            tensor = tensor.float()
        try:
            return np.asarray(tensor.detach().numpy())
        except (RuntimeError, TypeError):
            raise UserError(f"{name!r} is a {tensor.dtype} tensor without readable data") from None


def write(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    """Writes what `read` returns, arrays as tensors, in PyTorch's zip format."""
    torch = import_torch()

    def tensors(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: tensors(item) for key, item in value.items()}
        # A copy, since the array may be a read-only or reversed view.
        return torch.tensor(np.asarray(value, order="C")) if hasattr(value, "__array__") else value

    torch.save(tensors(content), path)
