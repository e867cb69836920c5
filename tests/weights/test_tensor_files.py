import io
import pathlib
import pickle
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from madf_jax.errors import UserError
from madf_jax.weights import tensor_files
from madf_jax.weights.tensor_files import read_tensors, write_tensors

ARRAYS = {
    "a/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "step": np.asarray(7, np.int32),
    "empty": np.zeros((0, 3), np.float32),
    "odd": np.asarray([-0.0, 1e-45, 3e38], np.float32),
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".SafeTensors"])
def test_there_and_back_is_bit_identical(suffix, tmp_path, assert_identical):
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, ARRAYS, {"format": "madf_jax"})
    found = read_tensors(path)
    assert_identical({name: found[name] for name in ARRAYS}, ARRAYS)
    assert set(found) == set(ARRAYS)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_turned_and_reversed_arrays_are_written_right(suffix, tmp_path):
    view = ARRAYS["a/kernel"].transpose(2, 0, 1)[::-1]
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, {"view": view})
    np.testing.assert_array_equal(read_tensors(path)["view"], view)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, ARRAYS)
    before = path.read_bytes()

    def full_disk(path, *_):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_files, "_write", full_disk)
    with pytest.raises(UserError, match=r"weights.*cannot be written: no space left"):
        write_tensors(path, ARRAYS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(UserError, match=r"nowhere/w.npz: there is no directory .*nowhere$"):
        write_tensors(tmp_path / "nowhere" / "w.npz", ARRAYS)


def test_a_directory_is_told_how_to_become_a_file(tmp_path):
    with pytest.raises(UserError, match=r"is a directory; `python -m madf_jax convert`"):
        read_tensors(tmp_path)


def _bytes(content):
    return lambda path: path.write_bytes(content)


def _npz(**arrays):
    return lambda path: np.savez(path, allow_pickle=True, **arrays)


def _member(name, content, compression=zipfile.ZIP_STORED):
    def write(path):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr(name, content)

    return write


def _npy(shape, data=b"", dtype="<f4"):
    header = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue() + data


def _cut(write, share):
    def write_and_cut(path):
        write(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return write_and_cut


def _flipped(write, at):
    def write_and_flip(path):
        write(path)
        content = bytearray(path.read_bytes())
        content[at] ^= 0xFF
        path.write_bytes(content)

    return write_and_flip


def _twice(path):
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.npy", _npy((1,), b"1234"))
        archive.writestr("a.npy", _npy((1,), b"5678"))


def _safetensors(path):
    save_file({"a": np.ones(99, np.float32)}, path)


def _header(text):
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("missing.npz", lambda path: None, "there is no such file"),
        ("folder.npz", pathlib.Path.mkdir, "is a directory"),
        ("empty.npz", _bytes(b""), "is empty"),
        ("empty.safetensors", _bytes(b""), "is empty"),
        (
            "weights.bin",
            _bytes(b"abc"),
            r"end in \.safetensors, \.npz, \.pth, \.pt, not in '\.bin'",
        ),
        ("weights", _bytes(b"abc"), "not in ''"),
        ("text.npz", _bytes(b"not an archive"), "no readable .npz file: File is not a zip file"),
        ("text.safetensors", _bytes(b"not a header at all"), "no readable .safetensors file"),
        ("cut.npz", _cut(_npz(a=np.ones(99)), 0.6), "no readable .npz file"),
        ("cut.safetensors", _cut(_safetensors, 0.6), "no readable .safetensors file"),
        ("cut_header.safetensors", _cut(_safetensors, 0.02), "no readable .safetensors file"),
        ("flipped.npz", _flipped(_npz(a=np.ones(99)), 300), "no readable .npz file: Bad CRC"),
        ("huge_header.safetensors", _bytes(b"\xff" * 8 + b"{}"), "no readable .safetensors file"),
        (
            "beyond.safetensors",
            _bytes(
                _header(b'{"a":{"dtype":"F32","shape":[999],"data_offsets":[0,3996]}}') + b"1234"
            ),
            "no readable .safetensors file",
        ),
        ("objects.npz", _npz(a=np.asarray([{}, 1], object)), "'a.npy' has dtype object"),
        ("words.npz", _npz(a=np.asarray(["b"])), "'a.npy' has dtype <U1"),
        ("complex.npz", _npz(a=np.ones(2, np.complex64)), "'a.npy' has dtype complex64"),
        ("shape.npz", _member("a.npy", _npy((10**12,), b"1234")), "'a.npy' declares shape"),
        ("negative.npz", _member("a.npy", _npy((-1, -1), b"1234")), "no readable .npz file"),
        ("stray.npz", _member("a.txt", "hello"), "holds 'a.txt', which is no array"),
        ("magic.npz", _member("a.npy", b"hello there, no array"), "no readable .npz file"),
        ("version.npz", _member("a.npy", b"\x93NUMPY\x09\x00" + b"0" * 99), "npy version"),
        ("twice.npz", _twice, "two arrays of the same name"),
    ],
)
def test_damaged_files_are_refused_in_one_line(name, damage, message, tmp_path):
    path = tmp_path / name
    damage(path)
    with pytest.raises(UserError, match=message) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "write",
    [
        _member("a.npy", _npy((25_000,), bytes(100_000)), zipfile.ZIP_DEFLATED),
        _npz(a=np.ones(25_000, np.float32)),
    ],
    ids=["zip_bomb", "large_file"],
)
def test_too_much_is_refused_before_it_is_read(write, tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "MAX_BYTES", 50_000)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("was read"))
    path = tmp_path / "large.npz"
    write(path)
    with pytest.raises(UserError, match=r"large\.npz: .*more than the 50000 allowed"):
        read_tensors(path)


def test_without_pytorch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"pip install '\.\[torch\]'; .safetensors and .npz"):
        read_tensors(path)
    with pytest.raises(UserError, match=r"pip install '\.\[torch\]'"):
        write_tensors(path, ARRAYS)


def test_a_pytorch_that_cannot_read_safely_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(__version__="2.5.1+cpu"))
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"PyTorch 2\.6 or newer .* 2\.5\.1"):
        read_tensors(path)


def test_pytorch_is_not_imported_before_it_is_used():
    code = "import sys, madf_jax.weights.checkpoint; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class _Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return pathlib.Path.touch, (self.target,)


def _torch():
    return pytest.importorskip("torch", reason="PyTorch files need the torch extra")


def _saved(content, **options):
    return lambda path: _torch().save(content() if callable(content) else content, path, **options)


def _expanded():
    torch = _torch()
    return {"a": torch.zeros(1).expand(2**40)}


def _laughs():
    value = [0]
    for _ in range(12):
        value = [value] * 10
    return {"a": value}


LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.mark.torch
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_saved([1, 2]), "holds a list, not a dict"),
        (
            lambda path: path.write_bytes(pickle.dumps([1, 2], protocol=2)),
            "no readable PyTorch file",
        ),
        (_bytes(b"text, not weights"), "no readable PyTorch file"),
        (_cut(_saved({"a": 1}), 0.5), "no readable .pth file"),
        (_cut(_saved(lambda: {"a": _torch().ones(99)}, **LEGACY), 0.7), "no readable PyTorch file"),
        (_saved(_expanded), "declares more bytes"),
        (_saved(_laughs), "too many values"),
        (_saved(lambda: {"a": _torch().ones(3).to_sparse()}), "'/a' is a torch.float32 tensor"),
        (_saved(lambda: {"a": _torch().ones(3, device="meta")}), "'/a' .* without readable data"),
        (_saved(lambda: {"a": _torch().ones(3) * 1j}), "'/a' is a torch.complex64"),
        (_member("a.npy", bytes(100_000), zipfile.ZIP_DEFLATED), "declares 100000 bytes"),
    ],
)
def test_damaged_pytorch_files_are_refused_in_one_line(damage, message, tmp_path, monkeypatch):
    _torch()
    monkeypatch.setattr(tensor_files, "MAX_BYTES", 50_000)
    path = tmp_path / "weights.pth"
    damage(path)
    with pytest.raises(UserError, match=message) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.torch
@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
def test_a_pickle_that_would_run_code_does_not(options, tmp_path):
    torch = _torch()
    path, target = tmp_path / "weights.pth", tmp_path / "was_here"
    torch.save({"model": _Evil(target)}, path, **options)
    with pytest.raises(UserError, match="more than tensors and plain values"):
        read_tensors(path)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the file was a danger indeed
    assert target.exists()


@pytest.mark.torch
@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
def test_pytorch_files_come_as_numpy(options, tmp_path):
    torch = _torch()
    path = tmp_path / "weights.pt"
    content = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "n": 3,
        "list": [1, "b", None],
        "pair": (1, 2),
    }
    half = torch.tensor([1.5, -2.25], dtype=torch.bfloat16)
    torch.save({**content, "half": half, "int": torch.tensor(2**40)}, path, **options)
    found = read_tensors(path)
    np.testing.assert_array_equal(found["a"], np.arange(6, dtype=np.float32).reshape(2, 3).T)
    np.testing.assert_array_equal(found["half"], np.asarray([1.5, -2.25], np.float32), strict=True)
    assert found["int"] == 2**40
    assert (found["n"], found["list"], found["pair"]) == (3, [1, "b", None], [1, 2])
