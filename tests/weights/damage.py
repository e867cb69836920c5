"""Files as a stranger might send them."""

import io
import pathlib
import struct
import zipfile

import numpy as np

from madf_jax.weights.tensor_files import open_tensors


def read_all(path):
    """The whole content of a file of tensors as NumPy arrays."""

    def read(value):
        if isinstance(value, dict):
            return {key: read(item) for key, item in value.items()}
        if isinstance(value, list):
            return [read(item) for item in value]
        return np.asarray(value) if hasattr(value, "__array__") else value

    with open_tensors(path) as content:
        return read(content.tensors)


def of_bytes(content):
    return lambda path: path.write_bytes(content)


def npz(**arrays):
    return lambda path: np.savez(path, allow_pickle=True, **arrays)


def member(name, content, compression=zipfile.ZIP_STORED):
    def write(path):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr(name, content)

    return write


def npy(shape, data=b"", dtype="<f4"):
    header = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue() + data


def members(count):
    """An archive whose list names so many members, all of them the same empty one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("params/a.npy", b"")
    content, end = buffer.getvalue()[:-22], bytearray(buffer.getvalue()[-22:])
    entry = content[archive.start_dir :]
    struct.pack_into("<L", end, 12, len(entry) * count)
    return of_bytes(content[: archive.start_dir] + entry * count + bytes(end))


def cut(write, share):
    def write_and_cut(path):
        write(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return write_and_cut


def flipped(write, at):
    def write_and_flip(path):
        write(path)
        content = bytearray(path.read_bytes())
        content[at] ^= 0xFF
        path.write_bytes(content)

    return write_and_flip


class Evil:
    """Makes a file when it is unpickled by what runs code."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return pathlib.Path.touch, (self.target,)
