"""Tensors in a TorchScript archive, read without PyTorch and without running its program.

`torch.jit.load` compiles the program in the file and may run parts of it. Here only the pickled
tree of attributes is read, by an unpickler that makes plain objects and descriptions of tensors,
and then the bytes of the tensors that are asked for.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from madf_jax.errors import UserError
from madf_jax.weights.checks import Shape
from madf_jax.weights.npz import open_archive
from madf_jax.weights.stored import Content, StoredTensor, check_size

_MAX_PICKLE = 16 * 2**20  # bytes
_MAX_OBJECTS = 100_000
_PART = 2**20  # bytes
_DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "BoolStorage": "?",
}


def is_torchscript(archive: zipfile.ZipFile) -> bool:
    """Whether an archive of PyTorch holds a program."""
    return any(name.endswith("/constants.pkl") for name in archive.namelist())


@contextlib.contextmanager
def open_torchscript(path: pathlib.Path) -> Iterator[Content]:
    """Opens an archive written by `torch.jit.save`.

    Yields:
        Its tensors by the paths of attributes that lead to them, joined with '.': the names in the
        state dict of the module.

    Raises:
        UserError: it is damaged, too large, or not such an archive.
    """
    with open_archive(path) as archive:
        root = _root(archive)
        if (size := archive.getinfo(f"{root}data.pkl").file_size) > _MAX_PICKLE:
            raise UserError(f"its pickle declares {size} bytes, far too many")
        tree = _Unpickler(io.BytesIO(_read_stored(archive, f"{root}data.pkl"))).load()
        tensors = {
            name: StoredTensor(found.shape, "TorchScript", _reader(archive, root, name, found))
            for name, found in _tensors(tree).items()
        }
        yield Content(tensors)


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: Shape
    strides: tuple[int, ...]


class _Object:
    """Takes the place of every class of the program; its attributes are the pickled state."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Object
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe
        if module == "torch" and name in _DTYPES:
            return np.dtype(_DTYPES[name])
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":  # lists with a type
            return _same
        raise UserError(f"asks for {module}.{name}, more than a module of tensors needs")

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not str(key).isalnum():
            raise UserError(f"refers to {kind!r}, not to the storage of a tensor")
        return _Storage(str(key), dtype)


def _same(value: Any) -> Any:
    return value


def _describe(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _tensors(tree: Any) -> dict[str, _Tensor]:
    """Tensors among the attributes, by their paths."""
    found: dict[str, _Tensor] = {}
    pending, seen = [("", tree)], 0
    while pending:
        name, value = pending.pop()
        seen += 1
        if seen > _MAX_OBJECTS:
            raise UserError("nests or repeats too many values")
        if isinstance(value, _Tensor):
            found[name] = value
        elif isinstance(value, _Object):
            prefix = f"{name}." if name else ""
            pending += [(f"{prefix}{key}", item) for key, item in vars(value).items()]
    return found


def _reader(archive: zipfile.ZipFile, root: str, name: str, tensor: _Tensor) -> Any:
    """Reads a tensor, whose place in its storage is checked now."""
    (key, dtype), offset, shape, strides = tensor
    numbers = (offset, *shape, *strides)
    whole = all(isinstance(n, int) and 0 <= n < 2**40 for n in numbers)
    if not whole or len(shape) != len(strides):
        raise UserError(f"{name!r} declares an impossible place")
    count = int(np.prod(shape, dtype=object)) if shape else 1
    check_size(count * dtype.itemsize)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    member = f"{root}data/{key}"

    def read() -> np.ndarray:
        values = np.frombuffer(_read_stored(archive, member), dtype)
        if count and last >= len(values):
            raise UserError(f"{name!r} reaches beyond its data")
        steps = tuple(stride * dtype.itemsize for stride in strides)
        return np.lib.stride_tricks.as_strided(values[offset:], shape, steps).copy()

    return read


def _read_stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member that is stored as it is: memory is then bounded by the file."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise UserError(f"{name!r} is compressed, which PyTorch does with programs only")
    with archive.open(name) as file:
        # In parts: whole, it would look like an absurd list of members to `open_archive`.
        return b"".join(iter(lambda: file.read(_PART), b""))


def _root(archive: zipfile.ZipFile) -> str:
    """The folder in the archive that holds everything, with its '/'."""
    (name,) = [n for n in archive.namelist() if n.endswith("/constants.pkl")]
    root = name.removesuffix("constants.pkl")
    order = f"{root}byteorder"
    if order in archive.namelist() and archive.read(order) != b"little":
        raise UserError("was written on a big-endian machine; save it again on a little-endian one")
    return root
